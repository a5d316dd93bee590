"""Checkpoints of newer orbax, several steps, saves that were broken off: read bit by bit, or refused in a sentence."""

import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from octoscope.embedded.files import policy_directory
from octoscope.errors import CheckpointError
from octoscope.policies.octo.checkpoint.convert import convert_checkpoint
from octoscope.policies.octo.checkpoint.orbax_directory import open_orbax_directory
from octoscope.policies.octo.model import OctoModel

# Loading is what is tested here: every policy comes from its files.
pytestmark = pytest.mark.usefixtures("loads_anew")

# A tree small enough to be written once for each layout.
TREE = {
    "heads_action": {"half": np.full((2, 2), 0.1, np.float16), "zeros": np.zeros((3, 4), np.float32)},
    "octo_transformer": {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3) / 7}},
}
LAYOUTS = {
    "ocdbt": {"use_ocdbt": True, "use_zarr3": False},
    "ocdbt of zarr3": {"use_ocdbt": True, "use_zarr3": True},
    "zarr": {"use_ocdbt": False, "use_zarr3": False},
    "zarr3": {"use_ocdbt": False, "use_zarr3": True},
}
HALF, ZEROS, KERNEL = "heads_action/half", "heads_action/zeros", "octo_transformer/a/kernel"


def write(folder, layout):
    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler(**LAYOUTS[layout])) as checkpointer:
        checkpointer.save(folder, args=ocp.args.PyTreeSave(TREE))
    return folder


@pytest.fixture
def checkpoint(tmp_path):
    folder = tmp_path / "policy"
    shutil.copytree(policy_directory("drawn"), folder)
    return folder


