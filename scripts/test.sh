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
# Much of the build runs on one core (fat LTO, wasm-opt), and native tests wait for ffmpeg: side by side they fill two.
scripts/build.sh >test-results/build-output.txt 2>&1 &
build=$!
trap 'kill "$build" 2>/dev/null || true' EXIT
stage "native tests" scripts/test_native.sh
say "build, begun beside the native tests"
outcome=0
wait "$build" || outcome=$?
cat test-results/build-output.txt
[ "$outcome" = 0 ] || exit "$outcome"
stage "browser tests" scripts/test_browser.sh
stage "end to end" scripts/test_e2e.sh

# Cargo, wasm-bindgen and node each count their own; one line says it all.
passed=$(sed -nE 's/^test result: ok\. ([0-9]+) passed.*/\1/p; s/^(# |ℹ )pass ([0-9]+)$/\2/p' test-results/*.log | awk '{ sum += $1 } END { print sum + 0 }')
say "Everything took $((SECONDS - started)) s"
echo "$passed passed, 0 failed"
