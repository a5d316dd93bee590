"""What changes something and lets the policy act again, on policies that are not Octo: a toy of known truth, an ACT, flow matching."""

import dataclasses

import numpy as np
import pytest

import octoscope as osc
from octoscope.capture.watch_options import WatchOptions
from octoscope.episodes.episode import Episode
from octoscope.errors import CheckpointError, EpisodeError, ObservationError, SelectionError
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.interventions.descriptions import (
    BlankCamera,
    CoverPatches,
    MaskKeys,
    NoInstruction,
    Nothing,
    ReplaceWord,
    UseInstruction,
)
from octoscope.interventions.intervene import intervene
from octoscope.interventions.step_scene import StepScene
from octoscope.interventions.usual import usual_interventions
from octoscope.policies.abilities import Differentiable
from octoscope.policies.act.act_policy import ActPolicy
from octoscope.policies.act.model import ActModel
from octoscope.policies.noise import Noise
from octoscope.policies.open_policy import OpenOptions
from octoscope.policies.pi.open_pi import open_pi
from octoscope.policies.smolvla.open_smolvla import open_smolvla
from octoscope.policies.toy.toy_policy import GRID, ToyPolicy
from octoscope.runs.verify import verify_run
from policies.act_fixture import expected, unpacked_act
from policies.drawn_flow import drawn_policy

TOY = ToyPolicy(row=1, column=2, word="red", noise=0.0)


def toy_episodes(count: int = 2) -> list[Episode]:
    rng = np.random.default_rng(0)
    words = ("push the red ball", "push the blue ball", "lift the red cube")
    return [
        Episode({"primary": rng.integers(0, 256, (4, 64, 96, 3), dtype=np.uint8)}, words[i], None, f"made/{i}", "made")
        for i in range(count)
    ]


@pytest.fixture(scope="module")
def act(tmp_path_factory):
    return ActPolicy(ActModel.load_pretrained(unpacked_act(tmp_path_factory.mktemp("act"))))


@pytest.fixture(scope="module")
def act_episodes():
    given = expected()
    images = {camera: given[f"image/observation.images.{camera}"] for camera in ("top", "wrist")}
    state = np.repeat(given["raw/observation.state"][None], 2, axis=0)
    return [
        Episode(
            {name: np.stack([value, np.roll(value, 7 * shift, axis=0)]) for name, value in images.items()},
            "",
            None,
            f"tiny/train/{shift}",
            "tiny",
            extras={"state": state},
        )
        for shift in (0, 1)
    ]


def test_what_was_recorded_under_another_name_is_what_the_rename_map_says(act, act_episodes):
    folder = act.model.folder
    renames = {"observation.images.laptop": "observation.images.top", "observation.joints": "observation.state"}
    processing = dataclasses.replace(folder.processing, renames=renames)
    renaming = ActPolicy(dataclasses.replace(act.model, folder=dataclasses.replace(folder, processing=processing)))
    plain = act_episodes[0]
    images, state = dict(plain.images), plain.extras["state"]
    top = images.pop("top")
    masks = np.zeros(top.shape[:3], np.uint8)
    extras = {"joints": state, "mask_laptop": masks, "target_id": np.zeros(len(top), np.int64)}
    recorded = dataclasses.replace(plain, images={"laptop": top, **images}, extras=extras)
    run, same = osc.attend(renaming, recorded, steps=[0]), osc.attend(act, plain, steps=[0])
    np.testing.assert_array_equal(run.actions, same.actions)
    np.testing.assert_array_equal(run.frame("top", time=0), top[0])
    assert run.has_masks("top")
    assert intervene(renaming, recorded, 0, [BlankCamera("top", "black")], controls=0).effects[0].size > 0
    with pytest.raises(EpisodeError, match="leave one out"):
        osc.attend(renaming, dataclasses.replace(recorded, images={**recorded.images, "top": top}), steps=[0])


def test_what_the_toy_reads_is_what_changes_its_action():
    asked = [
        Nothing(),
        CoverPatches("primary", ((1, 2),), "black"),
        CoverPatches("primary", ((0, 0),), "black"),
        MaskKeys("primary", ((1, 2),)),
        MaskKeys("primary", ((0, 0),)),
        ReplaceWord("red", "blue"),
        ReplaceWord("ball", "cube"),
        NoInstruction(),
    ]
    effects = intervene(TOY, toy_episodes()[0], 1, asked, noises=3, controls=2).effects
    assert [effect.size > 0 for effect in effects] == [False, True, False, True, False, True, False, True]
    assert all(np.isnan(effect.direct) for effect in effects)


