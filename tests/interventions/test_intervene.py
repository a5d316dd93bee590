"""Interventions: an empty one changes nothing, masking is removing, and each changes what it says and nothing else."""

import dataclasses

import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import EpisodeError, SelectionError
from octoscope.interventions.apply import apply_intervention
from octoscope.interventions.descriptions import (
    BlankCamera,
    CoverPatches,
    CoverPixels,
    MaskKeys,
    NoInstruction,
    Nothing,
    RemoveTimestep,
    ReplaceWord,
    ShuffleWords,
    Together,
    UseInstruction,
)
from octoscope.interventions.intervene import intervene
from octoscope.interventions.random_controls import random_controls, shared_parts
from octoscope.interventions.step_scene import StepScene
from octoscope.interventions.usual import usual_interventions
from octoscope.policies.noise import Noise
from octoscope.policies.octo.acting import noise_key, robot_statistics
from octoscope.policies.octo.action_normalization import unnormalize_actions
from octoscope.policies.octo.batched_policy import BatchedPolicy
from octoscope.tokens.words import words_of_pieces

STEP = 2
# What programs of other batch sizes differ by, of a change of the action: 1.5e-4 was seen, on processors that others did not have.
ROUNDING = 1e-3


@pytest.fixture(scope="module")
def scene(two_cameras, masked_episode):
    return StepScene.at(two_cameras, masked_episode, STEP)


@pytest.fixture(scope="module")
def found(two_cameras, masked_episode, scene):
    asked = [Nothing(), *usual_interventions(scene), BlankCamera("wrist"), Nothing(), Together([Nothing(), Nothing()])]
    return intervene(two_cameras, masked_episode, STEP, asked, noises=3, controls=2, batch=8)


def test_an_empty_intervention_changes_nothing_bit_for_bit(found):
    empty = [effect for effect in found.effects if effect.label.startswith("nothing")]
    assert len(empty) == 3
    assert all((effect.change == 0).all() and effect.size == 0 for effect in empty)
    assert all(effect.size > 0 for effect in found.effects if effect not in empty)


def test_the_undisturbed_action_is_the_one_of_a_run(two_cameras, masked_episode, found):
    run = osc.attend(two_cameras, masked_episode, steps=[STEP])
    np.testing.assert_allclose(found.robot_action, run.actions[0], atol=1e-5)


def test_hiding_no_key_leaves_the_actions_as_they_are_bit_for_bit(two_cameras, scene):
    """The way into the mask is there and does nothing."""
    size = scene.layout.size
    nowhere = dataclasses.replace(scene.inputs, hidden=np.zeros((size, size), bool))
    plain, hiding_none = (scene.policy.act([each], Noise(0, STEP)) for each in (scene.inputs, nowhere))
    np.testing.assert_array_equal(hiding_none, plain)


@pytest.mark.parametrize("camera", ["primary", "wrist"])
def test_masking_all_keys_of_a_camera_equals_removing_it(two_cameras, masked_episode, camera):
    masked = intervene(two_cameras, masked_episode, STEP, [MaskKeys(camera=camera)], noises=0)
    other = {name: images for name, images in masked_episode.images.items() if name != camera}
    without = intervene(two_cameras, dataclasses.replace(masked_episode, images=other), STEP, [Nothing()], noises=0)
    assert masked.effects[0].size > 1e-3
    np.testing.assert_allclose(masked.action + masked.effects[0].change, without.action, atol=2e-5)


def test_masking_keys_equals_saying_that_the_camera_is_absent(two_cameras, scene):
    """The same mask by the model's own way of leaving a camera out, at the same length of the sequence: equal to the bit."""
    masked = apply_intervention(scene, MaskKeys(camera="wrist"))
    given, hiding = (two_cameras.policy.tensors(each) for each in (scene.inputs, masked))
    told = {**given.observation["pad_mask_dict"], "image_wrist": np.zeros((1, 2), bool)}
    absent = dataclasses.replace(given, observation={**given.observation, "pad_mask_dict": told})
    program, key = BatchedPolicy(two_cameras, action_dim=3), noise_key(Noise(0, STEP))
    np.testing.assert_array_equal(program.act([hiding], key), program.act([absent], key))


