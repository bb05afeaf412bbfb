# Sourced by every other script: where tools and builds live, and which toolchain builds what.
# Nothing here installs anything; scripts/setup.sh does.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/cliptune"
TOOLS="$CACHE/tools"
export CLIPTUNE_ROOT="$ROOT" CLIPTUNE_CACHE="$CACHE"

WASM_BINDGEN_VERSION=0.2.130
TRUNK_VERSION=0.22.1

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }

# The toolchain that builds wasm: rustup's where it has the target, else the distribution's (see scripts/setup.sh).
web_path() {
  if [ -f "$TOOLS/web-toolchain" ] && [ "$(cat "$TOOLS/web-toolchain")" = distribution ]; then
    echo "$ROOT/scripts/cached:$ROOT/node_modules/.bin:$TOOLS/bin:/usr/bin:/bin:$PATH"
  else
    echo "$ROOT/scripts/cached:$ROOT/node_modules/.bin:$TOOLS/bin:$PATH"
  fi
}

# web COMMAND…: run with the wasm toolchain. native COMMAND…: run with the machine's own.
# Each has a target folder of its own outside the checkout, so that neither rebuilds the other.
web() { follow_content && PATH="$(web_path)" CARGO_TARGET_DIR="$CACHE/target/web" "$@"; }
native() { follow_content && PATH="$TOOLS/bin:$PATH" CARGO_TARGET_DIR="$CACHE/target/native" "$@"; }

# Checkouts share what is built; see there.
follow_content() { node "$ROOT/scripts/source_times.mjs" "$ROOT" "$CACHE/target/source-times.json"; }

# The browser for the tests: CHROMIUM if set, else the first that is installed.
find_chromium() {
  local candidate
  for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    [ -n "$candidate" ] && command -v "$candidate" && return 0
  done
  return 1
}
