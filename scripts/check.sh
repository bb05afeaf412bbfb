#!/usr/bin/env bash
# Formatting and lints: style first, since it takes a second.
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
native cargo fmt --check
native cargo clippy --quiet --locked -- -D warnings
