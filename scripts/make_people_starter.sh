#!/usr/bin/env bash
# Makes starter/people/ anew, weights and configuration: people are drawn and a model is trained on them, with nothing but
# PyTorch and transformers. Nearly three hours on two cores; how many clips the first runs see in their time depends on them, so
# the weights are not the same twice. starter/people/README.md, the model card, is written by hand from what this prints.
source "$(dirname "$0")/environment.sh"
source "$(dirname "$0")/python_environment.sh"
cd "$ROOT"
environment "$CACHE/interop/transformers-4" tests/interop/requirements.txt
environment "$CACHE/interop/transformers-5" tests/interop/requirements-5.txt "$CACHE/interop/transformers-4"
python="$CACHE/interop/transformers-5/bin/python"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"$python" -B scripts/people_starter/train.py "$work/first" --minutes 27 --threads 2
# At a lower rate, and with a fifth of the clips plain.
"$python" -B scripts/people_starter/train.py "$work/second" --start-from "$work/first" --seed 43 --minutes 11 --rate 1.2e-3 \
  --plain 0 --wild 0.8 --keep-until 0.4 --threads 2
"$python" -B scripts/people_starter/train.py "$work/third" --start-from "$work/second" --seed 44 --steps 6600 --rate 1.6e-3 \
  --plain 0 --wild 0.9 --threads 2
"$python" -B scripts/people_starter/train.py "$work/fourth" --start-from "$work/third" --seed 45 --steps 7000 --rate 1.2e-3 \
  --plain 0 --wild 0.9 --keep-until 0.5 --threads 2
"$python" -B scripts/people_starter/train.py starter/people --start-from "$work/fourth" --seed 46 --steps 7000 --rate 1e-3 \
  --plain 0 --wild 0.9 --keep-until 0.5 --threads 2
