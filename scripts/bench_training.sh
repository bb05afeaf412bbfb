#!/usr/bin/env bash
# What a training step takes, natively: time on the CPU beside PyTorch's, or memory on whichever GPU the system's driver
# offers. docs/training.md has both tables.
# usage: scripts/bench_training.sh time|memory [SIZE:BATCH:STEPS]…
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
what="$1"
shift
native cargo build --quiet --locked --example step
program="$CACHE/target/native/debug/examples/step"
if [ "$what" = time ]; then
  source scripts/python_environment.sh
  environment "$CACHE/interop/transformers-4" tests/interop/requirements.txt
  node benches/training/run.mjs time "$program" "$CACHE/interop/transformers-4/bin/python" "$@"
else
  node benches/training/run.mjs memory "$program" "$@"
fi
