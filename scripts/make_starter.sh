#!/usr/bin/env bash
# Makes starter/ anew: draws the clips, tunes the smallest model on them from random weights, exports the best.
# About half an hour on two cores. starter/README.md, the model card, is written by hand from what this prints.
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -B scripts/make_starter.py "$work/clips"
native cargo build --quiet --locked
cliptune="$CACHE/target/native/debug/cliptune"
"$cliptune" tune "$work/clips" --out "$work/run" --size micro --epochs 60 --batch 16 --learning-rate 2e-3 \
  --name "Starter model" | tee "$work/best.json"
best="$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).id' "$work/best.json")"
"$cliptune" export "$work/run/$best" "$work/starter.zip" --half
python3 - "$work/starter.zip" starter <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as export:
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        export.extract(name, sys.argv[2])
PYTHON