def test_a_toys_noise_floor_is_its_noise():
    loud = dataclasses.replace(TOY, noise=1.0)
    effects = intervene(loud, toy_episodes()[0], 1, [Nothing()], noises=400, controls=0)
    # Two numbers that each differ by a normal of deviation sqrt(2).
    assert effects.noise_floor == pytest.approx(np.sqrt(2.0) * np.sqrt(np.pi) / 2, rel=0.3)
    assert intervene(TOY, toy_episodes()[0], 1, [Nothing()], noises=3).noise_floor == 0.0


def test_maps_of_the_toy_find_its_patch_and_others_are_left_out_with_a_sentence():
    settings = FaithfulnessSettings(methods=("mean of heads", "rollout", "gradient", "occlusion"), steps=2, points=2)
    table = osc.score_faithfulness(TOY, toy_episodes(), settings)
    assert [line.method for line in table.methods] == ["mean of heads", "rollout", "occlusion"]
    assert "Left out: gradient." in table.to_markdown()
    for method in ("mean of heads", "occlusion"):
        (cells,) = table.example.maps[method].values()
        assert np.unravel_index(cells.argmax(), GRID) == (1, 2)


def test_the_toys_use_of_language_is_measured():
    table = osc.language_use(TOY, toy_episodes(3), noises=2)
    assert table.numbers["swapped"].mean > 0
    assert table.numbers["noise"].mean == 0.0
    with pytest.raises(ObservationError, match="takes no words"):
        mute = dataclasses.replace(TOY, needs=dataclasses.replace(TOY.needs, words=False))
        osc.language_use(mute, toy_episodes())


@pytest.mark.parametrize("how", ["remove", "mask"])
def test_tokens_of_the_toy_can_be_dropped(how):
    asked = {"scores": ["mean of heads"], "fractions": [1.0, 0.5], "steps": 1, "noises": 0, "timings": 0}
    table = osc.drop_tokens(TOY, toy_episodes(), how=how, **asked)
    # The best half holds the patch; everything else is nothing to it.
    assert table.errors[0][1].mean == pytest.approx(0.0, abs=1e-6)


def test_the_toy_in_a_control_loop_does_what_attend_saw():
    episode = toy_episodes()[0]
    run = osc.attend(TOY, episode, options=osc.WatchOptions(dtype="float32"))
    policy = osc.Policy(TOY, instruction=episode.instruction)
    for step in range(len(episode)):
        result = policy.step({"image_primary": episode.images["primary"][step]}, watch=True)
        np.testing.assert_array_equal(result.chunk, run.read("actions")[step])
        for group in run.query_groups:
            np.testing.assert_array_equal(result.attention.weights[group], run.attention(group, step=step))
    assert result.attention.run.manifest["policy_family"] == "toy"
    with pytest.raises(SelectionError, match="was not trained on crops"):
        osc.Policy(TOY, instruction="push", cropped_cameras=["primary"])


def test_an_act_is_ablated(act, act_episodes):
    scene = StepScene.at(act, act_episodes[0], 0)
    asked = usual_interventions(scene)
    assert {type(each) for each in asked} == {BlankCamera, MaskKeys}
    effects = intervene(act, act_episodes[0], 0, [Nothing(), *asked, MaskKeys(group="state")], noises=2, controls=1)
    np.testing.assert_allclose(effects.action, expected()["actions"], atol=2e-5)
    assert effects.effects[0].size == 0.0
    assert all(effect.size > 0 for effect in effects.effects[1:])
    # Every draw of noise gives the same action: there is none.
    assert effects.noise_floor == 0.0
    with pytest.raises(ObservationError, match="was given no words"):
        intervene(act, act_episodes[0], 0, [UseInstruction("push")], noises=0)


def test_tokens_of_an_act_can_be_dropped(act, act_episodes):
    inputs = StepScene.at(act, act_episodes[0], 0).inputs
    hidden, layout = expected()["hidden_keys"], act.layout(inputs)
    stays = np.setdiff1d(np.arange(layout.size), np.flatnonzero(hidden))
    drop = act.dropper(inputs, Noise(0, 0))
    # What LeRobot gave with the same tokens hidden as keys.
    np.testing.assert_allclose(drop(stays), expected()["actions_hidden_keys"], atol=2e-5)
    np.testing.assert_allclose(drop(np.arange(layout.size)), expected()["actions"], atol=2e-5)
    with pytest.raises(SelectionError, match="what is asked for"):
        drop(stays[:-1])
    asked = {"scores": ["mean of heads"], "fractions": [1.0, 0.0], "steps": 1, "noises": 0, "timings": 0}
    table = osc.drop_tokens(act, act_episodes[:1], how="remove", **asked)
    assert table.errors[0][0].mean == 0.0
    assert table.errors[0][1].mean > 0.0


