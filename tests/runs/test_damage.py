"""Runs under damage: whatever becomes of a file, a run gives the values that were written or an error that says where.

`python tests/runs/damage.py 200` does the same with more bits and more manifests.
"""

import json
import random

import damage
import numpy as np
import pytest
import zarr
from killed_writer import STEPS, write

from octoscope.errors import RunError
from octoscope.runs.find_runs import find_runs
from octoscope.runs.run import Run
from octoscope.runs.unfinished import Unfinished


@pytest.mark.parametrize("part", damage.PARTS)
def test_no_damage_is_silent_or_a_traceback(part, tmp_path):
    tally = damage.Tally()
    part(tally, tmp_path, 25 if part is damage.damage_manifests else 1, random.Random(0))
    assert sum(tally.inputs.values()) > 30
    assert not tally.failures, str(tally)


@pytest.fixture
def stored(tmp_path):
    return damage.make_whole(tmp_path)


def test_a_missing_shard_is_told_with_array_and_steps(stored):
    (stored / "attention" / "transformer" / "obs_primary" / "c" / "1" / "0" / "0" / "0" / "0").unlink()
    with pytest.raises(
        RunError, match=r"attention/transformer/obs_primary: 1 of 3 files are missing or empty, within steps 3\.\.5"
    ):
        Run.open(stored)
    (summary,) = find_runs(stored)
    assert not summary.whole
    assert "is damaged: attention/transformer/obs_primary: 1 of 3 files" in summary.state


def test_a_chunk_that_goes_while_the_run_is_open_is_told_where_it_is_read(stored):
    run = Run.open(stored)
    (stored / "attention" / "transformer" / "obs_primary" / "c" / "1" / "0" / "0" / "0" / "0").unlink()
    (stored / "actions" / "c" / "0" / "0" / "0").unlink()
    assert run.attention("obs_primary", step=2).shape == (2, 3, 4, 4)
    with pytest.raises(RunError, match=r"steps 3\.\.5 of attention/transformer/obs_primary is missing"):
        run.attention("obs_primary", step=4)
    with pytest.raises(RunError, match=r"steps 0\.\.6 of actions is missing"):
        _ = run.actions


def test_a_chunk_that_its_shard_does_not_know_is_told(stored):
    """As a writer leaves it that skips what equals the fill value, or one that was stopped within a shard."""
    group = zarr.open_group(stored, mode="r+")
    with zarr.config.set({"array.write_empty_chunks": False}):
        group["attention/transformer/obs_primary"][4] = 0
        group["frames/primary"][3] = 0
    run = Run.open(stored)
    for read in (lambda: run.attention("obs_primary", step=4), lambda: run.read("attention/transformer/obs_primary")):
        with pytest.raises(RunError, match=r"steps 3\.\.5 of attention/transformer/obs_primary lacks a part"):
            read()
    with pytest.raises(RunError, match=r"frames/primary lacks a part"):
        run.frame("primary", time=3)
    assert np.isfinite(run.attention("obs_primary", step=0)).all()


def test_a_changed_manifest_is_told(stored):
    file = stored / "zarr.json"
    data = json.loads(file.read_text())
    data["attributes"]["seed"] = 1
    file.write_text(json.dumps(data))
    with pytest.raises(RunError, match=r"the manifest .* is not the one that was written"):
        Run.open(stored)
    # As a run was written before there were seals: what is wrong is told by its name.
    for name in damage.SEALS:
        del data["attributes"][name]
    data["attributes"]["steps"][2] = "2"
    file.write_text(json.dumps(data))
    with pytest.raises(RunError, match=r"the manifest is wrong: steps\[2\] must be a whole number, is '2'"):
        Run.open(stored)


def test_optional_arrays_that_go_are_missed(stored):
    for file in sorted((stored / "recorded_actions").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    with pytest.raises(RunError, match=r"recorded_actions: zarr\.json is missing"):
        Run.open(stored)


@pytest.mark.parametrize("lost", ["journal/flushed.json", "run.zarr/zarr.json"])
def test_a_power_cut_that_empties_a_file_costs_no_step(tmp_path, lost):
    path = damage.make_unfinished(tmp_path)
    work = Unfinished(path)
    (work.folder / lost).write_bytes(b"")
    assert work.progress() == (damage.KEPT, STEPS)
    damage.put(work.folder / "lock", None)
    made = []
    append = damage.RunWriter.append_step

    def count(self, arrays):
        made.append(self.written)
        append(self, arrays)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(damage.RunWriter, "append_step", count)
        write(path)
    assert made == [5, 6]
    write(tmp_path / "whole" / "run.zarr")
    assert damage.digest(path) == damage.digest(tmp_path / "whole" / "run.zarr")
