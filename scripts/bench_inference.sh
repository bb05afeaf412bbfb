#!/usr/bin/env bash
# Our forward pass against ONNX Runtime Web's in Chromium, on the same random models; docs/inference.md by default.
# usage: scripts/bench_inference.sh [OPTIONS of benches/inference/run.mjs]
# torch, transformers and onnx (several GB, shared with scripts/test_interop.sh) and ONNX Runtime Web are installed into
# the cache folder, once.
source "$(dirname "$0")/environment.sh"
source "$(dirname "$0")/python_environment.sh"
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
web cargo build --quiet --release --target wasm32-unknown-unknown --no-default-features --features engine --example forward
web wasm-bindgen --target web --out-dir "$site" --out-name forward "$CACHE/target/web/wasm32-unknown-unknown/release/examples/forward.wasm"
web wasm-opt --output="$site/forward_bg.wasm.small" -Os --enable-simd --enable-bulk-memory --enable-reference-types --enable-nontrapping-float-to-int --enable-sign-ext --enable-mutable-globals --enable-multivalue "$site/forward_bg.wasm"
mv "$site/forward_bg.wasm.small" "$site/forward_bg.wasm"
cp benches/inference/worker.mjs "$place"/node_modules/onnxruntime-web/dist/ort*.{mjs,wasm} "$site"
echo '<!doctype html><meta charset="utf-8" /><title>Forward passes side by side</title>' >"$site/index.html"
say "Measuring"
node benches/inference/run.mjs "$site" "$@"
