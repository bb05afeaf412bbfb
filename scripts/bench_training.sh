#!/usr/bin/env bash
# What a training step takes, natively: time on the CPU beside PyTorch's, or memory on whichever GPU the system's driver
# offers; or in Chromium: time beside TensorFlow.js'. docs/training.md has the tables.
# usage: scripts/bench_training.sh time|memory [SIZE:BATCH:STEPS]…
#        scripts/bench_training.sh browser [OPTIONS of benches/training/browser.mjs]
# TensorFlow.js is installed into the cache folder, once.
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
what="${1:-}"
[ $# -gt 0 ] && shift

in_browser() {
  local place="$CACHE/bench-training" site="$CACHE/bench-training/site"
  source scripts/bench_site.sh
  CHROMIUM="$(find_chromium)" || { echo "Chromium is missing; run scripts/setup.sh test." >&2; exit 1; }
  export CHROMIUM
  rm -rf "$site" && mkdir -p "$site"
  npm install --silent --no-save --prefix "$place" @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0 @tensorflow/tfjs-backend-webgpu@4.22.0
  say "Building our step"
  build_example training "$site"
  local theirs="$place/node_modules/@tensorflow"
  cp "$theirs"/tfjs/dist/tf.es2017.min.js "$theirs"/tfjs-backend-{wasm,webgpu}/dist/tf-backend-*.es2017.min.js "$theirs"/tfjs-backend-wasm/dist/*.wasm "$site"
  cp benches/training/{worker,model,safetensors,tensorflow}.mjs "$site"
  echo '<!doctype html><meta charset="utf-8" /><title>Training steps side by side</title>' >"$site/index.html"
  say "Measuring"
  node benches/training/browser.mjs "$site" "$@"
}

natively() {
  native cargo build --quiet --locked --example step
  local program="$CACHE/target/native/debug/examples/step"
  if [ "$what" = memory ]; then node benches/training/run.mjs memory "$program" "$@"; return; fi
  source scripts/python_environment.sh
  environment "$CACHE/interop/transformers-4" tests/interop/requirements.txt
  node benches/training/run.mjs time "$program" "$CACHE/interop/transformers-4/bin/python" "$@"
}

case "$what" in
  browser) in_browser "$@" ;;
  time | memory) natively "$@" ;;
  *) echo "usage: scripts/bench_training.sh time|memory|browser [OPTIONS]" >&2; exit 2 ;;
esac
