#!/usr/bin/env bash
# Feeds made-up files to what reads files of unknown origin; fails at the first that is not read or refused in 512 MB,
# and of containers and lists in memory that their length allows (fuzz/memory.rs).
# usage: scripts/fuzz.sh [SECONDS [TARGET…]]     for each target of fuzz/ or those named, 60 seconds unless told
source "$(dirname "$0")/environment.sh"
CARGO_FUZZ_VERSION=0.13.2

case "$("$TOOLS/bin/cargo-fuzz" --version 2>/dev/null)" in
  *" $CARGO_FUZZ_VERSION") ;;
  *)
    say "Building cargo-fuzz $CARGO_FUZZ_VERSION (a minute, once)"
    native cargo install --quiet --locked --root "$TOOLS" --target-dir "$CACHE/target/tools" "cargo-fuzz@=$CARGO_FUZZ_VERSION"
    ;;
esac

cd "$ROOT"
targets=("${@:2}")
[ "${#targets[@]}" -gt 0 ] || targets=(tensors config containers lists)
for target in "${targets[@]}"; do
  # What the fuzzer finds worth keeping goes to the first folder; the committed corpus is only read.
  found="$CACHE/fuzz/$target"
  mkdir -p "$found"
  say "Fuzzing $target"
  # libFuzzer and the address sanitiser are options of unstable compilers only; RUSTC_BOOTSTRAP opens them.
  native env RUSTC_BOOTSTRAP=1 cargo fuzz run --target-dir "$CACHE/target/fuzz" "$target" "$found" "fuzz/corpus/$target" -- \
    -max_total_time="${1:-60}" -max_len=65536 -timeout=10 -rss_limit_mb=512 -print_final_stats=1
done
