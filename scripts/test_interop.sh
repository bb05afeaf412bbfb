#!/usr/bin/env bash
# What Cliptune, transformers (4 and 5) and TensorBoard read of each other. Apart from `make test`: torch
# alone is several GB. The environments are kept in the cache folder and made anew when their requirements change.
# usage: scripts/test_interop.sh [pytest's arguments]
#        scripts/test_interop.sh --make-exported    makes tests/fixtures/exported anew instead
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
environments="$CACHE/interop"
tests=tests/interop
export PYTHONDONTWRITEBYTECODE=1

# environment FOLDER REQUIREMENTS [BASE]: a virtual environment, if need be over the packages of another.
environment() {
  local folder="$1" requirements="$2" base="${3:-}" wanted
  wanted="$(python3 --version; cat "$requirements" ${base:+"$base/installed.txt"})"
  [ "$(cat "$folder/installed.txt" 2>/dev/null)" != "$wanted" ] || return 0
  say "Installing Python packages into $folder (minutes, once)"
  rm -rf "$folder"
  python3 -m venv "$folder"
  if [ -n "$base" ]; then
    "$base/bin/python" -c 'import site; print(site.getsitepackages()[0])' \
      >"$("$folder/bin/python" -c 'import site; print(site.getsitepackages()[0])')/base.pth"
  fi
  "$folder/bin/pip" install --quiet --no-cache-dir --disable-pip-version-check -r "$requirements"
  echo "$wanted" >"$folder/installed.txt"
}

environment "$environments/transformers-4" "$tests/requirements.txt"
environment "$environments/transformers-5" "$tests/requirements-5.txt" "$environments/transformers-4"

native cargo build --locked
export CLIPTUNE="$CACHE/target/native/debug/cliptune"
if [ "${1:-}" = --make-exported ]; then
  exec "$environments/transformers-4/bin/python" "$tests/make_exported.py"
fi
for version in 4 5; do
  say "transformers $version"
  "$environments/transformers-$version/bin/python" -m pytest "$tests" -p no:cacheprovider -rP "$@"
done
