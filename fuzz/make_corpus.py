#!/usr/bin/env python3
"""Makes corpus/ anew: small files that start the fuzzer near what is interesting, from the fixtures of tests/.
usage: fuzz/make_corpus.py      Inputs that the fuzzer found are kept; give them names that say what they are."""
import io, json, pickle, struct, sys, types, zipfile
from collections import OrderedDict
from pathlib import Path

HERE = Path(__file__).resolve().parent
MICRO = HERE.parent / "tests/fixtures/golden/micro"
VIDEO = HERE.parent / "tests/fixtures/video"
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


# containers: whole files as they are, and small ones of few pictures, which the fuzzer changes faster
def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def chunks(data, start, end):
    while start + 8 <= end:
        name, length = struct.unpack("<4sI", data[start:start + 8])
        yield name, data[start + 8:start + 8 + length]
        start += 8 + length + length % 2


def riff_lists(data):
    return {body[:4]: body[4:] for name, body in chunks(data, 12, len(data)) if name == b"LIST"}


def pictures(name, most):
    movie = riff_lists((VIDEO / name).read_bytes())[b"movi"]
    return [body for name, body in chunks(movie, 0, len(movie)) if name == b"00dc"][:most]


def stream(codec, index=b"", configuration=b""):
    header = struct.pack("<4s4sIIIIIIIIII", b"vids", codec, 0, 0, 0, 1, 25, 0, 0, 0, 0, 0)
    form = struct.pack("<IiiHH4sIiiII", 40, 48, 36, 1, 24, codec, 0, 0, 0, 0, 0) + configuration
    return chunk(b"LIST", b"hdrl" + chunk(b"LIST", b"strl" + chunk(b"strh", header) + chunk(b"strf", form) + index))


def old_entry(key, offset, length):
    return struct.pack("<4sIII", b"00dc", 0x10 if key else 0, offset, length)


def avi(codec, frames, entries=None, **more):
    movie, places = b"movi", []
    for frame in frames:
        places.append(old_entry(not places, len(movie), len(frame)))
        movie += chunk(b"00dc", frame)
    index = b"".join(places) if entries is None else entries
    return chunk(b"RIFF", b"AVI " + stream(codec, **more) + chunk(b"LIST", movie) + chunk(b"idx1", index))


def with_length(data, name, length):
    place = data.index(name) - (8 if name == b"movi" else 0)
    return data[:place + 4] + struct.pack("<I", length) + data[place + 8:]


def super_index(*parts):
    entries = b"".join(struct.pack("<QII", start, length, 1) for start, length in parts)
    return chunk(b"indx", struct.pack("<HBBI4s12x", 4, 0, 0, len(parts), b"00dc") + entries)


def standard_index(base, *entries):
    rows = b"".join(struct.pack("<II", offset, length) for offset, length in entries)
    return struct.pack("<HBBI4sQI", 2, 0, 1, len(entries), b"00dc", base, 0) + rows


for name in ["xvid-packed", "xvid-no-index", "xvid-open-dml"]:
    save("containers", name + ".avi", (VIDEO / f"{name}.avi").read_bytes())
for name in ["mpeg4", "h264-turned"]:
    save("containers", name + ".mp4", (VIDEO / f"{name}.mp4").read_bytes())