@pytest.mark.parametrize("listed", [True, False], ids=["with a list", "without a list"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_bit_by_bit(tmp_path, layout, listed):
    folder = write(tmp_path / "default", layout)
    if not listed:
        (folder / "_METADATA").unlink()
    stored = open_orbax_directory(folder)
    assert stored.format == ("orbax ocdbt" if "ocdbt" in layout else "orbax zarr")
    assert stored.dtypes == ("float16", "float32")
    read = dict(stored.arrays())
    wanted = {HALF: TREE["heads_action"]["half"], ZEROS: TREE["heads_action"]["zeros"]}
    wanted[KERNEL] = TREE["octo_transformer"]["a"]["kernel"]
    assert read.keys() == wanted.keys()
    assert all(read[path].dtype == wanted[path].dtype and np.array_equal(read[path], wanted[path]) for path in wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_lost_file_is_not_read_as_zeros(tmp_path, layout):
    folder = write(tmp_path / "default", layout)
    largest = [path for path in folder.rglob("*") if path.is_file() and ("/d/" in str(path) or "kernel" in str(path))]
    for path in largest:
        if path.name not in (".zarray", "zarr.json"):
            path.unlink()
    with pytest.raises(CheckpointError, match=r"no readable array for .* Copy the whole folder again"):
        dict(open_orbax_directory(folder).arrays())


def test_a_policy_saved_by_orbaxs_manager_loads(checkpoint, demo_model):
    shutil.rmtree(checkpoint / "0")
    with ocp.CheckpointManager(checkpoint) as manager:
        manager.save(4000, args=ocp.args.Composite(default=ocp.args.StandardSave(demo_model.params)))
        manager.wait_until_finished()
    again = OctoModel.load_pretrained(checkpoint)
    assert again.checkpoint.step == 4000
    assert len(again.checkpoint.digest()) == 64
    for first, second in zip(jax.tree.leaves(again.params), jax.tree.leaves(demo_model.params), strict=True):
        assert first.dtype == second.dtype
        assert np.array_equal(first, second)
    done = convert_checkpoint(checkpoint, checkpoint.parent / "fast")
    assert done.parameters == sum(leaf.size for leaf in jax.tree.leaves(demo_model.params))


def test_without_tensorstore_the_error_says_what_to_install(tmp_path, monkeypatch):
    folder = write(tmp_path / "default", "zarr")
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(CheckpointError, match="pip install tensorstore"):
        open_orbax_directory(folder)


def test_a_list_that_is_damaged(tmp_path):
    folder = write(tmp_path / "default", "zarr")
    (folder / "_METADATA").write_text("{")
    with pytest.raises(CheckpointError, match="is not orbax's list of parameters"):
        open_orbax_directory(folder)
    (folder / "_METADATA").write_text(json.dumps({"tree_metadata": {"nonsense(": {}}}))
    with pytest.raises(CheckpointError, match="a key that is no parameter path"):
        open_orbax_directory(folder)


def test_the_latest_step_is_taken_by_number(checkpoint):
    for step in ("9", "10", "007"):
        shutil.copytree(checkpoint / "0", checkpoint / step)
    (checkpoint / "\u00b2").mkdir()  # a digit to Python, no step to anyone
    assert OctoModel.load_pretrained(checkpoint).checkpoint.step == 10
    assert OctoModel.load_pretrained(checkpoint, step=7).checkpoint.step == 7
    with pytest.raises(CheckpointError, match=r"no parameters of step 8; it has steps \[0, 7, 9, 10\]"):
        OctoModel.load_pretrained(checkpoint, step=8)


def test_a_save_that_was_broken_off_is_not_a_step(checkpoint):
    (checkpoint / "500.orbax-checkpoint-tmp-1693").mkdir()
    assert OctoModel.load_pretrained(checkpoint).checkpoint.step == 0
    shutil.rmtree(checkpoint / "0")
    with pytest.raises(CheckpointError, match=r"The save of 500\.orbax-checkpoint-tmp-1693 was broken off"):
        OctoModel.load_pretrained(checkpoint)


def test_a_step_without_parameters_is_refused_not_passed_over(checkpoint):
    (checkpoint / "500" / "default.orbax-checkpoint-tmp-1693").mkdir(parents=True)
    with pytest.raises(
        CheckpointError, match=r"it holds: default.orbax-checkpoint-tmp-1693\..*--checkpoint-step\): \[0\]"
    ):
        OctoModel.load_pretrained(checkpoint)
    assert OctoModel.load_pretrained(checkpoint, step=0).checkpoint.step == 0


def test_marks_that_cloud_stores_leave_are_passed_over(checkpoint):
    for place in ("commit_success.txt", "0/commit_success.txt", "0/default/commit_success.txt", ".gitattributes"):
        (checkpoint / place).write_text("done")
    assert OctoModel.load_pretrained(checkpoint).checkpoint.step == 0


def test_orbax_itself_is_not_imported():
    code = "import sys, octoscope; octoscope.OctoModel.load_pretrained('demo'); sys.exit('orbax.checkpoint' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def edit(folder, name, change):
    content = json.loads((folder / name).read_text())
    content = change(content) or content
    (folder / name).write_text(json.dumps(content))


def test_statistics_without_a_dataset_level(checkpoint):
    edit(checkpoint, "dataset_statistics.json", lambda statistics: statistics["drawn_table"])
    model = OctoModel.load_pretrained(checkpoint)
    assert list(model.dataset_statistics) == [""]
    assert model.action_statistics("anything")["mean"].shape == (7,)
    model.save_pretrained(checkpoint.parent / "saved")
    assert "action" in json.loads((checkpoint.parent / "saved" / "dataset_statistics.json").read_text())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1, 2], "must hold statistics by dataset"),
        ({"bridge": [1, 2]}, "must hold statistics by dataset"),
        ({"bridge": {"action": {"mean": [1, [2, 3]]}}}, "no rows of numbers"),
    ],
    ids=["a list", "a dataset that is a list", "ragged"],
)
def test_statistics_that_are_none(checkpoint, content, sentence):
    (checkpoint / "dataset_statistics.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=sentence):
        OctoModel.load_pretrained(checkpoint)


def test_unknown_entries_outside_the_model_are_passed_over(checkpoint, demo_model):
    def extend(config):
        config["wandb"] = {"project": "mine"}

    edit(checkpoint, "config.json", extend)
    edit(checkpoint, "dataset_statistics.json", lambda s: s["drawn_table"].update(num_transitions=3, note={"by": 1}))
    again = OctoModel.load_pretrained(checkpoint)
    assert again.config["wandb"] == {"project": "mine"}
    assert jax.tree.structure(again.params) == jax.tree.structure(demo_model.params)
