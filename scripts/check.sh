#!/usr/bin/env bash
# Formatting and lints: style first, since it takes a second.
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
native cargo fmt --all --check
native cargo clippy --workspace --quiet --locked -- -D warnings
