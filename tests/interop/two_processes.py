"""Runs train.py as one of several processes and writes which videos it decoded and what weights it ended with.

usage: torchrun … two_processes.py RECORD_FOLDER TRAIN_PY [train.py's arguments]
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

from safetensors.torch import save_file

records, script = Path(sys.argv[1]), sys.argv[2]
sys.argv[1:] = sys.argv[3:]
rank = os.environ["RANK"]
specification = importlib.util.spec_from_file_location("train", script)
train = importlib.util.module_from_spec(specification)
specification.loader.exec_module(train)
decoded, read_frames, save = [], train.read_frames, train.save


def recording_read_frames(path, *arguments):
    decoded.append(str(path))
    return read_frames(path, *arguments)


def recording_save(accelerator, folder, model, *arguments):
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, records / f"{rank}.safetensors")
    save(accelerator, folder, model, *arguments)


train.read_frames, train.save = recording_read_frames, recording_save
train.main()
(records / f"{rank}.json").write_text(json.dumps(decoded))
