"""Maps through the layers of one step: equal to what the array functions give, cut and drawn where they belong."""

import dataclasses

import numpy as np
import pytest

import octoscope as osc
from octo_given import octo_given
from octoscope.attention.flow import attention_flow
from octoscope.attention.rollout import attention_rollout
from octoscope.cli.main import main
from octoscope.errors import SelectionError
from octoscope.faithfulness.action_target import ActionTarget
from octoscope.faithfulness.make_method_maps import method_maps
from octoscope.faithfulness.methods import KEY_METHODS
from octoscope.pictures.method_sheet import render_method_maps
from octoscope.policies.noise import Noise
from octoscope.policies.octo.acting import noise_key
from octoscope.policies.octo.gradient_programs import GradientPrograms
from tiny_policies import images, tiny_episode, tiny_policy

STEP = 2


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps") / "policy"
    cameras = {"primary": (32, 48), "wrist": (32, 32)}
    return tiny_policy(folder, {"primary": images("image_primary"), "wrist": images("image_wrist")}, cameras=cameras)


@pytest.fixture(scope="module")
def episode():
    return tiny_episode(("primary", "wrist"))


@pytest.fixture(scope="module")
def found(model, episode):
    (maps,) = method_maps(model, episode, [STEP], methods=tuple(KEY_METHODS), residual_weight=0.25)
    return maps


def test_the_values_are_those_of_the_array_functions(model, episode, found):
    run = osc.attend(model, episode, steps=[STEP], query_groups="all", dtype="float32")
    matrix = run.attention_matrix(step=STEP)
    row = int(run.layout.select("readout_action", timestep=-1)[0])
    np.testing.assert_allclose(found.values["last layer"], matrix[-1, :, row].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.values["mean of heads"], matrix[:, :, row].mean(axis=(0, 1)), atol=1e-6)
    rollout = attention_rollout(matrix, residual_weight=0.25)[row]
    np.testing.assert_allclose(found.values["rollout"], rollout, atol=1e-6)
    assert found.values["rollout"].sum() == pytest.approx(1.0)
    places = run.layout.select("obs_primary")
    flow = attention_flow(matrix, row, residual_weight=0.25)
    np.testing.assert_allclose(found.values["flow"][places], flow[places], atol=1e-6)
    assert np.isnan(found.values["flow"][row])


def test_maps_are_cut_by_camera_and_timestep(found):
    maps = found.maps("rollout")
    assert [(one.camera, one.steps_back, one.weights.shape) for one in maps] == [
        ("primary", 1, (1, 2, 3)),
        ("primary", 0, (1, 2, 3)),
        ("wrist", 1, (1, 2, 2)),
        ("wrist", 0, (1, 2, 2)),
    ]
    current = found.run.layout.select("obs_primary", timestep=-1)
    np.testing.assert_array_equal(maps[1].weights[0].ravel(), found.values["rollout"][current])
    table = found.columns().columns
    assert len(table["value"]) == len(KEY_METHODS) * 2 * (6 + 4)
    with pytest.raises(SelectionError, match="Did you mean 'rollout'"):
        found.maps("rolout")


def test_the_sheet_outlines_the_patches_that_are_sinks(found):
    from octoscope.attention.sinks import Sink

    assert render_method_maps(found).std() > 1
    place = int(found.run.layout.select("obs_wrist", timestep=-1)[3])
    sink = Sink(1, place, "wrist t patch (1, 1)", 0.4, 20.0, 0.1)
    plain, marked = (
        render_method_maps(dataclasses.replace(found, sinks=sinks, remarks=("same height",))) for sinks in ((), (sink,))
    )
    # The legend of the outlines moves what stands below it.
    legend = marked.shape[0] - plain.shape[0]
    assert 0 < legend < 40
    below = (plain == marked[legend:]).all(axis=(1, 2))
    inserted = len(below) - int(np.argmin(below[::-1]))
    differs = (plain[:inserted] != marked[:inserted]).any(axis=-1)
    # Below the subtitle, one outline in each method's tile of the last row of frames, in its lower right quarter.
    tiles = np.flatnonzero(differs[200:].any(axis=0))
    assert (np.diff(tiles) > 20).sum() == len(KEY_METHODS) - 1


def test_no_outline_on_padded_frames(model, episode):
    """At step 0 the frame before is padding: whatever sinks there are, it only says so."""
    from octoscope.attention.sinks import Sink

    (first,) = method_maps(model, episode, [0], methods=["last layer"])
    sink = Sink(1, int(first.run.layout.select("obs_wrist", timestep=0)[3]), "wrist t-1 patch (1, 1)", 0.4, 20.0, 0.1)
    named = dataclasses.replace(sink, key=0)
    plain, marked = (render_method_maps(dataclasses.replace(first, sinks=(one,))) for one in (named, sink))
    np.testing.assert_array_equal(plain, marked)


def test_sinks_come_with_the_length_of_what_they_move(model, episode, monkeypatch):
    given = []

    def noting(run, query, *, moved_norms):
        given.append(moved_norms)
        return ()

    monkeypatch.setattr("octoscope.faithfulness.make_method_maps.find_sinks", noting)
    (found,) = method_maps(model, episode, [STEP], methods=["rollout"])
    given = octo_given(model, episode, STEP)
    watched = GradientPrograms(model, action_dim=3).watch(given, noise_key(Noise(0, STEP)))
    assert given[0].shape == (4, 2, found.run.layout.size)
    np.testing.assert_allclose(given[0][STEP], watched.moved_norms.mean(axis=1), rtol=1e-5)
    assert any("bypasses attention in rollout: 0.5" in remark for remark in found.remarks)


def test_too_short_an_episode_has_no_sinks_and_says_so(model):
    (found,) = method_maps(model, tiny_episode(("primary", "wrist"), steps=2), [1], methods=["last layer"])
    assert not found.sinks
    assert any("needs 3 steps, and there are 2" in remark for remark in found.remarks)


def test_what_does_not_exist_is_refused(model, episode):
    with pytest.raises(SelectionError, match=r"`residual_weight` must lie in \[0, 1\], got 2"):
        method_maps(model, episode, [0], residual_weight=2.0)
    with pytest.raises(SelectionError, match=r"`dimension` must be in 0..2, got 3"):
        method_maps(model, episode, [0], target=ActionTarget(dimension=3))
    with pytest.raises(SelectionError, match=r"`step` must be in 0..3"):
        method_maps(model, episode, [9])
    with pytest.raises(SelectionError, match="Did you mean 'relevance'"):
        method_maps(model, episode, [0], methods=["relevanc"])
    with pytest.raises(SelectionError, match="at least one method"):
        method_maps(model, episode, [0], methods=[])


def test_the_command(tmp_path, capsys):
    main(["maps", "drawn", "drawn", "--step", "3", "--methods", "last layer", "rollout", "-o", str(tmp_path)])
    written = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert written == ["sinks.md", "step_3.csv", "step_3.parquet", "step_3.png"]
    assert "at least 5 even weights" in (tmp_path / "maps" / "sinks.md").read_text()
    assert "Maps of readout_action, 1 steps" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["maps", "drawn", "drawn", "-o", str(tmp_path)])
    assert "already holds results" in capsys.readouterr().err
