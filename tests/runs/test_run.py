"""The run on disk: what it holds, what it refuses, and that it opens without jax."""

import subprocess
import sys

import numpy as np
import pytest
import xarray
import zarr

import octoscope as osc
from octoscope.errors import RunError, SelectionError
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter


@pytest.fixture(scope="module")
def stored(demo_model, demo_episode, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run.zarr"
    return path, osc.attend(demo_model, demo_episode, path, steps=[0, 2])


def test_a_run_says_where_it_comes_from(stored):
    _, run = stored
    manifest = run.manifest
    assert manifest["instruction"] == "pick up the blue ball"
    assert manifest["steps"] == [0, 2]
    assert len(manifest["policy_sha256"]) == 64
    assert manifest["policy_note"].startswith("RANDOM WEIGHTS")
    assert manifest["complete"]


def test_float16_is_the_default_and_close_to_what_was_captured(stored, demo_run):
    path, run = stored
    assert zarr.open_group(path)["attention/transformer/readout_action"].dtype == np.float16
    exact = demo_run.attention("readout_action", step=0)
    np.testing.assert_allclose(run.attention("readout_action", step=0), exact, atol=5e-4)


def test_xarray_opens_it_with_dimension_names(stored):
    path, _ = stored
    data = xarray.open_zarr(path, group="attention/transformer", consolidated=False)
    assert data["readout_action"].dims == ("step", "layer", "head", "query_readout_action", "key")


def test_actions_come_in_both_units(stored, demo_model):
    _, run = stored
    statistics = demo_model.action_statistics("drawn_table")
    normalized = np.asarray(run.group["actions"])
    expected = np.where(statistics["mask"], normalized * statistics["std"] + statistics["mean"], normalized)
    np.testing.assert_allclose(run.actions, expected, rtol=1e-5, atol=1e-6)


def test_missing_step_and_group_are_named(stored):
    _, run = stored
    with pytest.raises(SelectionError, match="holds the steps 0, 2, got 1"):
        run.attention("readout_action", step=1)
    with pytest.raises(SelectionError, match="Did you mean 'readout_action'"):
        run.attention("readout_acton", step=0)


def test_no_run_and_half_a_run_are_refused(tmp_path, stored):
    with pytest.raises(RunError, match="There is no run at"):
        Run.open(tmp_path / "nothing.zarr")
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(RunError, match="is no run of format"):
        Run.open(tmp_path / "other.zarr")
    _, run = stored
    with pytest.raises(KeyboardInterrupt), RunWriter(tmp_path / "half.zarr", manifest=run.manifest):
        raise KeyboardInterrupt
    assert not (tmp_path / "half.zarr").exists()
    with pytest.raises(KeyboardInterrupt), RunWriter(tmp_path / "half.zarr", manifest=run.manifest) as writer:
        writer.append_step({"actions": (np.zeros((4, 7), np.float32), ("horizon", "dim"))})
        raise KeyboardInterrupt
    with pytest.raises(RunError, match=r"was not finished: 1 of 2 steps .*--resume"):
        Run.open(tmp_path / "half.zarr")
    # Even where somebody moves it to its place by hand.
    (tmp_path / "half.zarr.unfinished" / "run.zarr").rename(tmp_path / "half.zarr")
    with pytest.raises(RunError, match="was not finished"):
        Run.open(tmp_path / "half.zarr")


def test_reading_and_drawing_a_run_loads_no_jax(stored, tmp_path):
    path, _ = stored
    code = (
        "import sys, octoscope as osc, pathlib;"
        f"run = osc.Run.open({str(path)!r}); osc.render_sheet(run, step=0, layer=0);"
        f"osc.write_attention_results(run, pathlib.Path({str(tmp_path)!r}));"
        "assert not {'jax', 'flax'} & set(sys.modules), 'jax was loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