def test_an_acts_maps_are_scored(act, act_episodes):
    methods = ("last layer", "rollout", "gradient", "integrated gradients", "readout knock-outs", "occlusion", "random")
    settings = FaithfulnessSettings(methods=methods, steps=1, points=1, path_points=2, path_tolerance=10.0)
    table = osc.score_faithfulness(act, act_episodes, settings)
    assert [line.method for line in table.methods] == [
        "last layer",
        "gradient",
        "integrated gradients",
        "occlusion",
        "random",
    ]
    text = table.to_markdown()
    assert "those of 'decoder.cross' look at other tokens than themselves" in text
    assert "does not run its acting row alone" in text


def test_an_acts_gradients_sum_along_a_line(act, act_episodes):
    assert isinstance(act, Differentiable)
    inputs, noise = StepScene.at(act, act_episodes[0], 0).inputs, Noise(0, 0)
    weights = np.zeros((act.action_space("tiny").horizon, act.action_space("tiny").dim), np.float32)
    weights[0, 0] = 1.0
    at_end = act.image_gradients(inputs, noise, weights)
    black = {camera: np.zeros_like(images) for camera, images in inputs.images.items()}
    ends = act.image_gradients(inputs, noise, weights, baseline=black, parts=np.array([1.0, 1.0], np.float32))
    for camera, slopes in at_end.items():
        np.testing.assert_allclose(ends[camera], 2 * slopes, rtol=1e-4, atol=1e-9)


def test_gradients_refuse_hidden_keys(act, act_episodes):
    inputs = StepScene.at(act, act_episodes[0], 0).inputs
    hiding = dataclasses.replace(inputs, hidden=np.zeros((2, 2), bool))
    with pytest.raises(ObservationError, match="without hidden keys"):
        act.image_gradients(hiding, Noise(0, 0), np.ones((8, 6), np.float32))
    octo, episode = osc.OctoModel.load_pretrained("drawn").policy, osc.open_episodes("drawn")[0]
    given = StepScene.at(octo, episode, 1).inputs
    hiding = dataclasses.replace(given, hidden=np.zeros((2, 2), bool))
    weights = np.ones((4, 7), np.float32)
    for ask in (octo.image_gradients, octo.attention_gradients):
        with pytest.raises(ObservationError, match="without hidden keys"):
            ask(hiding, Noise(0, 1), weights)
    with pytest.raises(ObservationError, match="without hidden keys"):
        octo.row_pass(hiding, Noise(0, 1))
    with pytest.raises(SelectionError, match="Did you mean 'layer 1'"):
        octo.redrawn(["layr 1"], seed=0)
    with pytest.raises(ValueError, match="one each of the 2 inputs, got 1"):
        octo.act([given, given], [Noise(0, 1)])


def test_what_is_not_finite_is_refused_by_stack_and_layer(act, act_episodes):
    @dataclasses.dataclass(frozen=True)
    class Broken(ActPolicy):
        def watch(self, inputs, noise, wanted):
            watched = ActPolicy.watch(self, inputs, noise, wanted)
            watched.weights["decoder.cross"][0, -1] = np.nan
            return watched

    with pytest.raises(CheckpointError, match=r"attention of 'decoder\.cross' from layer 1 on at step 0 is not finite"):
        osc.attend(Broken(act.model), act_episodes[0], options=osc.WatchOptions(layers=[1]))


def test_an_act_in_a_control_loop(act, act_episodes):
    run = osc.attend(act, act_episodes[0], options=osc.WatchOptions(dtype="float32"))
    policy = osc.Policy(act, execution="ensemble")
    frames = {f"image_{camera}": images[0] for camera, images in act_episodes[0].images.items()}
    result = policy.step({**frames, "state": act_episodes[0].extras["state"][0]}, watch=True)
    np.testing.assert_array_equal(result.chunk, run.actions[0])
    assert [stack.name for stack in result.attention.run.stacks] == [stack.name for stack in run.stacks]
    with pytest.raises(ObservationError, match="takes no words"):
        osc.Policy(act, instruction="push the ball")


FLOW = ("smolvla", "pi0", "pi05")


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flow")
    openers = {"smolvla": open_smolvla, "pi0": open_pi, "pi05": open_pi}
    return {kind: openers[kind](str(drawn_policy(folder / kind, kind)), OpenOptions()) for kind in FLOW}


@pytest.fixture(scope="module")
def flow_episodes():
    rng = np.random.default_rng(0)
    state = np.array([[-1.5, 0.3, 2.0], [0.11, -0.2, 0.9]], np.float32)
    words = ("pick up the red ball", "lift the blue cube")
    cameras = [{name: rng.integers(0, 256, (2, 24, 32, 3), dtype=np.uint8) for name in ("top", "wrist")} for _ in words]
    return [
        Episode(images, said, None, f"drawn/{at}", "drawn", extras={"state": state})
        for at, (images, said) in enumerate(zip(cameras, words, strict=True))
    ]


