#!/usr/bin/env bash
# The page in Chromium, as a user uses it: every spec below tests/e2e against the built dist/.
# usage: scripts/test_e2e.sh [SPEC…]   CLIPTUNE_DIST names another build
source "$(dirname "$0")/environment.sh"
cd "$ROOT"
CHROMIUM="$(find_chromium)" || { echo "Chromium is missing; run scripts/setup.sh test." >&2; exit 1; }
export CHROMIUM
specs=("$@")
[ "${#specs[@]}" -gt 0 ] || specs=(tests/e2e/*.test.mjs)

# In these the time that a page takes to answer is part of what is tested: they have the machine to themselves.
timed=(main_journey large_folder)
alone=() together=()
for spec in "${specs[@]}"; do
  case " ${timed[*]} " in
    *" $(basename "$spec" .test.mjs) "*) alone+=("$spec") ;;
    *) together+=("$spec") ;;
  esac
done

# run AT_A_TIME SPEC…: whatever takes ten minutes hangs, and is to fail.
run() {
  [ "$#" -gt 1 ] || return 0
  node --test --test-reporter=spec --test-concurrency="$1" --test-timeout=600000 "${@:2}"
}
run 1 "${alone[@]}"
# The others mostly compute in one worker or wait for a browser to start.
run 2 "${together[@]}"