def test_removing_a_timestep_hides_what_it_recorded(two_cameras, masked_episode):
    asked = [RemoveTimestep(0), Together([MaskKeys(camera=name, timestep=0) for name in ("primary", "wrist")])]
    removed, masked = intervene(two_cameras, masked_episode, STEP, asked, noises=0).effects
    np.testing.assert_allclose(removed.change, masked.change, atol=1e-6)
    assert removed.size > 0


def test_a_cover_changes_its_own_pixels_only(scene):
    changed = apply_intervention(scene, CoverPatches("primary", ((1, 2),), "grey", timestep=-1))
    before, after = scene.inputs.images["primary"], changed.images["primary"]
    differs = (before != after).any(axis=-1)
    assert not differs[0].any()
    assert differs[1, 16:32, 32:48].mean() > 0.9
    differs[1, 16:32, 32:48] = False
    assert not differs.any()
    assert (after[1, 16:32, 32:48] == 127).all()


def test_a_pixel_mask_is_laid_on_the_frame_of_its_time(scene, masked_episode):
    mask = np.zeros((4, 32, 48), bool)
    mask[1, 0, 0] = True
    changed = apply_intervention(scene, CoverPixels("primary", mask, "black"))
    images = changed.images["primary"]
    assert images[0, 0, 0].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(images[1], scene.inputs.images["primary"][1])


def test_words_change_as_told(two_cameras, masked_episode):
    asked = [UseInstruction("push the ball"), UseInstruction("ball"), ReplaceWord("ball", "push"), NoInstruction()]
    same, other, replaced, silent = intervene(two_cameras, masked_episode, STEP, asked, noises=0).effects
    assert same.size == 0
    assert same.words is None
    assert (other.words, replaced.words, silent.words) == ("ball", "push the push", "")
    assert min(other.size, replaced.size, silent.size) > 0
    # Masked as in training without words: the same as hiding every language key.
    keys = [Together([MaskKeys(group="task_language"), MaskKeys(group="obs_task_language")])]
    hidden = intervene(two_cameras, masked_episode, STEP, keys, noises=0).effects[0]
    np.testing.assert_allclose(hidden.change, silent.change, atol=2e-5)


def test_shuffled_words_are_the_same_words_in_another_order(scene):
    from octoscope.interventions.apply import changed_words

    words = changed_words(scene, ShuffleWords(3))
    assert words != "push the ball"
    assert sorted(words.split()) == ["ball", "push", "the"]


def test_keys_are_hidden_from_one_group_alone(scene):
    hidden = apply_intervention(scene, MaskKeys(words=("ball",), from_group="readout_action")).hidden
    queries = np.flatnonzero(hidden.any(axis=1))
    assert queries.tolist() == scene.layout.select("readout_action").tolist()
    pieces = [token.piece.text for token in scene.layout.tokens() if hidden.any(axis=0)[token.index]]
    assert pieces == ["\u2581ball"] * 3


def test_random_regions_have_the_same_area_and_are_clear_of_the_region(scene):
    rng = np.random.default_rng(0)
    patches = CoverPatches("primary", ((0, 0), (0, 1)))
    mask = np.zeros((32, 48), bool)
    mask[:5, :7] = True
    drawn = random_controls(scene, patches, rng, count=20)
    # Of 2 x 3 cells, the other row's three places of two cells: in its own row a place of two cells shares one.
    assert drawn.possible == len(drawn.interventions) == 3
    assert {frozenset(each.patches) for each in drawn.interventions} == {
        frozenset({(1, column), (1, (column + 1) % 3)}) for column in range(3)
    }
    for each in random_controls(scene, CoverPixels("primary", mask), rng, count=50).interventions:
        assert each.mask.sum() == mask.sum()
        assert (each.mask & mask).sum() <= 0.05 * mask.sum()
    assert not random_controls(scene, BlankCamera("primary"), rng, count=4).interventions


