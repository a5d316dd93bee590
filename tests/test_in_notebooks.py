"""What things look like as the last line of a notebook's cell, and what may be passed for what."""

import sys
import types

import numpy as np
import pytest
import xarray

import octoscope as osc
from octoscope.errors import EpisodeError
from octoscope.notebook import shows_progress
from octoscope.policies.toy.toy_policy import ToyPolicy
from octoscope.render.chart import Bars


@pytest.fixture(scope="module")
def toy_run():
    episode = osc.Episode.from_arrays(
        {"primary": np.zeros((3, 32, 32, 3), np.uint8)}, instruction="<b>go</b> red", name="made/<1>"
    )
    return osc.attend(ToyPolicy(row=1, column=2, word="red", noise=0.0), episode)


def test_nothing_prints_its_arrays_and_outside_text_is_escaped(demo_model, demo_episode, demo_run, toy_run):
    for thing in (demo_model, demo_model.policy, demo_episode, demo_run, demo_run.layout, osc.open_episodes("drawn")):
        assert len(repr(thing)) < 400
        assert "\n" not in repr(thing)
        assert "array(" not in repr(thing)
        assert thing._repr_html_().startswith("<div><b>")
    card = toy_run._repr_html_()
    assert "<b>go" not in card
    assert "&lt;b&gt;go" in card
    assert "data:image/jpeg;base64," in card
    assert "10 of" not in repr(toy_run)
    assert "3 of 3 steps" in repr(toy_run)
    (first, *_) = osc.attention_maps(demo_run, step=1, layer=0)
    assert repr(first).startswith("AttentionMap of primary")


def test_views_show_themselves():
    chart = osc.Chart("Shares", [Bars(np.array([0.25]), ["words"], "layer 0", top=1.0)])
    assert chart._repr_png_().startswith(b"\x89PNG")
    assert repr(chart) == "<Chart 'Shares'>"


def test_episodes_are_taken_as_lists_are():
    episodes = osc.open_episodes("drawn")
    assert [each.name for each in episodes[1:3]] == ["drawn_table/train/1", "drawn_table/train/2"]
    assert episodes[-1].name == f"drawn_table/train/{len(episodes) - 1}"
    assert episodes[10:] == []
    for index in (len(episodes), -len(episodes) - 1):
        with pytest.raises(EpisodeError, match=r"the episodes are 0\.\."):
            episodes[index]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": {"primary": np.zeros((2, 4, 4, 3))}}, r"images\['primary'\].*uint8.*float64"),
        ({"images": {"primary": np.zeros((2, 3, 4, 4), np.uint8)}}, "must be .time, height, width, 3."),
        ({"images": {}, "actions": np.zeros(3)}, "`actions` must be .time, dim."),
        ({"images": {"primary": np.zeros((2, 4, 4, 3), np.uint8)}, "state": np.zeros((3, 1))}, "same time axis.*'state': 3"),
        ({"images": {"primary": np.zeros((2, 4, 4, 3), np.uint8)}, "state": np.array(1.0)}, "same time axis"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_episode_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        osc.Episode.from_arrays(**given)


def test_a_run_as_xarray_names_every_axis(demo_run):
    dataset = demo_run.to_xarray()
    weights = dataset["readout_action"]
    assert weights.dims == ("step", "layer", "head", "query_readout_action", "key")
    np.testing.assert_array_equal(
        weights.sel(step=5, layer=1)[:, 0], demo_run.attention("readout_action", step=5)[1, :, 0]
    )
    # A share by its coordinates is the share by its function.
    now = (dataset.key_group == "obs_primary") & (dataset.key_timestep == demo_run.layout.window - 1)
    shares = osc.attention_shares(demo_run, demo_run.attention("readout_action", step=5)[1, :, 0].astype(np.float64))
    np.testing.assert_allclose(
        weights.sel(step=5, layer=1).where(now, 0).sum("key")[:, 0], shares["primary t"], rtol=1e-6
    )
    names = [str(name) for name in dataset.key_name.values]
    assert names[demo_run.layout.select("obs_primary", timestep=-1)[3]] == "primary t patch (0, 3)"
    one = demo_run.to_xarray(step=1)
    assert one.sizes["step"] == 1
    xarray.testing.assert_equal(one, dataset.sel(step=[1]))


def test_a_run_stands_for_its_layout_and_a_name_for_its_row(demo_run, demo_model):
    assert osc.find_query(demo_run) == osc.find_query(demo_run.layout)
    np.testing.assert_array_equal(osc.attention_rule_mask(demo_run), osc.attention_rule_mask(demo_run.layout))
    by_name = osc.attention_maps(demo_run, "readout_action", step=1, layer=0)
    by_row = osc.attention_maps(demo_run, osc.find_query(demo_run.layout), step=1, layer=0)
    np.testing.assert_array_equal(by_name[0].weights, by_row[0].weights)
    with pytest.raises(TypeError, match=r"got OctoPolicy.*depends on what it is given"):
        osc.find_query(demo_model.policy)


def test_progress_is_shown_in_notebooks_alone(monkeypatch):
    assert not shows_progress(None)
    kernel = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: kernel))
    assert shows_progress(None)
    assert not shows_progress(False)
