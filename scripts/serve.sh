#!/usr/bin/env bash
# Builds dist/ where a source is newer than it, and serves it.
# usage: [PORT=8080] scripts/serve.sh
source "$(dirname "$0")/environment.sh"
cd "$ROOT"

sources=(Cargo.toml Cargo.lock Trunk.toml index.html .cargo src style public package-lock.json
  scripts/environment.sh scripts/pack_sample.mjs scripts/precache.mjs scripts/service-worker.template.js)
if [ ! -f dist/service-worker.js ] || [ -n "$(find "${sources[@]}" -newer dist/service-worker.js -print -quit)" ]; then
  scripts/build.sh
else
  say "dist is up to date"
fi
exec node scripts/static_server.mjs "${PORT:-8080}" dist
