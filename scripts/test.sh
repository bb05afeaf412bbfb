#!/usr/bin/env bash
# Sets everything up and runs every test, quickest first; ends with one line of counts.
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
started=$SECONDS
mkdir -p test-results

# stage NAME COMMAND…: runs a part, shows and keeps what it prints, and says how long it took.
stage() {
  local name="$1" from=$SECONDS
  shift
  say "$name"
  "$@" 2>&1 | tee "test-results/${name// /-}.log"
  say "$name: $((SECONDS - from)) s"
}

stage "set-up" scripts/setup.sh test
stage "format and lint" scripts/check.sh
# Much of the build and of the tests in a worker runs on one core, and native tests wait for ffmpeg: side by side they fill two.
beside=test-results/build-and-browser-tests.log
{ scripts/build.sh && scripts/test_browser.sh; } >"$beside" 2>&1 &
browser=$!
trap 'kill "$browser" 2>/dev/null || true' EXIT
stage "native tests" scripts/test_native.sh
say "build and browser tests, begun beside the native tests"
from=$SECONDS outcome=0
wait "$browser" || outcome=$?
cat "$beside"
[ "$outcome" = 0 ] || exit "$outcome"
say "build and browser tests: $((SECONDS - from)) s longer"
stage "end to end" scripts/test_e2e.sh

# Cargo, wasm-bindgen and node each count their own; one line says it all.
passed=$(sed -nE 's/^test result: ok\. ([0-9]+) passed.*/\1/p; s/^(# |ℹ )pass ([0-9]+)$/\2/p' test-results/*.log | awk '{ sum += $1 } END { print sum + 0 }')
say "Everything took $((SECONDS - started)) s"
echo "$passed passed, 0 failed"