def test_a_region_that_is_everywhere_has_no_random_place_and_says_so(scene):
    wide = np.ones((32, 48), bool)
    wide[0, 0] = False
    drawn = random_controls(scene, CoverPixels("primary", wide), np.random.default_rng(0), count=4)
    assert (list(drawn.interventions), drawn.possible) == ([], 0)
    assert drawn.note(4) == "only 0 other places of its size are clear of it"


def test_shared_parts_of_a_moving_region_are_over_all_its_frames(scene):
    """Against rolling it, pixel by pixel."""
    region = np.random.default_rng(1).random((2, 5, 6)) < 0.3
    rolled = [[(region & np.roll(region, (y, x), (1, 2))).sum() / region.sum() for x in range(6)] for y in range(5)]
    np.testing.assert_allclose(shared_parts(region), rolled)


def test_noise_changes_the_action_and_a_seed_gives_the_same_effect(two_cameras, masked_episode, found):
    asked = [effect.intervention for effect in found.effects]
    same = intervene(two_cameras, masked_episode, STEP, asked, noises=3, controls=2, batch=8)
    np.testing.assert_array_equal(same.noise, found.noise)
    again = intervene(two_cameras, masked_episode, STEP, [BlankCamera("wrist")], noises=3, batch=8)
    assert found.noise_floor > 0
    # The undisturbed action came from a program of another size.
    np.testing.assert_allclose(again.noise, found.noise, rtol=ROUNDING)
    blanked = next(effect for effect in found.effects if effect.label == "wrist blanked grey")
    np.testing.assert_allclose(again.effects[0].change, blanked.change, rtol=ROUNDING, atol=1e-6)


def test_the_noise_floor_is_one_definition_for_all_and_for_each_dimension(two_cameras, masked_episode, scene, found):
    """The mean over draws of each draw's root mean square; by hand from the actions under other noise."""
    statistics = robot_statistics(two_cameras, masked_episode.dataset)
    others = scene.policy.act([scene.inputs] * 3, [Noise(0, STEP, draw) for draw in (1, 2, 3)], batch=8)
    change = (others - found.action)[..., found.moves].astype(np.float64)
    assert found.noise_floor == pytest.approx(np.sqrt((change**2).mean(axis=(1, 2))).mean(), rel=1e-4)
    robot = np.asarray(unnormalize_actions(others, statistics)) * np.array(found.units.scale)
    each = np.sqrt(((robot - found.robot_action).astype(np.float64) ** 2).mean(axis=1)).mean(axis=0)
    np.testing.assert_allclose(found.noise_per_dimension, each, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("intervention", "message"),
    [
        (BlankCamera("primry"), "Did you mean 'primary'"),
        (CoverPatches("primary", ((2, 0),)), r"\(0, 0\) to \(1, 2\), got \(2, 0\)"),
        (MaskKeys(words=("bal",)), "Did you mean 'ball'"),
        (MaskKeys(), "Say which keys"),
        (MaskKeys(camera="wrist", words=("ball",)), "No token"),
        (ReplaceWord("plate"), "no word 'plate'"),
        (RemoveTimestep(5), "timestep"),
        (CoverPatches("primary", ((0, 0),), "gray"), "Did you mean 'grey'"),
    ],
)
def test_what_does_not_exist_is_refused(scene, intervention, message):
    with pytest.raises(SelectionError, match=message):
        apply_intervention(scene, intervention)


def test_a_mask_of_another_size_and_words_all_gone_are_refused(scene):
    with pytest.raises(EpisodeError, match="size of the recorded frames"):
        apply_intervention(scene, CoverPixels("primary", np.ones((8, 8), bool)))
    with pytest.raises(EpisodeError, match="No word"):
        apply_intervention(scene, UseInstruction(" "))


