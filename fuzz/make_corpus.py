#!/usr/bin/env python3
"""Makes corpus/ anew: small files that start the fuzzer near what is interesting, from the golden fixtures.
usage: fuzz/make_corpus.py      Inputs that the fuzzer found are kept; give them names that say what they are."""
import io, json, pickle, struct, sys, types, zipfile
from collections import OrderedDict
from pathlib import Path

HERE = Path(__file__).resolve().parent
MICRO = HERE.parent / "tests/fixtures/golden/micro"
SAFETENSORS, PYTORCH, SAFETENSORS_INDEX, PYTORCH_INDEX = range(4)


def save(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def tensors(name, kind, data):
    save("tensors", name, bytes([kind]) + data)


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def archive(entries, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in entries:
            file.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def index(files, shard):
    text = json.dumps({"metadata": {}, "weight_map": files}).encode()
    return struct.pack(">H", len(text)) + text + shard


# safetensors
shard = (MICRO / "variants/sharded/model-00003-of-00003.safetensors").read_bytes()
every = {"__metadata__": {"format": "pt"}}
data = b""
for dtype, size in [("F32", 4), ("F16", 2), ("BF16", 2), ("F64", 8), ("I64", 8), ("BOOL", 1), ("F8_E4M3", 1)]:
    every[dtype.lower()] = entry(dtype, [2, 1], len(data), len(data) + 2 * size)
    data += bytes(2 * size)
half = (MICRO / "variants/float16/model.safetensors").read_bytes()
tensors("safetensors-shard", SAFETENSORS, shard)
tensors("safetensors-every-format", SAFETENSORS, safetensors(every, data))
tensors("safetensors-cut-off-in-data", SAFETENSORS, half[:8192])
tensors("safetensors-cut-off-in-header", SAFETENSORS, shard[:100])
tensors("safetensors-cut-off-in-length", SAFETENSORS, shard[:7])
tensors("safetensors-length-beyond-file", SAFETENSORS, struct.pack("<Q", 1 << 62) + shard[8:200])
tensors("safetensors-header-of-100-mb", SAFETENSORS, struct.pack("<Q", 100_000_000) + shard[8:200])
tensors("safetensors-overlap", SAFETENSORS, safetensors({"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 4, 12)}, bytes(12)))
tensors("safetensors-gap", SAFETENSORS, safetensors({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 8, 12)}, bytes(12)))
tensors("safetensors-beyond-file", SAFETENSORS, safetensors({"a": entry("F32", [250], 0, 1000)}, bytes(8)))
tensors("safetensors-bytes-left", SAFETENSORS, safetensors({"a": entry("F32", [1], 0, 4)}, bytes(9)))
tensors("safetensors-huge-shape", SAFETENSORS, safetensors({"a": entry("F32", [1 << 32, 1 << 32], 0, 0)}))
tensors("safetensors-wrong-size", SAFETENSORS, safetensors({"a": entry("F32", [3], 0, 8)}, bytes(8)))
tensors("safetensors-not-finite", SAFETENSORS, safetensors({"a": entry("F32", [2], 0, 8)}, b"\xff" * 8))
one = json.dumps(entry("F32", [1], 0, 4)).encode()
tensors("safetensors-named-twice", SAFETENSORS, safetensors(b'{"a":' + one + b',"a":' + one + b"}", bytes(4)))
tensors("safetensors-deep", SAFETENSORS, safetensors(b'{"a":' + b"[" * 4000))
tensors("safetensors-padded", SAFETENSORS, safetensors(b"{}      "))

# PyTorch: the micro model's pickle and archive, with the small storages only
with zipfile.ZipFile(MICRO / "variants/pytorch_bin/pytorch_model.bin") as original:
    parts = [(info.filename, original.read(info)) for info in original.infolist()]
small = [(name, data) for name, data in parts if len(data) < 5000]
tensors("pytorch-storages-missing", PYTORCH, archive(small))
numbers = struct.pack("<6f", *range(6))


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def numbered(*values):
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def tensor(kind, offset, shape, strides):
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text("0")
            + text("cpu") + b"K\x06tQJ" + struct.pack("<i", offset) + numbered(*shape) + numbered(*strides)
            + b"\x89ccollections\nOrderedDict\n)RtR")


def model(pickle, *more, method=zipfile.ZIP_STORED):
    return archive([("archive/data.pkl", pickle), ("archive/byteorder", b"little"), ("archive/data/0", numbers), *more], method)


def dictionary(*values):
    return b"\x80\x02}(" + b"".join(text(f"weight.{index}") + value for index, value in enumerate(values)) + b"u."


whole = tensor("FloatStorage", 0, (2, 3), (3, 1))
kinds = [tensor(f"{kind}Storage", 0, (1,), (1,)) for kind in "Float Half BFloat16 Double Long Int Short Char Byte Bool".split()]
tensors("pytorch-one-tensor", PYTORCH, model(dictionary(whole)))
tensors("pytorch-every-format", PYTORCH, model(dictionary(*kinds)))
tensors("pytorch-part-of-storage", PYTORCH, model(dictionary(tensor("FloatStorage", 1, (2, 1, 2), (2, 9, 1)))))
tensors("pytorch-state-dict", PYTORCH, model(b"\x80\x02}" + text("state_dict") + b"}" + text("weight") + whole + b"ss."))
tensors("pytorch-parameter", PYTORCH, model(dictionary(b"ctorch._utils\n_rebuild_parameter\n(" + whole + b"\x88ccollections\nOrderedDict\n)RtR")))
tensors("pytorch-with-attributes", PYTORCH, model(b"\x80\x02ccollections\nOrderedDict\n)Rq\x00" + text("w") + whole + b"s}" + text("_metadata") + b"}sb."))
tensors("pytorch-beyond-storage", PYTORCH, model(dictionary(tensor("FloatStorage", 1, (2, 3), (3, 1)))))
tensors("pytorch-not-contiguous", PYTORCH, model(dictionary(tensor("FloatStorage", 0, (2, 3), (1, 2)))))
tensors("pytorch-huge-shape", PYTORCH, model(dictionary(tensor("FloatStorage", 0, (2**31 - 1,) * 3, (1,) * 3))))
tensors("pytorch-os-system", PYTORCH, model(b"\x80\x02cos\nsystem\n" + text("true") + b"\x85R."))
tensors("pytorch-stack-bomb", PYTORCH, model(b")q\x00" + b"h\x00" * 2000 + b"."))
tensors("pytorch-nested-tuples", PYTORCH, model(b")" + b"\x85" * 2000 + b"."))
tensors("pytorch-holds-itself", PYTORCH, model(b"\x80\x02}q\x00" + text("model") + b"h\x00s."))
tensors("pytorch-big-endian", PYTORCH, archive([("a/data.pkl", dictionary(whole)), ("a/byteorder", b"big"), ("a/data/0", numbers)]))
tensors("pytorch-deflated", PYTORCH, model(dictionary(whole), method=zipfile.ZIP_DEFLATED))
tensors("pytorch-cut-off", PYTORCH, model(dictionary(whole))[:-30])
tensors("pytorch-before-zip", PYTORCH, (MICRO / "variants/pytorch_bin_legacy_nonzip/pytorch_model.bin").read_bytes()[:4096])



# What Python's own pickler makes of a state dictionary in every protocol, with stand-ins for torch's names.
class FloatStorage:
    pass


class Tensor:
    def __reduce_ex__(self, protocol):
        return _rebuild_tensor_v2, (FloatStorage(), 0, (2, 3), (3, 1), False, OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return ("storage", FloatStorage, "0", "cpu", 6) if isinstance(value, FloatStorage) else None


def _rebuild_tensor_v2():
    pass


for module, value in [("torch", FloatStorage), ("torch._utils", _rebuild_tensor_v2)]:
    value.__module__ = module
    sys.modules[module] = types.ModuleType(module)
    setattr(sys.modules[module], value.__name__, value)
for protocol in range(2, 6):
    state = OrderedDict({f"layer.{index}": Tensor() for index in range(3)})
    state._metadata = OrderedDict({"": {"version": 1, "learned": 0.5, "list": [1, 70000, 1 << 40, None, True]}})
    out = io.BytesIO()
    Pickler(out, protocol).dump(state)
    tensors(f"pytorch-protocol-{protocol}", PYTORCH, model(out.getvalue()))

# lists of shards
first = "model-00001-of-00001.safetensors"
tensors("index-of-safetensors", SAFETENSORS_INDEX, index({"classifier.bias": first, "fc_norm.weight": first}, shard))
tensors("index-of-pytorch", PYTORCH_INDEX, index({"weight.0": "pytorch_model-00001-of-00001.bin"}, model(dictionary(whole))))
tensors("index-outside-folder", SAFETENSORS_INDEX, index({"a": "../" + first}, shard))
tensors("index-shard-missing", SAFETENSORS_INDEX, index({"a": "model-00002-of-00002.safetensors"}, shard))
tensors("index-tensor-missing", SAFETENSORS_INDEX, index({"a": first}, shard))
tensors("index-lists-itself", SAFETENSORS_INDEX, index({"a": "model.safetensors.index.json"}, shard))

# config.json
config = json.loads((MICRO / "model/config.json").read_text())
for path in ["micro/model", "odd/model", "rect/model", "tiny/model"]:
    save("config", path.split("/")[0] + ".json", (MICRO.parent / path / "config.json").read_bytes())
for name, change in {
    "absurd-tubelet": dict(num_channels=65536, tubelet_size=65536, num_frames=65536, image_size=65536, patch_size=65536),
    "absurd-tokens": dict(image_size=65536, patch_size=1, num_frames=65536, tubelet_size=1),
    "beyond-64-bits": dict(hidden_size=1 << 64),
    "negative": dict(num_frames=-16),
    "zero-heads": dict(num_attention_heads=0),
    "label-ids-from-one": dict(id2label={"1": "a"}),
    "label-id-is-no-number": dict(id2label={"a": "b"}),
}.items():
    save("config", name + ".json", json.dumps(config | change).encode())
save("config", "deep.json", b'{"other":' + b"[" * 4000)
