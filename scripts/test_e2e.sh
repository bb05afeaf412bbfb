#!/usr/bin/env bash
# The page in Chromium, as a user uses it: every spec below tests/e2e against the built dist/.
# usage: scripts/test_e2e.sh [SPEC…]   CLIPTUNE_DIST names another build
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
CHROMIUM="$(find_chromium)" || { echo "Chromium is missing; run scripts/setup.sh test." >&2; exit 1; }
export CHROMIUM
specs=("$@")
[ "${#specs[@]}" -gt 0 ] || specs=(tests/e2e/*.test.mjs)
# One at a time: each trains, and the time that a page takes to answer is part of what is tested.
# Whatever takes ten minutes hangs, and is to fail.
node --test --test-reporter=spec --test-concurrency=1 --test-timeout=600000 "${specs[@]}"