def test_the_sheet_has_a_line_for_each_intervention(found):
    from octoscope.pictures.ablation_sheet import render_ablation_sheet

    sheet = render_ablation_sheet(found)
    one = render_ablation_sheet(dataclasses.replace(found, effects=found.effects[:1]))
    assert sheet.dtype == np.uint8
    rows = [118 if effect.pictures or effect.masked else 72 for effect in found.effects[1:]]
    assert sheet.shape[0] - one.shape[0] == sum(rows)


def test_masked_keys_have_the_fast_knock_out_beside_the_rerun(two_cameras, masked_episode, found):
    """Hidden from the readout alone, by a full rerun: what the fast pass over the readout gives."""
    asked = [
        MaskKeys(camera="wrist"),
        MaskKeys(camera="wrist", from_group="readout_action"),
        MaskKeys(words=("ball",)),
        MaskKeys(words=("ball",), from_group="readout_action"),
        MaskKeys(camera="wrist", from_group="obs_primary"),
        BlankCamera("wrist"),
    ]
    wrist, from_readout, word, word_from_readout, elsewhere, blanked = intervene(
        two_cameras, masked_episode, STEP, asked, noises=0, controls=0
    ).effects
    for everywhere, alone in ((wrist, from_readout), (word, word_from_readout)):
        # Denoising takes other orders of sums further apart: actions here reach 5.
        assert everywhere.direct == pytest.approx(alone.size, abs=1e-4)
        assert everywhere.direct == pytest.approx(alone.direct)
        assert everywhere.direct != pytest.approx(everywhere.size, abs=5e-5)
    assert np.isnan([elsewhere.direct, blanked.direct]).all()
    assert sum(not np.isnan(effect.direct) for effect in found.effects) >= 5


@pytest.mark.parametrize("controls", [0, 4, 8])
def test_what_hides_no_key_shares_a_batch_with_what_does(two_cameras, masked_episode, controls):
    """Batches of two, of which some hide nothing: the same effects as all in one batch."""
    asked = [BlankCamera("primary"), BlankCamera("wrist"), MaskKeys(camera="primary"), MaskKeys(words=("ball",))]
    found = [
        intervene(two_cameras, masked_episode, STEP, asked, noises=0, controls=controls, batch=batch)
        for batch in (2, 16)
    ]
    for few, many in zip(found[0].effects, found[1].effects, strict=True):
        # Of another size, programs round in another way; what would be given to the wrong input differs in the first digit.
        np.testing.assert_allclose(few.change, many.change, rtol=ROUNDING, atol=2e-5)
        np.testing.assert_allclose(few.controls, many.controls, rtol=ROUNDING, atol=2e-5)


def test_random_words_are_of_those_that_the_policy_reads(two_cameras, masked_episode):
    """The tokenizer has room for four pieces with the end mark: the last words are not there to be masked."""
    long = dataclasses.replace(masked_episode, instruction="push the ball push the ball and then push")
    scene = StepScene.at(two_cameras, long, STEP)
    read = {word.text for word in words_of_pieces(scene.layout.instruction_pieces)}
    assert "then" not in read
    drawn = random_controls(scene, MaskKeys(words=("ball",)), np.random.default_rng(0), count=9)
    assert {words for each in drawn.interventions for words in each.words} == read - {"ball"}
    found = intervene(two_cameras, long, STEP, [MaskKeys(words=("ball",))], noises=0, controls=9)
    cut = 'The policy reads only 4 word pieces of the instruction: "push the ball". Cut off, and not read: "push the ball and then push".'
    assert found.remarks[0] == cut


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 0}, "`batch` must be at least 1, got 0"),
        ({"controls": -1}, "`controls` must be at least 0, got -1"),
        ({"noises": -1}, "`noises` must be at least 0"),
        ({"units": ["m"]}, "one unit for each of the 3 dimensions"),
    ],
)
def test_numbers_out_of_range_are_refused(two_cameras, masked_episode, wrong, message):
    with pytest.raises(SelectionError, match=message):
        intervene(two_cameras, masked_episode, STEP, [Nothing()], **wrong)
