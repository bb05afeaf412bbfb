#!/usr/bin/env bash
# Makes starter/people/ anew, weights and configuration: people are drawn and a model is trained on them, with nothing but
# PyTorch and transformers. About half an hour on two cores; how many clips it sees in that time depends on them, so the
# weights are not the same twice. starter/people/README.md, the model card, is written by hand from what this prints.
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
"$CACHE/interop/transformers-5/bin/python" -B scripts/people_starter/train.py starter/people --minutes 27 --threads 2
