#!/usr/bin/env bash
# Decodes every file of ../shared/media in Chromium, holds each frame against ffmpeg's and writes docs/media-support.md.
# Needs the built page (make build): the engine's own decoders are programs of it.
# usage: scripts/media_support.sh [PART OF A PATH]   only the files whose path has that part, and no table
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
CHROMIUM="$(find_chromium)" || { echo "Chromium is missing; run scripts/setup.sh test." >&2; exit 1; }
export CHROMIUM
site="$CACHE/media-support/site"
rm -rf "$site" && mkdir -p "$site"
cp -r "${CLIPTUNE_DIST:-dist}/." "$site"
web cargo build --quiet --locked --release --target wasm32-unknown-unknown --no-default-features --features engine --example media_frames
web wasm-bindgen --target web --out-dir "$site" --out-name media_frames \
  "$CACHE/target/web/wasm32-unknown-unknown/release/examples/media_frames.wasm"
# The page of this run takes the place of the page; the service worker, which only the page asks for, stays unused.
cp tests/media/*.mjs tests/media/index.html "$site"
node tests/media/media_support.mjs "$site" "$@"
