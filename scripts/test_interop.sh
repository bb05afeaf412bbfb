#!/usr/bin/env bash
# What Cliptune, transformers (4 and 5) and TensorBoard read of each other. Apart from `make test`: torch
# alone is several GB. The environments are kept in the cache folder and made anew when their requirements change.
# usage: scripts/test_interop.sh [pytest's arguments]
#        scripts/test_interop.sh --make-exported    makes tests/fixtures/exported anew instead
source "$(dirname "$0")/environment.sh"
source "$(dirname "$0")/python_environment.sh"
cd "$ROOT"
environments="$CACHE/interop"
tests=tests/interop

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
