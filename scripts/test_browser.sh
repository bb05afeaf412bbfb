#!/usr/bin/env bash
# The tests that run in a dedicated worker in Chromium: WebGPU, WebCodecs, IndexedDB.
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
CHROMEDRIVER="$(command -v chromedriver)"
export CHROMEDRIVER WASM_BINDGEN_TEST_TIMEOUT=600 WASM_BINDGEN_TEST_WEBDRIVER_JSON="$ROOT/webdriver.json"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner
for test in video_browser storage_browser webgpu_forward; do
  web cargo test --locked --release --target wasm32-unknown-unknown --no-default-features --features engine --test "$test" "$@"
done
