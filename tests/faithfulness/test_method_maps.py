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
from octoscope.policies.noise import Noise
from octoscope.policies.octo.acting import noise_key
from octoscope.policies.octo.gradient_programs import GradientPrograms
from octoscope.render.outline import SINK
from octoscope.render.tile import Tile
from octoscope.views.method_sheet import method_maps_sheet
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
    run = osc.attend(model, episode, steps=[STEP], options=osc.WatchOptions(query_groups="all", dtype="float32"))
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

    place = int(found.run.layout.select("obs_wrist", timestep=-1)[3])
    sink = Sink(1, place, "wrist t patch (1, 1)", 0.4, 20.0, 0.1)
    plain, marked = (method_maps_sheet(dataclasses.replace(found, sinks=sinks)) for sinks in ((), (sink,)))
    assert (plain.marks(), marked.marks()) == ([], [SINK])
    assert "wrist t patch (1, 1) (layer 1; up to 20 even weights)" in marked.subtitle[-1]
    outlined = [
        [tile for tile in row.tiles if isinstance(tile, Tile) and tile.outline is not None] for row in marked.rows
    ]
    # One outline in each method's tile of the last row of frames, in its lower right quarter.
    assert [len(tiles) for tiles in outlined] == [0, 0, 0, len(KEY_METHODS), 0]
    region = outlined[3][0].outline
    rows, columns = np.nonzero(region)
    assert rows.min() >= region.shape[0] // 2
    assert columns.min() >= region.shape[1] // 2
    # Each column has a scale of its own, which holds all its values, and its strip.
    recorded, *strips = marked.rows[-1].tiles
    assert recorded is None
    for place, strip in enumerate(strips, start=1):
        tiles = [row.tiles[place] for row in marked.rows[:-1]]
        assert {tile.scale for tile in tiles} == {strip.scale}
        assert strip.scale.vmax == pytest.approx(max(float(tile.known_heat().max(initial=0.0)) for tile in tiles))


def test_no_outline_on_padded_frames(model, episode):
    """At step 0 the frame before is padding: whatever sinks there are, it only says so."""
    from octoscope.attention.sinks import Sink

    (first,) = method_maps(model, episode, [0], methods=["last layer"])
    sink = Sink(1, int(first.run.layout.select("obs_wrist", timestep=0)[3]), "wrist t-1 patch (1, 1)", 0.4, 20.0, 0.1)
    named = dataclasses.replace(sink, key=0)
    for one in (named, sink):
        assert method_maps_sheet(dataclasses.replace(first, sinks=(one,))).marks() == []


def test_sinks_come_with_the_length_of_what_they_move(model, episode, monkeypatch):
    lengths = []

    def noting(run, query, *, moved_norms):
        lengths.append(moved_norms)
        return ()

    monkeypatch.setattr("octoscope.faithfulness.make_method_maps.find_sinks", noting)
    (found,) = method_maps(model, episode, [STEP], methods=["rollout"])
    given = octo_given(model, episode, STEP)
    watched = GradientPrograms(model, action_dim=3).watch(given, noise_key(Noise(0, STEP)))
    assert lengths[0].shape == (4, 2, found.run.layout.size)
    np.testing.assert_allclose(lengths[0][STEP], watched.moved_norms.mean(axis=1), rtol=1e-5)
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
    main(["maps", "drawn", "drawn", "--steps", "3", "--methods", "last layer", "rollout", "-o", str(tmp_path)])
    written = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert written == ["sinks.md", "step_3.csv", "step_3.parquet", "step_3.png"]
    assert "at least 5 even weights" in (tmp_path / "maps" / "sinks.md").read_text()
    assert "Maps of readout_action, 1 steps" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["maps", "drawn", "drawn", "-o", str(tmp_path)])
    assert "already holds results" in capsys.readouterr().err
