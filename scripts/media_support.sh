#!/usr/bin/env bash
# Decodes every file of ../shared/media in Chromium, holds each frame against ffmpeg's and writes docs/media-support.md.
# usage: scripts/media_support.sh [PART OF A PATH]   only the files whose path has that part, and no table
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
CHROMIUM="$(find_chromium)" || { echo "Chromium is missing; run scripts/setup.sh test." >&2; exit 1; }
export CHROMIUM
site="$CACHE/media-support/site"
rm -rf "$site" && mkdir -p "$site"

# program NAME FILE OPTIONS…: builds a program into the site as the page's are built, but does not shrink it.
program() {
  local name="$1" file="$2"
  shift 2
  web cargo build --quiet --locked --target wasm32-unknown-unknown --no-default-features "$@"
  web wasm-bindgen --target web --out-dir "$site" --out-name "$name" "$CACHE/target/web/wasm32-unknown-unknown/$file"
}
say "Building the reader and the decoders"
program media_frames release/examples/media_frames.wasm --release --features engine --example media_frames
program decoder decoder/decoder.wasm --profile decoder --features decoders --bin decoder
echo "import init from './decoder.js'; await init();" >"$site/decoder_loader.js"
cp public/worker.js tests/media/*.mjs tests/media/index.html "$site"
say "Decoding"
node tests/media/media_support.mjs "$site" "$@"