vops = pictures("xvid.avi", 5)
jpeg = pictures("mjpeg.avi", 1)
small = avi(b"XVID", vops)
save("containers", "xvid.avi", small)
save("containers", "mjpeg.avi", avi(b"MJPG", jpeg))
save("containers", "h264-with-empty-chunks.avi", avi(b"H264", [b"\0\0\0\1\x65key", b"", b"", b"\0\0\0\1\x41next"]))
for part in [11, 100, len(small) // 2, len(small) - 40]:
    save("containers", f"xvid-cut-off-at-{part}.avi", small[:part])
save("containers", "riff-of-length-0.avi", with_length(small, b"RIFF", 0))
save("containers", "riff-beyond-file.avi", with_length(small, b"RIFF", 0xffffffff))
save("containers", "list-beyond-file.avi", with_length(small, b"LIST", 0xffffffff))
save("containers", "film-of-length-0.avi", with_length(small, b"movi", 0)[:-88])
save("containers", "film-beyond-file.avi", with_length(small, b"movi", 0xffffffff))
save("containers", "picture-beyond-file.avi", with_length(small, b"00dc", 0xfffffff0))
save("containers", "index-beyond-file.avi", with_length(small, b"idx1", 0xffffffff))
save("containers", "index-points-outside.avi", avi(b"XVID", vops, old_entry(True, 0xfffffff0, 0xfffffff0) * 4))
save("containers", "index-names-one-picture-often.avi", avi(b"XVID", vops[:1], old_entry(True, 4, len(vops[0])) * 200))
save("containers", "index-calls-every-chunk-a-key.avi", avi(b"XVID", [b"none"] * 99, b"".join(old_entry(True, 4 + 12 * n, 4) for n in range(99))))
save("containers", "index-of-nothing.avi", avi(b"XVID", vops, b""))
save("containers", "pictures-of-nothing.avi", avi(b"XVID", [b""] * 300, b""))
save("containers", "hundreds-of-vops-in-a-chunk.avi", avi(b"XVID", [vops[0] + b"\0\0\1\xb6\x50\xdf" * 500] * 2))
save("containers", "bidirectional-vops-only.avi", avi(b"XVID", vops[:1] + [b"\0\0\1\xb6\x90\xdf"] * 200))
save("containers", "no-rate.avi", small.replace(struct.pack("<II", 1, 25), bytes(8)))
save("containers", "sound-only.avi", small.replace(b"vids", b"auds"))
save("containers", "configuration-behind-format.avi", avi(b"MP4V", vops, configuration=vops[0][:60]))
own_place = 12 + len(stream(b"XVID"))
save("containers", "super-index-points-to-itself.avi", avi(b"XVID", vops, b"", index=super_index(*[(own_place, 8 + 24 + 2 * 16)] * 2)))
head = 12 + len(stream(b"XVID", index=super_index(*[(0, 0)] * 200))) + 12
rows = standard_index(head, *[(8, 4)] * 300)
often = avi(b"XVID", [rows], b"", index=super_index(*[(head, len(rows) + 8)] * 200))
save("containers", "super-index-names-one-index-often.avi", often)
save("containers", "standard-index-at-once.avi", avi(b"XVID", vops, b"", index=chunk(b"indx", standard_index(0, (300, 500)))))


def box(name, *contents):
    body = b"".join(contents)
    return struct.pack(">I", 8 + len(body)) + name + body


def track(edits, long=False):
    row = ">QqI" if long else ">IiI"
    table = struct.pack(">B3xI", long, len(edits)) + b"".join(struct.pack(row, length, start, 1 << 16) for length, start in edits)
    media = box(b"mdia", box(b"mdhd", struct.pack(">5I", 0, 0, 0, 600, 0)), box(b"hdlr", b"\0" * 8 + b"vide" + bytes(12)))
    return box(b"trak", box(b"edts", box(b"elst", table)), media)


def movie(*tracks):
    return box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", box(b"mvhd", struct.pack(">5I", 0, 0, 0, 1000, 0)), *tracks)


mp4 = (VIDEO / "mpeg4.mp4").read_bytes()
moov = mp4[mp4.index(b"moov") - 4:]
save("containers", "index-alone.mp4", moov)
save("containers", "index-of-length-0.mp4", struct.pack(">I", 0) + moov[4:])
save("containers", "index-of-64-bits.mp4", struct.pack(">I4sQ", 1, b"moov", 8 + len(moov)) + moov[8:])
save("containers", "index-beyond-64-bits.mp4", struct.pack(">I4sQ", 1, b"moov", (1 << 64) - 1) + moov[8:])
save("containers", "box-smaller-than-its-head.mp4", struct.pack(">I4s", 7, b"moov") + moov[8:])
save("containers", "index-cut-off.mp4", moov[:len(moov) // 2])
save("containers", "edits.mp4", movie(track([(200, -1), (1000, 600), (500, 1800)])))
save("containers", "edits-of-64-bits.mp4", movie(track([((1 << 64) - 1, 0), (0, (1 << 63) - 1), (1, 5)], long=True)))
save("containers", "hundreds-of-edits.mp4", movie(track([(1, 7 * n % 600) for n in range(300)])))
save("containers", "edits-in-fragments.mp4", movie(track([(0, 600)]), box(b"mvex")))
save("containers", "short-colours.mp4", movie(track([]), b"\0\0\0\x12colrnclx" + bytes(6)))
save("containers", "mpeg4-vops", b"".join(vops))

# transport streams: tables and pictures, sound alone, a time stamp before each packet, and more pictures than packets can hold
packets = [ts[at:at + 188] for ts in [(VIDEO / "transport.ts").read_bytes()] for at in range(0, len(ts), 188)]
MAP_ENTRY = b"\x10\xe1\0"
save("containers", "transport.ts", b"".join(packets[:60]))
save("containers", "transport-of-sound.ts", b"".join(packets[:9]).replace(MAP_ENTRY, b"\x03" + MAP_ENTRY[1:]))
save("containers", "transport-with-stamps.m2ts", b"".join(b"G\0G\0" + packet for packet in packets[:12]))
save("containers", "transport-in-disorder.ts", b"".join(packets[2::-1] + packets[20:8:-1]))
tables, headers = packets[:3], vops[0][:vops[0].index(b"\0\0\1\xb6")]
crowd = b"\0\0\1\xe0\0\0\x80\x80\5\x21\0\1\0\1" + headers + b"\0\0\1\xb6\x10\xff" + b"\0\0\1\xb6\x50\xff" * 600
crowd += bytes(-len(crowd) % 184)
bodies = [crowd[at:at + 184] for at in range(0, len(crowd), 184)]
crowded = [bytes([0x47, 1 if n else 0x41, 0, 0x10 | n % 16]) + body for n, body in enumerate(bodies)]
save("containers", "transport-full-of-pictures.ts", b"".join(tables + crowded))


def element(name, *contents):
    body = b"".join(contents)
    return name + struct.pack(">Q", 1 << 56 | len(body)) + body


encryption = element(b"\x6d\x80", element(b"\x62\x40", element(b"\x50\x35", b"\x47\xe1\x81\5")))
tracks = element(b"\x16\x54\xae\x6b", element(b"\xae", b"\xd7\x81\1", encryption))
save("containers", "encrypted.webm", element(b"\x1a\x45\xdf\xa3", b"\x42\x82\x84webm") + element(b"\x18\x53\x80\x67", tracks))

# lists: how the name ends (csv, tsv, txt, json, jsonl) and where labels come from, a pattern, and the text
CSV, TSV, TXT, JSON, JSONL = range(5)
for name, kind, text in [
    ("header", CSV, "v_{label}_g{group}_c#\npath,label,split,start,end\nv_Jump_g01_c01,jump,train,,\n\"b, c\",run,test,1.5,4\n"),
    ("no-header", CSV, "{label}/*\nJump/a,jump\nRun/b,run,val\nRun/c,run,0,2\nRun/d,run,dev,0.5,2\n"),
    ("semicolons", CSV, "{label}_#\n\ufeffSubset;CLASS;File_Name;time_start;time_end\r\nTRAIN;jump;a_1;;\r\ntesting;run;\"b, \"\"c\";1.5;4\r\n"),
    ("every-mistake", CSV, "{lable}\npath,label,split,start,end\na,A,tarin,,\nb,A,,3,2\nc,A,,1,\nd,A,,x,2\n,A,,,\ne,A,,NaN,inf\ne,A,,-1,1e999\n\"f"),
    ("quotes-never-closed", CSV, "*\n\"a\"\"\n\",b\n\"c,d\n\r\r\n"),
    ("commas", CSV, "#\n" + "," * 2000),
    ("short-rows", CSV, "#\n" + "a,b\n" * 500),
    ("tabs", TSV, "{group}_{label}_d#_*\nlabel\tvideo\tset\tbegin\tend_time\njump\tperson01_boxing_d1_x\ttraining\t\t\nrun\tb\ttest\t1.5\t4"),
    ("ucf101", TXT, "v_{label}_g{group}_c#\nJump/v_Jump_g08_c01 1\r\nRun/v_Run_g08_c01 2\r\n"),
    ("words", TXT, "{label} (#)\na b jump\n./c\\d run\n/home/me/e walk\n../f\n \u00a0\u3000 x\n"),
    ("objects", JSON, '{label}\n[{"file_name": "a", "Label": "jump", "split": "train", "start": 1, "end": 2.5}, {"path": 7, "label": null}]'),
    ("object", JSON, '{group}/{label}/#\n{"p/a/1": {"label": "jump", "subset": "val", "start": "1", "end": 2.5}, "b": 7, "c": "run", "": {}}'),
    ("deep", JSON, "#\n" + "[" * 2000),
    ("lines", JSONL, 'Gr\u00fc{label}\n\n{"video": "Gr\u00fc\u00dfe", "class": "x"}\nnot json\n{"id": 1e999}\n'),
    ("wildcards", CSV, "*a" * 190 + "b\n" + "a" * 390 + ",x\n" + "a" * 390 + "b,y\n"),
]:
    save("lists", name, bytes([kind]) + text.encode())
for labels, name in enumerate(["lists", "folders", "names"], 1):
    save("lists", f"labels-by-{name}", bytes([TXT + 5 * labels]) + b"{label}_g{group}_#\nA/x_g01_1 a\nA/y_g02_2 b\nB/x_g01_3 a")
