#!/usr/bin/env bash
# How time and memory grow with tokens, batch, classes and clips, in Chromium; docs/growth.md.
# usage: scripts/bench_growth.sh [OPTIONS of benches/growth.mjs]   needs the built page (make build) for the clips' table
source "$(dirname "$0")/environment.sh"
source "$(dirname "$0")/bench_site.sh"
cd "$ROOT"
CHROMIUM="$(find_chromium)" || { echo "Chromium is missing; run scripts/setup.sh test." >&2; exit 1; }
export CHROMIUM
site="$CACHE/bench-growth/site"
rm -rf "$site" && mkdir -p "$site"
say "Building our step"
build_example training "$site"
cp benches/training/model.mjs "$site"
cp benches/growth/worker.mjs "$site/growth_worker.mjs"
echo '<!doctype html><meta charset="utf-8" /><title>Growth</title>' >"$site/index.html"
say "Measuring"
node benches/growth.mjs "$site" "$@"
