"""Every configuration from episode to run, shares, sheet, film and layout picture; what cannot be drawn is said."""

import numpy as np
import pytest

import octoscope as osc
from octoscope.attention.maps import attention_maps, grid_box, placed_spans
from octoscope.attention.query import find_query
from octoscope.attention.shares import attention_shares
from octoscope.errors import SelectionError
from octoscope.views.attention_film import attention_film_frames
from octoscope.views.attention_sheet import describe_run, render_attention_sheet
from octoscope.views.layout_picture import layout_chart
from tiny_policies import head, images, numbers, tiny_episode, tiny_policy

PRIMARY = images("image_primary", goals=["image_primary"])
WRIST = images("image_wrist", goals=["image_wrist"])
TWO = {"primary": (32, 32), "wrist": (32, 32)}
STACKED = images("image_.*", goals=["image_.*"])

# Name -> (arguments of tiny_policy, arguments of tiny_episode, shares that must be named, remark that must be in the picture).
CONFIGURATIONS = {
    "three cameras": (
        {
            "tokenizers": {"primary": PRIMARY, "wrist": WRIST, "secondary": images("image_secondary")},
            "cameras": {**TWO, "secondary": (32, 32)},
        },
        {"cameras": ("primary", "wrist", "secondary")},
        {"primary t", "wrist t-1", "secondary t", "words", "repeated words", "readout_action"},
        None,
    ),
    "several readouts, of several tokens": (
        {
            "tokenizers": {"primary": PRIMARY},
            "readouts": {"value": 2, "action": 6},
            "heads": {
                "action": head("TokenPerDimActionHead", vocab_size=4),
                "value": head("ContinuousActionHead", readout_key="readout_value"),
                "again": head("MSEActionHead", readout_key="readout_action"),
            },
        },
        {},
        {"readout_value", "readout_action"},
        None,
    ),
    "discrete head, window 1": (
        {
            "tokenizers": {"primary": PRIMARY},
            "window": 1,
            "heads": {"action": head("DiscreteActionHead", token_per="", use_map=True, vocab_size=4)},
        },
        {},
        {"primary t"},
        None,
    ),
    "window of max_horizon": (
        {"tokenizers": {"primary": PRIMARY}, "window": 4, "max_horizon": 4},
        {},
        {f"primary t{back}" for back in ("-3", "-2", "-1", "")},
        None,
    ),
    "words not repeated, old attention": (
        {"tokenizers": {"primary": PRIMARY, "wrist": WRIST}, "cameras": TWO, "repeat": False, "correct": False},
        {"cameras": ("primary", "wrist")},
        {"words", "wrist t"},
        None,
    ),
    "proprioception": (
        {"tokenizers": {"primary": PRIMARY, "proprio": numbers("proprio")}, "lowdim": {"proprio": 5}},
        {"state": 5},
        {"obs_proprio t", "obs_proprio t-1"},
        "not drawn: obs_proprio: 5 numbers",
    ),
    "proprioception in bins, two fields": (
        {
            "tokenizers": {
                "bins": numbers("force", "prop.*", discretize=True, n_bins=8, bin_type="normal"),
                "primary": PRIMARY,
            },
            "lowdim": {"force": 2, "proprio": 3},
        },
        {"proprio": 3, "force": 2},
        {"obs_bins t"},
        "force from 'force', as recorded",
    ),
    "learned tokens beside patches": (
        {
            "tokenizers": {"primary": PRIMARY, "wrist": images("image_wrist", use_token_learner=True, num_tokens=3)},
            "cameras": TWO,
        },
        {"cameras": ("primary", "wrist")},
        {"wrist t", "primary t"},
        "obs_wrist: 3 learned tokens of wrist, which have no place in the image",
    ),
    "two tokenizers on one camera": (
        {"tokenizers": {"fine": images("image_primary", patch=8), "coarse": PRIMARY}},
        {},
        {"primary t (obs_fine)", "primary t (obs_coarse)"},
        None,
    ),
    "two cameras in one tokenizer": (
        {"tokenizers": {"image": STACKED}, "cameras": TWO},
        {"cameras": ("primary", "wrist")},
        {"primary+wrist t"},
        "primary and wrist are stacked into the same patches (obs_image)",
    ),
    "one of two stacked cameras missing": (
        {"tokenizers": {"image": STACKED}, "cameras": TWO},
        {},
        {"primary+wrist t"},
        "not recorded, so: image_wrist black and marked as missing",
    ),
    "film": (
        {
            "tokenizers": {"image": images("image_primary", film=["language_instruction"])},
            "language": False,
            "encodings": 6,
            "heads": {"action": head(readout_key="obs")},
            "readouts": {},
        },
        {"language_embedding": 6},
        {"primary t"},
        None,
    ),
    "oblong images and patches that do not divide them": (
        {"tokenizers": {"primary": PRIMARY}, "cameras": {"primary": (40, 64)}},
        {"size": (80, 64)},
        {"primary t"},
        None,
    ),
    "no task at all": (
        {"tokenizers": {"primary": images("image_primary")}, "language": False},
        {},
        {"primary t"},
        None,
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Makes each configuration's run once."""
    runs = {}

    def make(name):
        if name not in runs:
            policy, episode, *_ = CONFIGURATIONS[name]
            model = tiny_policy(tmp_path_factory.mktemp("policy") / "ckpt", **policy)
            runs[name] = (
                model,
                osc.attend(model, tiny_episode(**episode), steps=[0, 3], options=osc.WatchOptions(dtype="float32")),
            )
        return runs[name]

    return make


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_shares_sum_to_one_with_every_group_named(made, name):
    _, run = made(name)
    *_, shares_named, _ = CONFIGURATIONS[name]
    for group in run.query_groups:
        for step in run.steps:
            shares = attention_shares(run.layout, run.attention(group, step=step))
            np.testing.assert_allclose(sum(shares.values()), 1.0, atol=1e-5)
            assert shares_named <= shares.keys()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_weights_are_zero_wherever_the_mask_forbids(made, name):
    _, run = made(name)
    for group in run.query_groups:
        rules = run.rules[run.layout.select(group, timestep=-1)]
        for step in run.steps:
            visible = rules & ~run.token_pad(step=step)
            assert visible.any(axis=-1).all()
            assert not run.attention(group, step=step)[..., ~visible].any()


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_sheet_film_and_layout_are_drawn_and_say_what_they_do_not_show(made, name):
    _, run = made(name)
    *_, remark = CONFIGURATIONS[name]
    sheet = render_attention_sheet(run, step=3, layer=1)
    frames = list(attention_film_frames(run))
    assert sheet.dtype == np.uint8
    assert len(frames) == 2
    (panel,) = layout_chart(run.layout, title=name, pad=run.token_pad(step=0)).panels
    assert len(panel.mask) == run.layout.size
    assert remark is None or any(remark in line for line in describe_run(run))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_placed_token_is_in_a_map_of_its_own_group(made, name):
    _, run = made(name)
    query = find_query(run.layout)
    row = query.weights(run, step=3)[0]
    maps = attention_maps(run, query, step=3, layer=0)
    assert len(maps) == len(placed_spans(run.layout))
    for found in maps:
        timestep = run.layout.window - 1 - found.steps_back
        (span,) = run.layout.find_spans(found.group, timestep=timestep)
        np.testing.assert_array_equal(found.weights.reshape(len(row), -1), row[:, span.start : span.stop])


def test_the_shown_readout_is_the_first_of_the_config(made):
    _, run = made("several readouts, of several tokens")
    assert run.query_groups == ("readout_value", "readout_action", "obs_task_language")
    assert find_query(run.layout).label == "readout_value token 0 of 0..1"
    assert run.manifest["facts"]["head"] == "action"


def test_each_number_has_its_name(made):
    _, run = made("proprioception in bins, two fields")
    at = run.layout.select("obs_bins", timestep=-1)
    tokens = run.layout.tokens()
    assert [tokens[i].number for i in at] == ["force[0]", "force[1]", "proprio[0]", "proprio[1]", "proprio[2]"]
    assert osc.TokenLayout.from_json(run.layout.to_json()) == run.layout


def test_patches_that_do_not_divide_the_image_lie_on_their_own_pixels(made):
    _, run = made("oblong images and patches that do not divide them")
    (span,) = [span for _, span in placed_spans(run.layout) if span.timestep == 1]
    assert span.source.grid == (2, 4)
    # 40 rows of the policy's image are 80 recorded ones: two patches of 16 cover 64 of those.
    assert grid_box(span.source, run.transform("primary")) == (0.0, 0.0, 64.0, 64.0)
    with pytest.raises(SelectionError, match="no camera 'wrist'"):
        attention_maps(run, find_query(run.layout), step=3, layer=0, camera="wrist")


def test_stacked_cameras_show_the_same_weights_and_a_missing_one_is_not_drawn(made):
    _, both = made("two cameras in one tokenizer")
    _, one = made("one of two stacked cameras missing")
    primary, wrist = (
        attention_maps(both, find_query(both.layout), step=3, layer=0, camera=camera)[-1]
        for camera in ("primary", "wrist")
    )
    np.testing.assert_array_equal(primary.weights, wrist.weights)
    assert (primary.shared_with, wrist.shared_with) == (("wrist",), ("primary",))
    assert one.layout.cameras == ("primary",)
    assert one.layout.size == both.layout.size


def test_what_reads_only_words_has_a_run_and_nothing_to_draw(tmp_path):
    model = tiny_policy(tmp_path / "ckpt", {}, cameras={})
    episode = tiny_episode(cameras=())
    run = osc.attend(model, episode, steps=[1], options=osc.WatchOptions(dtype="float32"))
    shares = attention_shares(run.layout, run.attention("readout_action", step=1))
    assert set(shares) == {"words", "repeated words", "</s> of words", "</s> of repeated words", "readout_action"}
    np.testing.assert_allclose(sum(shares.values()), 1.0, atol=1e-5)
    with pytest.raises(SelectionError, match="No token of this policy has a place in a recorded image"):
        render_attention_sheet(run, step=1, layer=0)


def test_goal_and_words_together_and_goal_alone(tmp_path):
    episode = tiny_episode()
    goal = {"primary": episode.images["primary"][-1]}
    both_taken = tiny_policy(tmp_path / "both", {"primary": PRIMARY})
    words = osc.attend(both_taken, episode, steps=[3], options=osc.WatchOptions(dtype="float32"))
    both = osc.attend(
        both_taken,
        episode,
        steps=[3],
        options=osc.WatchOptions(dtype="float32", goal_images=goal, instruction="push the ball"),
    )
    alone = osc.attend(both_taken, episode, steps=[3], options=osc.WatchOptions(dtype="float32", goal_images=goal))
    assert (both.manifest["instruction"], both.manifest["goal_images"]) == ("push the ball", ["primary"])
    assert np.abs(both.actions - words.actions).max() > 1e-5
    assert not both.token_pad(step=3).any()
    assert alone.token_pad(step=3)[alone.layout.select("task_language")].all()
    wordless = tiny_policy(tmp_path / "goal", {"primary": PRIMARY}, language=False)
    run = osc.attend(wordless, episode, steps=[3], options=osc.WatchOptions(goal_images=goal))
    assert "task_language" not in run.layout.groups
    assert render_attention_sheet(run, step=3, layer=0).ndim == 3


def test_another_window_than_in_training(tmp_path):
    model = tiny_policy(tmp_path / "ckpt", {"primary": PRIMARY})
    episode = tiny_episode()
    for window in (1, 4):
        run = osc.attend(model, episode, steps=[0, 3], options=osc.WatchOptions(window=window))
        assert run.layout.window == window
        assert run.timestep_pad_mask(step=0).tolist() == [False] * (window - 1) + [True]
    with pytest.raises(SelectionError, match=r"`window` must be in 1\.\.4, where the policy's positions end, got 5"):
        osc.attend(model, episode, options=osc.WatchOptions(window=5))
