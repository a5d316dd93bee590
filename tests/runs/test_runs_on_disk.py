"""Runs in folders: listed, verified, compacted; runs of format 1 are still read."""

import shutil

import numpy as np
import pytest
import xarray
import zarr

import octoscope as osc
from octoscope.cli.main import main
from octoscope.errors import RunError
from octoscope.runs.find_runs import find_runs
from octoscope.runs.run_writer import RunWriter
from octoscope.runs.unfinished import Unfinished
from octoscope.runs.verify import verify_run


@pytest.fixture(scope="module")
def stored(demo_model, demo_episode, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "run.zarr"
    return osc.attend(demo_model, demo_episode, path, steps=[0, 2, 5]), path


@pytest.fixture
def copied(stored, tmp_path):
    shutil.copytree(stored[1], tmp_path / "run.zarr")
    return tmp_path / "run.zarr"


def test_few_files_and_names_for_every_axis(stored):
    run, path = stored
    data = xarray.open_zarr(path, group="attention/transformer", consolidated=False)
    weights = data["readout_action"].sel(step=5, layer=1)
    assert weights.dims == ("head", "query_readout_action", "key")
    np.testing.assert_array_equal(
        weights.values.astype(np.float32), run.attention("readout_action", step=5, layers=[1])[0]
    )
    assert data["key"].values.tolist() == list(range(run.layout.size))
    shards = [
        file for file in (path / "attention" / "transformer" / "readout_action" / "c").rglob("*") if file.is_file()
    ]
    assert len(shards) == 1
    assert xarray.open_zarr(path, consolidated=False)["actions"].dims == ("step", "horizon", "dim")


def test_a_sound_run_passes(stored):
    assert verify_run(stored[0]) == []


def test_what_is_broken_is_named(copied):
    shard = copied / "attention" / "transformer" / "readout_action" / "c" / "0" / "0" / "0" / "0" / "0"
    frames = copied / "frames" / "wrist" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(frames.read_bytes())
    content[1000] ^= 255
    frames.write_bytes(content)
    (problem,) = verify_run(osc.Run.open(copied))
    assert problem.startswith("frames/wrist[0:12] cannot be read")
    shard.unlink()
    with pytest.raises(
        RunError, match=r"attention/transformer/readout_action: 1 of 1 files are missing or empty, within steps 0\.\.5"
    ):
        osc.Run.open(copied)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda w, _: w * 0.9, "rows that do not sum to 1 (tolerance 0.001) at step 2"),
        (lambda w, _: np.where(w == w.max(), np.nan, w), "weights that are not finite at step 2"),
        (lambda w, pad: np.where(pad, np.float16(1e-4), w), "masked keys that are not 0 at step 0"),
    ],
)
def test_wrong_weights_are_named_with_their_step(copied, damage, sentence):
    run = osc.Run.open(copied)
    step = 0 if "step 0" in sentence else 2
    array = zarr.open_group(copied, mode="r+")["attention/transformer/readout_action"]
    index = run.index_of(step)
    array[index] = damage(array[index], run.token_pad(step=step)).astype(np.float16)
    problems = verify_run(osc.Run.open(copied))
    assert f"attention/transformer/readout_action: {sentence}" in problems


def test_the_list_tells_whole_from_unfinished_from_broken(stored, copied, tmp_path, capsys):
    run, _ = stored
    half = tmp_path / "more" / "half.zarr"
    with pytest.raises(KeyboardInterrupt), RunWriter(half, manifest=run.manifest) as writer:
        writer.append_step({"actions": (np.zeros((4, 7), np.float32), ("horizon", "dim"))})
        raise KeyboardInterrupt
    zarr.create_group(tmp_path / "other.zarr")
    found = {summary.path.name: summary for summary in find_runs(tmp_path)}
    assert found["run.zarr"].whole
    assert found["run.zarr"].state == "whole, 3 steps"
    assert found["half.zarr"].state == "1 of 3 steps, unfinished"
    assert "is no run of format" in found["other.zarr"].state
    assert [summary.path.name for summary in found.values() if summary.whole] == ["run.zarr"]
    with pytest.raises(SystemExit) as stop:
        main(["runs", "verify", str(tmp_path)])
    assert stop.value.code == 2
    main(["runs", "verify", str(copied)])
    main(["runs", "list", str(tmp_path)])
    printed = capsys.readouterr()
    assert f"{copied}: sound, 3 steps" in printed.out
    assert "2 of 3 runs are not sound" in printed.err
    assert "drawn over drawn_table/train/0: whole, 3 steps" in printed.out
    assert Unfinished(half).exists()
