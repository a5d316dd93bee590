"""Saving: the official program's files to the byte, nothing half-written, nothing overwritten."""

import json
import os
import shutil

import jax
import numpy as np
import pytest
from flax import serialization

from octoscope.embedded.files import policy_directory
from octoscope.errors import CheckpointError, OutputError
from octoscope.policies.octo.checkpoint import checkpoint_writer
from octoscope.policies.octo.checkpoint.convert import convert_checkpoint
from octoscope.policies.octo.model import OctoModel
from official_files import OFFICIAL, SHARED

# Loading is what is tested here: every policy comes from its files.
pytestmark = pytest.mark.usefixtures("loads_anew")

CHECKPOINTS = {
    "drawn": policy_directory("drawn"),
    "small": OFFICIAL / "ckpt",
    **{path.parent.name[0]: path for path in sorted((SHARED / "fixtures" / "octo").glob("*/ckpt"))},
}


@pytest.fixture(params=CHECKPOINTS.values(), ids=CHECKPOINTS.keys())
def official(request):
    return request.param


def files_of(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def same_tree(first, second):
    leaves, tree = jax.tree.flatten(first)
    others, other_tree = jax.tree.flatten(second)
    return tree == other_tree and all(
        np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b) for a, b in zip(leaves, others, strict=True)
    )


def same_policy(first, second):
    return (
        same_tree(first.params, second.params)
        and json.dumps(first.config) == json.dumps(second.config)
        and same_tree(first.dataset_statistics, second.dataset_statistics)
        and same_tree(first.example_batch, second.example_batch)
    )


def test_a_round_trip_is_bit_identical_and_writes_the_official_files(official, tmp_path):
    model = OctoModel.load_pretrained(official)
    model.save_pretrained(tmp_path / "saved")
    assert same_policy(OctoModel.load_pretrained(tmp_path / "saved"), model)

    step = str(model.checkpoint.step)
    text = {name for name in files_of(tmp_path / "saved") if name.endswith(("tokenizer.json", "/config.json"))}
    expected = {"config.json", "example_batch.msgpack", "dataset_statistics.json", f"{step}/default/checkpoint"}
    assert files_of(tmp_path / "saved") - text == expected | {f"{step}/default/_METADATA"}
    for name in (f"{step}/default/checkpoint", "dataset_statistics.json"):
        assert (tmp_path / "saved" / name).read_bytes() == (official / name).read_bytes(), name
    written = serialization.msgpack_restore((tmp_path / "saved" / "example_batch.msgpack").read_bytes())
    if "task" in serialization.msgpack_restore((official / "example_batch.msgpack").read_bytes()):
        assert (tmp_path / "saved" / "example_batch.msgpack").read_bytes() == (
            official / "example_batch.msgpack"
        ).read_bytes()
    assert same_tree(written, model.example_batch)


def test_the_list_of_parameters_is_orbaxs_own(official, tmp_path):
    metadata = official / str(OctoModel.load_pretrained(official).checkpoint.step) / "default" / "_METADATA"
    if not metadata.is_file():
        pytest.skip("this checkpoint has no such list")
    OctoModel.load_pretrained(official).save_pretrained(tmp_path / "saved")
    # The official program notes which leaves were NumPy arrays (T5's) when it saved; in ours all are jax arrays.
    theirs = json.loads(metadata.read_text().replace("np.ndarray", "jax.Array"))
    ours = json.loads((tmp_path / "saved" / metadata.relative_to(official)).read_text())
    assert ours == theirs
    assert list(ours["tree_metadata"]) == list(theirs["tree_metadata"])


def test_orbax_reads_what_was_saved(tmp_path, demo_model):
    import orbax.checkpoint as ocp

    demo_model.save_pretrained(tmp_path / "saved", step=12)
    assert same_tree(ocp.PyTreeCheckpointer().restore(tmp_path / "saved" / "12" / "default"), demo_model.params)
    with ocp.CheckpointManager(tmp_path / "saved", ocp.PyTreeCheckpointer()) as manager:
        assert manager.latest_step() == 12
        assert same_tree(manager.restore(12), demo_model.params)


def test_a_conversion_is_bit_identical(official, tmp_path):
    done = convert_checkpoint(official, tmp_path / "fast")
    assert done.file.name == "params.safetensors"
    for name in ("config.json", "example_batch.msgpack", "dataset_statistics.json"):
        assert (tmp_path / "fast" / name).read_bytes() == (official / name).read_bytes()
    assert same_policy(OctoModel.load_pretrained(tmp_path / "fast"), OctoModel.load_pretrained(official))


def test_a_converted_policy_can_be_saved_in_the_official_form(tmp_path, demo_model):
    convert_checkpoint("drawn", tmp_path / "fast")
    OctoModel.load_pretrained(tmp_path / "fast").save_pretrained(tmp_path / "back")
    place = "0/default/checkpoint"
    assert (tmp_path / "back" / place).read_bytes() == (policy_directory("drawn") / place).read_bytes()


