"""Parameter files: read one array at a time, bit by bit as the libraries read them, and refused when they are broken."""

import json
import struct
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from flax import serialization, traverse_util

from octoscope.checkpoints.safetensors_file import copy_mapped, map_safetensors, open_safetensors, write_safetensors
from octoscope.errors import CheckpointError
from octoscope.policies.octo.checkpoint.load_params import load_params
from octoscope.policies.octo.checkpoint.msgpack_index import open_msgpack

RNG = np.random.default_rng(0)
TREE = {
    "octo_transformer": {
        "kernel": RNG.normal(size=(3, 5)).astype(np.float32),
        "one": np.float32(RNG.normal(size=())) * np.ones((), np.float32),
        "none": np.zeros((0, 4), np.float32),
        "blocks": {str(i): {"bias": RNG.normal(size=7).astype(np.float32)} for i in range(20)},
    },
    "heads_action": {
        "half": RNG.normal(size=(2, 2)).astype(np.float16),
        "brain": RNG.normal(size=(2, 3)).astype(ml_dtypes.bfloat16),
        "double": RNG.normal(size=9),
        "wide": RNG.normal(size=(300, 300)).astype(np.float32),
    },
}
FLAT = traverse_util.flatten_dict(TREE, sep="/")


def equal(first, second):
    return first.dtype == second.dtype and first.shape == second.shape and first.tobytes() == second.tobytes()


@pytest.fixture
def msgpack_file(tmp_path):
    path = tmp_path / "checkpoint"
    path.write_bytes(serialization.msgpack_serialize(TREE))
    return path


@pytest.fixture
def safetensors_file(tmp_path, msgpack_file):
    path = tmp_path / "params.safetensors"
    write_safetensors(path, open_msgpack(msgpack_file), metadata={"step": "3"})
    return path


def test_msgpack_gives_what_flax_gives(msgpack_file):
    stored = open_msgpack(msgpack_file)
    read = dict(stored.arrays())
    assert read.keys() == FLAT.keys() == stored.specs.keys()
    assert all(equal(read[path], np.asarray(FLAT[path])) for path in FLAT)
    assert stored.size == sum(np.size(leaf) for leaf in FLAT.values())
    assert stored.nbytes == sum(leaf.nbytes for leaf in FLAT.values())
    assert set(stored.dtypes) == {"float32", "float16", "bfloat16", "float64"}


def test_arrays_that_flax_splits(tmp_path, monkeypatch):
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 100)
    content = serialization.msgpack_serialize(TREE)
    assert b"__msgpack_chunked_array__" in content
    (tmp_path / "checkpoint").write_bytes(content)
    read = dict(open_msgpack(tmp_path / "checkpoint").arrays())
    assert all(equal(read[path], np.asarray(FLAT[path])) for path in FLAT)


def test_safetensors_is_what_its_library_reads(safetensors_file):
    read = safetensors.numpy.load_file(safetensors_file)
    assert read.keys() == FLAT.keys()
    assert all(equal(read[path], np.asarray(FLAT[path])) for path in FLAT)


def test_what_the_library_writes_is_read(tmp_path):
    path = tmp_path / "params.safetensors"
    safetensors.numpy.save_file({name: np.asarray(leaf) for name, leaf in FLAT.items()}, path, metadata={"a": "b"})
    read = dict(open_safetensors(path).arrays())
    assert read.keys() == FLAT.keys()
    assert all(equal(read[name], np.asarray(FLAT[name])) for name in FLAT)


def test_first_entry_lies_on_a_boundary(safetensors_file):
    (length,) = struct.unpack("<Q", safetensors_file.read_bytes()[:8])
    assert (8 + length) % 64 == 0


