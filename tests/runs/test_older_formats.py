"""Runs recorded by octoscope when it wrote formats 1 and 2 open as ever, and draw what the same run draws in today's format."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

import octoscope as osc
from octoscope.errors import RunError
from octoscope.runs.compact import compact_run
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter
from octoscope.runs.sound_run import FORMAT
from octoscope.runs.stored_arrays import axis_names, stored_arrays
from octoscope.runs.verify import verify_run
from octoscope.views.share_pictures import share_grids_chart

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture(scope="module", params=[1, 2])
def path(request, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    with zipfile.ZipFile(RECORDED / f"run_format_{request.param}.zip") as archive:
        archive.extractall(folder)
    return folder / f"run_format_{request.param}.zarr"


@pytest.fixture(scope="module")
def old(path) -> Run:
    return Run.open(path)


def written_today(run: Run) -> Run:
    """Returns a run with the same arrays, in the format of today."""
    whole, steps = {}, [{} for _ in run.steps]
    for name, array in stored_arrays(run.group):
        kind, _, group = name.partition("/")
        if kind == "attention" and group not in run.query_groups:
            continue
        values, axes = np.asarray(array[:]), axis_names(array)
        if axes[0] != "step" or len(axes) == 1:
            whole[name] = (values, axes)
            continue
        stored = run.selection.array_name(group) if kind == "attention" else name
        for arrays, step in zip(steps, values, strict=True):
            arrays[stored] = (step, axes[1:])
    manifest = {name: value for name, value in run.manifest.items() if name not in ("format", "complete")}
    with RunWriter(MemoryStore(), manifest=manifest, whole=whole) as writer:
        for arrays in steps:
            writer.append_step(arrays)
    return writer.read()


def test_an_old_run_is_sound_and_says_what_it_said(old, path):
    assert verify_run(old) == []
    stored = json.loads((path / "zarr.json").read_text())["attributes"]
    assert stored["format"] < FORMAT
    assert (old.stack.name, old.num_layers, old.num_heads) == ("transformer", 3, 4)
    assert old.query_groups == tuple(stored["query_groups"])
    assert [piece.text for piece in old.layout.instruction_pieces] == stored["layout"]["word_pieces"]
    assert old.manifest["framework"]["name"] == "jax"


def test_rules_of_an_old_run_are_those_of_its_flag(old):
    weights = old.attention("readout_action", step=1)
    row = old.layout.select("readout_action", timestep=-1)[0]
    visible = old.rules[row] & ~old.token_pad(step=1)
    # In one head or another every key that may be seen is, even where float16 rounds small weights to 0.
    np.testing.assert_array_equal((weights > 0).any(axis=(0, 1, 2)), visible)


def test_an_old_run_draws_the_same_pictures(old):
    new = written_today(old)
    assert new.manifest["format"] == FORMAT
    for step in old.steps:
        np.testing.assert_array_equal(
            osc.render_sheet(old, step=step, layer=1), osc.render_sheet(new, step=step, layer=1)
        )
    np.testing.assert_array_equal(osc.share_table(old).shares, osc.share_table(new).shares)
    for before, now in zip(share_grids_chart(old).panels, share_grids_chart(new).panels, strict=True):
        np.testing.assert_array_equal(before.values, now.values)
        assert before.even == now.even


def test_compacting_an_old_run_brings_it_to_today_and_changes_no_value(old, path, tmp_path):
    shutil.copytree(path, tmp_path / "old.zarr")
    path = tmp_path / "old.zarr"
    before, after = compact_run(path)
    assert after < 1.5 * before
    new = osc.Run.open(path)
    assert zarr.open_group(path).attrs["format"] == FORMAT
    assert verify_run(new) == []
    for step in old.steps:
        np.testing.assert_array_equal(
            new.attention("readout_action", step=step), old.attention("readout_action", step=step)
        )
    np.testing.assert_array_equal(new.group["frames/primary"][:], old.group["frames/primary"][:])
    assert [file.name for file in tmp_path.iterdir()] == ["old.zarr"]


def test_in_format_1_only_attention_can_be_missed(tmp_path):
    with zipfile.ZipFile(RECORDED / "run_format_1.zip") as archive:
        archive.extractall(tmp_path)
    path = tmp_path / "run_format_1.zarr"
    # Chunks of zeros were left out: the masked tokens of no step.
    (path / "token_pad" / "c" / "1" / "0").unlink(missing_ok=True)
    assert not osc.Run.open(path).token_pad(step=1).any()
    (path / "attention" / "readout_action" / "c" / "1" / "0" / "0" / "0" / "0").unlink()
    with pytest.raises(RunError, match=r"attention/readout_action: 1 of 2 files are missing or empty, within step 1\."):
        osc.Run.open(path)
