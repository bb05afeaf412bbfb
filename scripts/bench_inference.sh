#!/usr/bin/env bash
# Our forward pass against ONNX Runtime Web's in Chromium, on the same random models; docs/inference.md by default.
# usage: scripts/bench_inference.sh [OPTIONS of benches/inference/run.mjs]
# torch, transformers and onnx (several GB, shared with scripts/test_interop.sh) and ONNX Runtime Web are installed into
# the cache folder, once.
source "$(dirname "$0")/environment.sh"
source "$(dirname "$0")/python_environment.sh"
source "$(dirname "$0")/bench_site.sh"
cd "$ROOT"
CHROMIUM="$(find_chromium)" || { echo "Chromium is missing; run scripts/setup.sh test." >&2; exit 1; }
export CHROMIUM
place="$CACHE/bench-inference"
site="$place/site"
rm -rf "$site" && mkdir -p "$site" "$place/models"
environment "$CACHE/interop/transformers-4" tests/interop/requirements.txt
environment "$CACHE/interop/onnx" benches/inference/requirements.txt "$CACHE/interop/transformers-4"
npm install --silent --no-save --prefix "$place" onnxruntime-web@1.30.0
say "Making the models"
"$CACHE/interop/onnx/bin/python" benches/inference/make_models.py "$place/models"
ln -s "$place/models" "$site/models"
say "Building our forward pass"
build_example forward "$site"
cp benches/inference/worker.mjs "$place"/node_modules/onnxruntime-web/dist/ort*.{mjs,wasm} "$site"
echo '<!doctype html><meta charset="utf-8" /><title>Forward passes side by side</title>' >"$site/index.html"
say "Measuring"
node benches/inference/run.mjs "$site" "$@"
