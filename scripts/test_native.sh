#!/usr/bin/env bash
# Every test that needs no browser, the command line included.
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
node --test --test-reporter=spec tests/*.test.mjs
native cargo test --workspace --locked "$@"
