"""Encodings streamed into a run: what is kept, that actions and other arrays keep their bytes, resume, and damage that is found."""

import numpy as np
import pytest
import zarr

import octoscope as osc
from octo_given import octo_given
from octoscope.errors import RunError, SelectionError
from octoscope.policies.octo.recording.encodings import capture_encodings
from octoscope.policies.octo.recording.step_recorder import StepRecorder
from octoscope.runs import run_writer
from octoscope.runs.compact import compact_run
from octoscope.runs.stored_arrays import stored_arrays
from octoscope.runs.verify import verify_run

STEPS = [0, 1, 5]
POINTS = ("blocks.*.residual", "tokens.task_language.t5.*", "stem.wrist.StdConv_3")


@pytest.fixture(scope="module")
def run(demo_model, demo_episode, tmp_path_factory):
    path = tmp_path_factory.mktemp("encodings") / "run.zarr"
    return osc.attend(
        demo_model, demo_episode, path, steps=STEPS, options=osc.WatchOptions(dtype="float32", encodings=POINTS)
    )


def test_the_run_holds_what_was_asked_and_nothing_else(run, demo_model):
    names = [point.name for point in run.encoding_points]
    residual = [f"blocks.{layer}.residual" for layer in range(demo_model.num_layers)]
    assert [name for name in names if name.startswith("blocks.")] == residual
    stored = [name for name, _ in stored_arrays(run.group) if name.startswith("encodings/")]
    assert sorted(stored) == sorted(f"encodings/{name}" for name in names)
    assert run.encoding("blocks.0.residual").shape == (3, run.layout.size, 64)
    # The instruction's are stored once.
    assert run.encoding("tokens.task_language.t5.0").shape == run.encoding("tokens.task_language.t5.0", step=5).shape
    assert verify_run(run) == []


def test_the_run_holds_the_captured_encodings(run, demo_model, demo_episode):
    for step in STEPS:
        given = octo_given(demo_model, demo_episode, step)
        for name, expected in capture_encodings(demo_model, given.observation, given.tasks, POINTS).items():
            np.testing.assert_allclose(run.encoding(name, step=step), expected, atol=1e-5)


def test_everything_else_has_the_same_bytes_as_without(run, demo_run):
    for name, array in stored_arrays(demo_run.group):
        np.testing.assert_array_equal(array[:], run.group[name][:], err_msg=name)
    assert "encodings" not in demo_run.manifest
    assert demo_run.encoding_points == ()
    assert run.manifest | {"encodings": None} == dict(demo_run.manifest) | {"encodings": None}


def test_half_precision_is_the_default(demo_model, demo_episode, run):
    half = osc.attend(
        demo_model, demo_episode, steps=[5], options=osc.WatchOptions(encodings="blocks.0.residual", compute="fast")
    )
    assert half.group["encodings/blocks.0.residual"].dtype == np.float16
    exact = run.encoding("blocks.0.residual", step=5)
    np.testing.assert_allclose(half.encoding("blocks.0.residual", step=5), exact, rtol=1e-3, atol=1e-4)


