"""Arrays decoded by hand: what zarr reads, or nothing."""

import json

import numpy as np
import pytest
import zarr

from octoscope.errors import RunError
from octoscope.runs.run import Run
from octoscope.runs.shard_reader import ShardReader
from tests.hand_made_runs import hand_made_run

SHARDED = "attention/transformer/readout_action"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run.zarr"
    frames = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), np.uint8)
    # Attention and frames of 200 steps lie in two shards of 128 each.
    hand_made_run(store=path, steps=200, frames=frames)
    return path


@pytest.mark.parametrize("name", [SHARDED, "frames/primary", "token_pad", "actions", "frame_index"])
def test_every_part_is_what_zarr_reads(folder, name):
    reader, expected = ShardReader.open(folder / name), zarr.open_group(folder, mode="r")[name]
    assert reader is not None
    indices = [0, expected.shape[0] - 1, slice(None), slice(1, 3), slice(126, 131), slice(5, 5)]
    indices += [(1, 0), (expected.shape[0] - 1, 1)] if name == SHARDED else []
    for index in indices:
        values = reader.read(index)
        assert values is not None, index
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, np.asarray(expected[index]))


def test_numbers_of_more_than_one_byte_keep_their_order(tmp_path):
    group = zarr.open_group(tmp_path, mode="w")
    values = np.arange(10, dtype=np.float32)
    big = zarr.codecs.BytesCodec(endian="big")
    group.create_array("big", data=values, chunks=(10,), serializer=big, compressors=zarr.codecs.ZstdCodec())
    assert ShardReader.open(tmp_path / "big") is None


@pytest.mark.parametrize("index", [200, -1, slice(0, 9, 2), (0, 9), (0, -1), (slice(None), 0), [0, 1]])
def test_what_is_no_plain_part_is_left_to_zarr(folder, index):
    assert ShardReader.open(folder / SHARDED).read(index) is None


@pytest.mark.parametrize("damage", ["cut", "index", "chunk", "gone", "absent"])
def test_damage_is_never_read(tmp_path, damage):
    path = tmp_path / "run.zarr"
    hand_made_run(store=path, steps=4)
    run = Run.open(path)
    expected = run.read(SHARDED, 3)
    file = path / SHARDED / "c/0/0/0/0/0"
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[:-9])
    elif damage == "absent":
        # As an index says it of a chunk that nobody wrote; with the checksum of that index.
        index = np.frombuffer(bytes(content[-132:-4]), "<u8").copy()
        index[:2] = 2**64 - 1
        import google_crc32c

        told = index.tobytes()
        file.write_bytes(content[:-132] + told + google_crc32c.value(told).to_bytes(4, "little"))
    else:
        content[-20 if damage == "index" else 8] ^= 1
        file.write_bytes(content)
    assert ShardReader.open(path / SHARDED).read(slice(None)) is None
    with pytest.raises(RunError, match="damaged"):
        run.read(SHARDED, slice(None))
    # A chunk beside the damaged one is read as before, where the index is sound.
    if damage in ("chunk", "absent"):
        np.testing.assert_array_equal(run.read(SHARDED, 3), expected)


def test_arrays_of_another_layout_are_left_to_zarr(folder, tmp_path):
    group = zarr.open_group(tmp_path, mode="w")
    group.create_array("split", data=np.zeros((4, 4)), chunks=(2, 2))
    assert ShardReader.open(tmp_path / "split") is None
    assert ShardReader.open(tmp_path / "nothing") is None
    metadata = json.loads((folder / "token_pad/zarr.json").read_text())
    (tmp_path / "gzip").mkdir()
    metadata["codecs"][1]["name"] = "gzip"
    (tmp_path / "gzip/zarr.json").write_text(json.dumps(metadata))
    assert ShardReader.open(tmp_path / "gzip") is None


def test_steps_read_at_once_are_the_steps_read_one_by_one(folder):
    run = Run.open(folder)
    steps, layers = (3, 4, 5, 9, 199), (1, 0)
    together = run.attention_over("readout_action", steps=steps, rows=[0], layers=layers)
    apart = [run.attention("readout_action", step=step, layers=layers) for step in steps]
    np.testing.assert_array_equal(together, np.stack(apart))
    words = run.attention_over("obs_task_language", steps=steps, rows=[2, 0], layers=[1])
    np.testing.assert_array_equal(
        words[1], run.attention("obs_task_language", step=4, layers=[1])[:, :, [2, 0]], strict=True
    )
