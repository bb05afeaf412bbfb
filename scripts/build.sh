#!/usr/bin/env bash
# Builds the page and the engine into dist/ with Trunk; the first build takes a while, later ones seconds to minutes.
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
# Trunk itself needs no network; the crates do, once.
web cargo fetch --quiet --locked --target wasm32-unknown-unknown
say "Building the page and the engine (from nothing: about 15 minutes on two cores)"
web trunk build --release --offline --locked "$@"