def test_what_half_precision_cannot_hold_is_refused(demo_model, demo_episode):
    params = dict(demo_model.params)
    embedding = params["octo_transformer"]["readout_action_pos_embedding"]
    transformer = params["octo_transformer"] | {"readout_action_pos_embedding": embedding + 1e5}
    loud = osc.OctoModel(
        demo_model.name,
        demo_model.module,
        params | {"octo_transformer": transformer},
        demo_model.text_processor,
        demo_model.checkpoint,
    )
    with pytest.raises(SelectionError, match=r"'blocks\.0\.residual' reach beyond 65504.*float32"):
        osc.attend(loud, demo_episode, steps=[0], options=osc.WatchOptions(encodings="blocks.0.residual"))


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_stopped_run_goes_on_to_the_same_bytes(demo_model, demo_episode, tmp_path, monkeypatch):
    monkeypatch.setattr(run_writer, "steps_per_shard", lambda _: 2)
    asked = {"steps": [0, 1, 2, 3, 4], "options": osc.WatchOptions(encodings=POINTS)}
    osc.attend(demo_model, demo_episode, tmp_path / "whole.zarr", **asked)
    original, made = StepRecorder.arrays_at, []

    def stop_at_fourth(self, step):
        made.append(step)
        if len(made) == 4:
            raise RuntimeError("stopped")
        return original(self, step)

    monkeypatch.setattr(StepRecorder, "arrays_at", stop_at_fourth)
    with pytest.raises(RuntimeError, match="stopped"):
        osc.attend(demo_model, demo_episode, tmp_path / "stopped.zarr", **asked)
    monkeypatch.setattr(StepRecorder, "arrays_at", original)
    with pytest.raises(RunError, match="encodings was"):
        osc.attend(demo_model, demo_episode, tmp_path / "stopped.zarr", resume=True, steps=asked["steps"])
    osc.attend(demo_model, demo_episode, tmp_path / "stopped.zarr", resume=True, **asked)
    assert files(tmp_path / "stopped.zarr") == files(tmp_path / "whole.zarr")
    before = osc.Run.open(tmp_path / "whole.zarr").encoding("blocks.1.residual")
    compact_run(tmp_path / "whole.zarr")
    np.testing.assert_array_equal(osc.Run.open(tmp_path / "whole.zarr").encoding("blocks.1.residual"), before)


def test_steps_are_written_as_they_come(demo_model, demo_episode, tmp_path, monkeypatch):
    # A shard of two steps: what is kept in memory is two steps, however large the encodings.
    monkeypatch.setattr("octoscope.runs.chunk_sizes._SHARD_BYTES", 2 * 198 * 64 * 2 * 3)
    run = osc.attend(
        demo_model,
        demo_episode,
        tmp_path / "run.zarr",
        options=osc.WatchOptions(query_groups="readout", layers=[0], encodings="blocks.*.residual"),
    )
    array = run.group["encodings/blocks.0.residual"]
    assert isinstance(array, zarr.Array)
    assert array.chunks == (1, 198, 64)
    assert array.shards is not None
    assert array.shards[0] <= 2
    assert array.metadata.dimension_names == ("step", "token", "embed")


def test_xarray_opens_all_encodings_side_by_side(demo_model, demo_episode, tmp_path):
    xarray = pytest.importorskip("xarray")
    osc.attend(demo_model, demo_episode, tmp_path / "run.zarr", steps=[0, 1], options=osc.WatchOptions(encodings="*"))
    opened = xarray.open_zarr(tmp_path / "run.zarr", group="encodings", consolidated=False)
    assert opened["blocks.0.residual"].dims == ("step", "token", "embed")
    assert opened["tokens.task_language.projection"].dims == ("token_task_language", "embed")


def test_damage_is_found(demo_model, demo_episode, tmp_path):
    osc.attend(
        demo_model,
        demo_episode,
        tmp_path / "run.zarr",
        steps=[0],
        options=osc.WatchOptions(encodings=("blocks.0.mlp", "*.t5.0")),
    )
    group = zarr.open_group(tmp_path / "run.zarr", mode="r+")
    group["encodings/blocks.0.mlp"][0, 3, 4] = np.nan
    assert verify_run(osc.Run.open(tmp_path / "run.zarr")) == ["encodings/blocks.0.mlp: encodings that are not finite"]
    del group["encodings/tokens.task_language.t5.0"]
    with pytest.raises(RunError, match=r"encodings/tokens\.task_language\.t5\.0: zarr\.json is missing"):
        osc.Run.open(tmp_path / "run.zarr")


def test_a_point_that_is_not_held_is_named(run, demo_run):
    with pytest.raises(
        SelectionError, match=r"no encodings 'blocks\.0\.residula'\. Did you mean 'blocks\.0\.residual'"
    ):
        run.encoding("blocks.0.residula")
    with pytest.raises(SelectionError, match="It holds: none"):
        demo_run.encoding("blocks.0.residual")