def test_weights_can_be_saved_one_step_after_another(tmp_path, demo_model):
    demo_model.save_pretrained(tmp_path / "saved", step=1)
    before = (tmp_path / "saved" / "config.json").stat().st_mtime_ns
    demo_model.save_pretrained(tmp_path / "saved", step=20)
    assert (tmp_path / "saved" / "config.json").stat().st_mtime_ns == before
    assert OctoModel.load_pretrained(tmp_path / "saved").checkpoint.step == 20
    assert OctoModel.load_pretrained(tmp_path / "saved", step=1).checkpoint.step == 1
    with pytest.raises(CheckpointError, match="has parameters of step 20 already"):
        demo_model.save_pretrained(tmp_path / "saved", step=20)


def test_an_empty_folder_is_written_into(tmp_path, demo_model):
    (tmp_path / "saved").mkdir()
    demo_model.save_pretrained(tmp_path / "saved")
    assert OctoModel.load_pretrained(tmp_path / "saved").name.endswith("saved")


def test_a_folder_of_something_else_is_left_alone(tmp_path, demo_model):
    (tmp_path / "holiday.png").touch()
    with pytest.raises(CheckpointError, match=r"is not empty and holds no checkpoint, but: holiday\.png"):
        demo_model.save_pretrained(tmp_path)
    assert files_of(tmp_path) == {"holiday.png"}


@pytest.mark.parametrize("what", ["model", "dataset_statistics.json", "example_batch.msgpack"])
def test_a_folder_of_another_policy_is_left_alone(tmp_path, demo_model, what):
    folder = tmp_path / "other"
    shutil.copytree(policy_directory("drawn"), folder)
    if what == "example_batch.msgpack":
        batch = serialization.msgpack_restore((folder / what).read_bytes())
        batch["observation"]["image_primary"] = np.zeros((1, 2, 64, 64, 3), np.uint8)
        (folder / what).write_bytes(serialization.msgpack_serialize(batch))
    else:
        path = folder / ("config.json" if what == "model" else what)
        path.write_text(
            path.read_text().replace('"max_horizon": 10', '"max_horizon": 11').replace("drawn_table", "another")
        )
    before = {name: (folder / name).read_bytes() for name in files_of(folder)}
    with pytest.raises(CheckpointError, match=f"holds another policy: it differs in {what}"):
        demo_model.save_pretrained(folder, step=5)
    assert {name: (folder / name).read_bytes() for name in files_of(folder)} == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupt_leaves_nothing(tmp_path, demo_model, monkeypatch, error):
    def interrupted(*_):
        raise error

    monkeypatch.setattr(checkpoint_writer, "_pack_array", interrupted)
    with pytest.raises(error):
        demo_model.save_pretrained(tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_nothing_that_looks_like_a_checkpoint(tmp_path, demo_model, monkeypatch):
    demo_model.save_pretrained(tmp_path / "saved", step=1)
    # A killed process cannot clean up.
    monkeypatch.setattr(checkpoint_writer.shutil, "rmtree", lambda *_, **__: None)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint_writer, "_pack_array", killed)
    for folder, step in (("saved", 2), ("new", 1)):
        with pytest.raises(KeyboardInterrupt):
            demo_model.save_pretrained(tmp_path / folder, step=step)
    monkeypatch.undo()
    assert not (tmp_path / "new").exists()
    assert OctoModel.load_pretrained(tmp_path / "saved").checkpoint.step == 1
    demo_model.save_pretrained(tmp_path / "saved", step=2)
    demo_model.save_pretrained(tmp_path / "new")


def test_what_a_killed_save_left_is_removed_by_the_next_and_what_a_living_one_makes_is_not(tmp_path):
    def left(name: str, host: str | None) -> None:
        (tmp_path / name / "new").mkdir(parents=True)
        if host is not None:
            (tmp_path / name / "lock").write_text(json.dumps({"pid": 4194304, "host": host}))

    left(".saved.unfinished-dead", os.uname().nodename)
    left(".saved.unfinished-older", None)
    left(".saved.unfinished-elsewhere", "elsewhere")
    left(".other.unfinished-dead", None)
    with checkpoint_writer.staged_directory(tmp_path / "saved"), checkpoint_writer.staged_directory(tmp_path / "saved"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".other.unfinished-dead",
        ".saved.unfinished-elsewhere",
        "saved",
    ]


def test_a_place_that_cannot_be_written(tmp_path, demo_model):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        demo_model.save_pretrained(tmp_path / "file" / "saved")


def test_conversion_does_not_overwrite(tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(OutputError, match="not an empty folder"):
        convert_checkpoint("drawn", tmp_path)
    assert files_of(tmp_path) == {"mine.txt"}


def test_large_arrays_are_split_as_flax_splits_them(tmp_path, monkeypatch):
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", 100)
    monkeypatch.setattr(checkpoint_writer, "_LARGEST", 100)
    params = {"a": {"b": np.arange(90.0), "c": np.arange(3)}}
    with (tmp_path / "checkpoint").open("wb") as file:
        checkpoint_writer.write_msgpack(file, params)
    expected = serialization.msgpack_serialize(params)
    assert (tmp_path / "checkpoint").read_bytes() == expected
