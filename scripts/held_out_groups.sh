#!/usr/bin/env bash
# Accuracy on people that a model has never seen, natively and in Chromium: each person's clips are tested by a model that
# was fine-tuned from the starter on the others'.
# usage: scripts/held_out_groups.sh [FOLDER [SETTINGS.json]]   default: ../shared/media/labelled/weizmann, default settings
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
folder="${1:-../shared/media/labelled/weizmann}"
CHROMIUM="$(find_chromium)" || { echo "Chromium is missing; run scripts/setup.sh test." >&2; exit 1; }
native cargo build --quiet --locked
export CHROMIUM CLIPTUNE="$CACHE/target/native/debug/cliptune"
for where in native browser; do
  say "$where"
  node benches/held_out_groups.mjs "$folder" "$where" "${@:2}"
done
