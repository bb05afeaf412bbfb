#!/usr/bin/env python3
"""Speed and accuracy of training on a share of the tokens, as a Markdown table (docs/token-dropping.md).

usage: CLIPTUNE=path/to/cliptune scripts/measure_token_dropping.py FOLDER [options of `cliptune tune`]
Every share is trained from the same seed; the time of a clip is the median of what the run itself tells. The accuracy is
that of the test clips, or of the validation's; a dash where no clips are held out.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

SHARES = (1, 0.75, 0.5, 0.25)


def run(share, arguments):
    """Milliseconds of computing a training clip, seconds of the whole run, and the accuracy on clips not trained on."""
    with tempfile.TemporaryDirectory() as store:
        command = [os.environ["CLIPTUNE"], "tune", *arguments, "--out", store, "--token-keep", str(share)]
        start = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = time.monotonic() - start
    computing = [float(each) for each in re.findall(r"\((\d+\.?\d*) ms a clip computing", done.stderr)]
    best = json.loads(done.stdout)
    evaluation = best["test"] or best["validation"]
    accuracy = f"{evaluation['accuracy']:.1%}" if evaluation else "–"
    return sorted(computing)[len(computing) // 2], seconds, accuracy


print("| share of the tokens | computing a clip | of all tokens' | whole run | accuracy |")
print("| ---: | ---: | ---: | ---: | ---: |")
whole = None
for share in SHARES:
    computing, seconds, accuracy = run(share, sys.argv[1:])
    whole = whole or computing
    print(f"| {share} | {computing:.1f} ms | {computing / whole:.0%} | {seconds:.0f} s | {accuracy} |", flush=True)