@pytest.mark.parametrize("kind", FLOW)
def test_a_flow_policy_is_ablated(flow, flow_episodes, kind):
    policy = flow[kind]
    scene = StepScene.at(policy, flow_episodes[0], 0)
    usual = usual_interventions(scene)
    assert {type(each).__name__ for each in usual} == {"BlankCamera", "MaskKeys", "NoInstruction", "ShuffleWords"}
    few = [next(each for each in usual if isinstance(each, kind)) for kind in (BlankCamera, MaskKeys, NoInstruction)]
    asked = [Nothing(), *few, MaskKeys(group="state"), MaskKeys(words=("red",)), ReplaceWord("red", "blue")]
    effects = intervene(policy, flow_episodes[0], 0, [*asked, CoverPatches("top", ((1, 1),))], noises=2, controls=1)
    np.testing.assert_array_equal(effects.action, policy.act([scene.inputs], Noise(0, 0))[0])
    assert effects.effects[0].size == 0.0
    assert all(effect.size > 0 for effect in effects.effects[1:])
    assert effects.noise_floor > 0
    # Its frames of 24 x 32 lie on 32 x 32: what is masked is told on the frame.
    assert effects.effects[2].masked["top"].shape == (24, 32)


def test_a_flow_policys_maps_are_scored(flow, flow_episodes):
    methods = ("last layer", "rollout", "gradient", "integrated gradients", "occlusion", "random")
    settings = FaithfulnessSettings(methods=methods, steps=1, points=1, path_points=2, path_tolerance=10.0)
    table = osc.score_faithfulness(flow["smolvla"], flow_episodes, settings)
    left = [line.method for line in table.methods]
    assert left == ["last layer", "gradient", "integrated gradients", "occlusion", "random"]
    # Cells on padding are none: of 2 x 2 above a frame of 24 rows, all show some of it; on 12 rows, half would not.
    assert {picture.shape for picture in table.example.pictures.values()} == {(32, 32, 3)}
    flat = [dataclasses.replace(each, images={n: i[:, :12] for n, i in each.images.items()}) for each in flow_episodes]
    table = osc.score_faithfulness(flow["smolvla"], flat, settings)
    for method in ("gradient", "last layer"):
        cells = table.example.maps[method]["top"]
        assert np.isnan(cells[0]).all()
        assert np.isfinite(cells[1]).all()


def test_a_flow_policys_use_of_language(flow, flow_episodes):
    table = osc.language_use(flow["smolvla"], flow_episodes, noises=1)
    assert table.numbers["swapped"].mean > 0
    assert table.numbers["noise"].mean > 0
    assert 0 < table.numbers["share"].mean < 1


@pytest.mark.parametrize("kind", FLOW)
def test_a_flow_policy_in_a_control_loop_does_what_attend_saw(flow, flow_episodes, kind):
    episode = flow_episodes[0]
    run = osc.attend(flow[kind], episode, options=WatchOptions(dtype="float32"))
    assert verify_run(run) == []
    policy = osc.Policy(flow[kind], instruction=episode.instruction, execution=osc.RecedingHorizon(1))
    for step in range(2):
        frames = {f"image_{camera}": images[step] for camera, images in episode.images.items()}
        result = policy.step({**frames, "state": episode.extras["state"][step]}, watch=True)
        np.testing.assert_array_equal(result.chunk, run.actions[step])
        np.testing.assert_array_equal(
            result.attention.weights["action"], run.attention("action", step=step)[..., : run.layout.size]
        )
    chunks = osc.Policy(flow[kind], instruction=episode.instruction, execution="chunk")
    acted = [chunks.step({**frames, "state": episode.extras["state"][0]}) for _ in range(3)]
    assert [each.predicted_at for each in acted] == [0, 0, 0]


def test_stacks_and_passes_have_axes_of_their_own_in_xarray(act, act_episodes, flow, flow_episodes):
    run = osc.attend(act, act_episodes[0], steps=[1])
    dataset = run.to_xarray()
    assert [stack.name for stack in run.stacks] == list(
        dict.fromkeys(name.split("/")[0] for name in dataset if "/" in name)
    )
    cross = dataset["decoder.cross/action"]
    assert cross.dims == (
        "step",
        "decoder.cross.layer",
        "decoder.cross.head",
        "decoder.cross.query_action",
        "decoder.cross.key",
    )
    np.testing.assert_allclose(cross.sum("decoder.cross.key"), 1.0, atol=2e-3)
    options = osc.WatchOptions(passes="all")
    of_passes = osc.attend(flow["smolvla"], flow_episodes[0], steps=[0], options=options).to_xarray()
    (suffix,) = [name for name in of_passes if str(name).startswith("suffix/")]
    assert of_passes[suffix].dims[:2] == ("step", "suffix.pass")
    assert of_passes["suffix.pass"].values.tolist() == [0, 1]
    assert "act" in repr(act)
    assert "ActPolicy" in repr(act)
    assert len(repr(flow["pi0"])) < 300