@pytest.mark.parametrize("kind", ["msgpack_file", "safetensors_file"])
def test_every_cut_is_noticed(kind, request):
    path = request.getfixturevalue(kind)
    opened = open_msgpack if kind == "msgpack_file" else open_safetensors
    content = path.read_bytes()
    cuts = sorted({0, 1, 2, 9, *range(10, len(content), 991), len(content) - 1})
    for cut in cuts:
        path.write_bytes(content[:cut])
        with pytest.raises(CheckpointError, match=r"is empty|truncated|cannot be read|no readable|not a tree"):
            opened(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "Git LFS pointer"),
        (b"PK\x03\x04 a zip file", "not a tree|cannot be read"),
        (b"\xc1", "no msgpack begins with byte 0xc1"),
        (b"\x81\xa1a\x05", "holds int at 'a'"),
        (b"\x81\xa1a\xa1b", "holds str at 'a'"),
        (b"\x81\xa1a\xafPLACEHOLDER://a", "lies in a directory of its own"),
        (b"\x81" * 500, "cannot be read"),
        (b"\x91" * 500, "nested deeper"),
        (serialization.msgpack_serialize({"a": np.ones(3)}) + b"more", "goes on for 4 bytes"),
    ],
    ids=["lfs", "zip", "no msgpack", "number", "text", "placeholder", "maps", "lists", "longer"],
)
def test_files_that_are_something_else(tmp_path, content, sentence):
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(CheckpointError, match=sentence):
        open_msgpack(tmp_path / "checkpoint")


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]},
        {"dtype": "F31", "shape": [2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2]},
        {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]},
        {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
    ],
    ids=["too short", "no dtype", "no offsets", "before the start", "beyond the end"],
)
def test_safetensors_headers_that_lie(tmp_path, entry):
    header = json.dumps({"a": entry}).encode()
    path = tmp_path / "params.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(CheckpointError, match="a"):
        dict(open_safetensors(path).arrays())


def test_weights_of_other_precisions_become_what_the_policy_computes_in(msgpack_file):
    shapes = {path: jax.ShapeDtypeStruct(np.shape(leaf), np.float32) for path, leaf in FLAT.items()}
    loaded = traverse_util.flatten_dict(
        load_params(open_msgpack(msgpack_file), traverse_util.unflatten_dict(shapes, sep="/")), sep="/"
    )
    for path, leaf in FLAT.items():
        assert isinstance(loaded[path], jax.Array)
        assert equal(np.asarray(loaded[path]), np.asarray(leaf).astype(np.float32))


@pytest.mark.parametrize("kind", ["msgpack_file", "safetensors_file"])
def test_a_loaded_parameter_outlives_its_file(kind, request):
    path = request.getfixturevalue(kind)
    stored = (open_msgpack if kind == "msgpack_file" else open_safetensors)(path)
    shapes = {name: jax.ShapeDtypeStruct(spec.shape, np.float32) for name, spec in stored.specs.items()}
    loaded = load_params(stored, traverse_util.unflatten_dict(shapes, sep="/"))
    size = path.stat().st_size
    # In place, as `cp` overwrites: the same file, other bytes.
    with path.open("r+b") as file:
        file.write(b"\xff" * size)
        file.truncate(10)
    path.unlink()
    wide = np.asarray(loaded["heads_action"]["wide"])
    assert equal(wide, TREE["heads_action"]["wide"])


def test_weights_go_to_the_device_without_a_copy(msgpack_file):
    for path, array in open_msgpack(msgpack_file).arrays():
        if path.endswith("wide"):
            placed = jax.device_put(array)
            if placed.device.platform == "cpu":
                assert placed.unsafe_buffer_pointer() == array.ctypes.data


def test_a_map_holds_what_is_read(safetensors_file):
    mapped = map_safetensors(safetensors_file)
    assert mapped.keys() == FLAT.keys()
    assert all(equal(mapped[path], np.asarray(FLAT[path])) for path in FLAT)
    assert not any(array.flags.writeable for array in mapped.values() if array.size)
    # It is the file itself, not a copy of it.
    name, array = next((name, array) for name, array in mapped.items() if array.size)
    with safetensors_file.open("r+b") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        file.seek(8 + length + header[name]["data_offsets"][0])
        file.write(bytes(array.nbytes))
    assert not array.any()


@pytest.mark.skipif(not Path("/proc/self/smaps").is_file(), reason="Linux says there what is in memory")
def test_a_copied_array_is_in_memory_once(tmp_path):
    file, numbers = tmp_path / "one.safetensors", np.arange(4 << 20, dtype=np.float32)
    safetensors.numpy.save_file({"a": numbers}, file)
    mapped = map_safetensors(file)["a"]

    def in_memory():
        # In units of 1024 bytes.
        lines = iter(Path("/proc/self/smaps").read_text().splitlines())
        return sum(
            int(next(each for each in lines if each.startswith("Rss:")).split()[1])
            for line in lines
            if str(file) in line
        )

    assert mapped.sum() > 0
    assert in_memory() > 1024
    np.testing.assert_array_equal(copy_mapped(mapped, mapped.dtype), numbers)
    assert in_memory() < 1024
