"""Any policy goes through `attend` and everything that reads a run: a toy of known truth, and an ACT with its three stacks."""

import dataclasses

import numpy as np
import pytest
from zarr.storage import MemoryStore

import octoscope as osc
from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, SelectionError
from octoscope.policies.act.act_policy import ActPolicy
from octoscope.policies.act.model import ActModel
from octoscope.policies.bind import bind
from octoscope.policies.noise import Noise
from octoscope.policies.toy.toy_policy import GRID, ToyPolicy
from octoscope.runs.verify import verify_run
from policies.act_fixture import expected, unpacked_act


@pytest.fixture(scope="module")
def toy_run():
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), dtype=np.uint8)
    actions = np.zeros((3, 2), np.float32)
    episode = Episode({"primary": frames}, "push the red ball", actions, "made/0", "made")
    return osc.attend(ToyPolicy(), episode, options=osc.WatchOptions(query_groups="all", dtype="float32"))


@pytest.fixture(scope="module")
def act(tmp_path_factory):
    return ActPolicy(ActModel.load_pretrained(unpacked_act(tmp_path_factory.mktemp("act"))))


@pytest.fixture(scope="module")
def act_episode():
    given = expected()
    images = {camera: given[f"image/observation.images.{camera}"] for camera in ("top", "wrist")}
    cameras = {name: np.repeat(value[None], 2, axis=0) for name, value in images.items()}
    state = np.repeat(given["raw/observation.state"][None], 2, axis=0)
    return Episode(cameras, "", None, "tiny/train/0", "tiny", extras={"state": state})


@pytest.fixture(scope="module")
def act_run(act, act_episode):
    return osc.attend(act, act_episode, options=osc.WatchOptions(query_groups="all", dtype="float32"))


def test_a_toys_run_says_what_it_reads(toy_run):
    assert verify_run(toy_run) == []
    assert toy_run.manifest["policy_family"] == "toy"
    table = osc.share_table(toy_run)
    assert table.names == ("words", "padding of words", "primary t", "action")
    np.testing.assert_allclose(table.shares[0, 0, 0], [0.5, 0, 0.5, 0])
    (one,) = attention_maps(toy_run, find_query(toy_run.layout), step=1, layer=0)
    assert np.unravel_index(one.weights[0].argmax(), GRID) == (1, 2)
    assert one.box == (0.0, 0.0, 64.0, 96.0)
    assert [word.text for word in osc.instruction_words(toy_run.layout)] == ["push", "the", "red", "ball"]
    assert len(list(osc.render_film_frames(toy_run))) == 3


def test_the_same_call_gives_the_same_run_and_resumes(toy_run, tmp_path):
    frames = np.asarray(toy_run.read("frames/primary"))
    episode = Episode({"primary": frames}, "push the red ball", np.zeros((3, 2), np.float32), "made/0", "made")
    run = osc.attend(
        ToyPolicy(), episode, tmp_path / "run.zarr", options=osc.WatchOptions(query_groups="all", dtype="float32")
    )
    again = osc.attend(
        ToyPolicy(),
        episode,
        tmp_path / "run.zarr",
        options=osc.WatchOptions(query_groups="all", dtype="float32"),
        resume=True,
    )
    np.testing.assert_array_equal(run.actions, again.actions)
    np.testing.assert_array_equal(run.actions, toy_run.actions)


def test_what_is_octos_alone_is_refused(act, act_episode):
    with pytest.raises(SelectionError, match=r"`compute` .fast. is nothing that"):
        osc.attend(act, act_episode, options=osc.WatchOptions(compute="fast"))
    with pytest.raises(EpisodeError, match="does not record"):
        bind(act, Episode(act_episode.images, "", None, "tiny/train/1", "tiny"))


def test_an_acts_run_holds_lerobots_actions_and_attention(act, act_run):
    given = expected()
    np.testing.assert_allclose(act_run.read("actions")[0], given["actions"], atol=2e-5)
    np.testing.assert_allclose(act_run.actions[0], given["actions_robot"], atol=2e-5)
    assert verify_run(act_run) == []
    places = act_run.layout.places(act_run.stack.key_groups)
    for layer in range(2):
        cross = act_run.attention("action", step=0)[layer][..., places]
        np.testing.assert_allclose(cross, given[f"attention/decoder.cross/prefix/{layer}"], atol=2e-5)
    assert [stack.name for stack in act_run.stacks] == ["encoder", "decoder", "decoder.cross"]
    assert act_run.stack.name == "decoder.cross"
    assert act_run.of_stack("decoder").stack.constant_layers == (0,)
    for stack in act_run.stacks:
        run = act_run.of_stack(stack.name)
        for group in run.query_groups:
            weights = run.attention(group, step=0)
            np.testing.assert_allclose(weights.sum(axis=-1), 1.0, atol=1e-5)
            foreign = np.ones(run.layout.size, bool)
            foreign[run.layout.places(stack.key_groups)] = False
            assert (weights[..., foreign] == 0).all()


def test_an_acts_stacks_have_shares_of_their_own_keys(act_run):
    cross = osc.share_table(act_run)
    assert cross.names == ("latent t", "state t", "top t", "wrist t")
    np.testing.assert_allclose(cross.shares.sum(axis=-1), 1.0, atol=1e-5)
    decoder = osc.share_table(act_run.of_stack("decoder"))
    assert decoder.names == ("action",)
    with pytest.raises(
        SelectionError, match=r"no attention of a stack 'decoder\.corss'.*Did you mean 'decoder\.cross'"
    ):
        act_run.of_stack("decoder.corss")


def test_an_acts_pictures_are_drawn_for_each_stack_that_looks_at_pictures(act_run):
    sheet = osc.render_sheet(act_run, step=0, layer=0)
    assert sheet.shape[2] == 3
    assert osc.render_sheet(act_run.of_stack("encoder"), step=0, layer=0, query="state").shape[2] == 3
    assert len(list(osc.render_film_frames(act_run))) == 2
    with pytest.raises(
        SelectionError, match=r"Nobody in the stack 'decoder' looks at an image.*encoder, decoder\.cross"
    ):
        osc.render_sheet(act_run.of_stack("decoder"), step=0, layer=0)
    with pytest.raises(SelectionError, match="No token of this run is a word"):
        osc.instruction_words(act_run.layout)


def test_only_some_rows_of_an_act_are_kept_by_default(act, act_episode):
    run = osc.attend(act, act_episode, MemoryStore(), steps=[1])
    assert {stack.name: run.of_stack(stack.name).query_groups for stack in run.stacks} == {
        "encoder": ("latent", "state"),
        "decoder": ("action",),
        "decoder.cross": ("action",),
    }


def test_hidden_keys_of_an_act_are_those_of_lerobot(act, act_episode):
    bound, given = bind(act, act_episode), expected()
    layout = bound.layout
    keys = np.zeros(layout.size, bool)
    keys[layout.places(layout.stack("encoder").key_groups)] = given["hidden_keys"]
    assert np.flatnonzero(keys).tolist() == layout.select("image_top").tolist()
    inputs = dataclasses.replace(bound.at(0), hidden=np.broadcast_to(keys, (layout.size, layout.size)))
    np.testing.assert_allclose(act.act([inputs], Noise(0, 0))[0], given["actions_hidden_keys"], atol=2e-5)
