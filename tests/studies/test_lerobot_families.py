"""What every command makes of the families that LeRobot trains: none is taken for a broken Octo."""

import dataclasses
import json
import re

import numpy as np
import pytest
import safetensors.numpy
from flax import traverse_util

import octoscope as osc
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.rlds_writer import write_rlds
from octoscope.errors import EpisodeError, ObservationError, SelectionError
from octoscope.interventions.descriptions import MaskKeys
from octoscope.interventions.step_scene import StepScene
from octoscope.interventions.usual import usual_interventions
from octoscope.policies.noise import Noise
from octoscope.policies.open_policy import OpenOptions, open_policy
from octoscope.policies.policy_model import PolicyNeeds
from octoscope.policies.toy.toy_policy import ToyPolicy
from octoscope.studies.doctor import doctor
from octoscope.studies.episodes import episodes
from octoscope.studies.faithfulness import faithfulness
from octoscope.studies.language import language
from octoscope.studies.layout import layout
from octoscope.studies.opening import Opened, open_for, open_recorded
from octoscope.studies.options.doctor import DoctorOptions
from octoscope.studies.options.episodes import EpisodesOptions
from octoscope.studies.options.faithfulness import FaithfulnessOptions
from octoscope.studies.options.given import Given
from octoscope.studies.options.language import LanguageOptions
from octoscope.studies.options.layout import LayoutOptions
from policies.drawn_flow import drawn_policy
from studies.lerobot_policies import FAMILIES, FLOW, family_episodes, written_policy


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("families")
    return {family: written_policy(place / family, family) for family in FAMILIES}


@pytest.fixture(scope="module")
def policies(folders):
    return {family: open_policy(str(folder)) for family, folder in folders.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_doctor_says_what_a_policy_is(folders, policies, family):
    lines: list[str] = []
    checkup = doctor(DoctorOptions(str(folders[family])), tell=lambda *more: lines.extend(more))
    assert checkup.ok, checkup.problems
    assert checkup.facts["family"] == family
    assert set(checkup.facts["cameras"]) == set(policies[family].needs.cameras)
    stored = safetensors.numpy.load_file(folders[family] / "model.safetensors")
    assert checkup.facts["parameters"] == sum(array.size for array in stored.values())
    assert lines[-1] == "Nothing is wrong."
    json.dumps(checkup.to_json())
    if family == "smolvla":
        # It has as many tokens as words.
        return
    # What it says of a step is what a run keeps.
    run = osc.attend(policies[family], family_episodes(family, count=1)[0], steps=[0])
    stacks = [run.of_stack(stack.name) for stack in run.stacks]
    kept = [run.read(each.attention_name(group)) for each in stacks for group in each.query_groups]
    assert checkup.captured["bytes per step"] == sum(array.nbytes for array in kept)


def test_the_doctor_names_what_is_wrong_with_a_folder_that_is_no_octo(folders, tmp_path):
    folder = written_policy(tmp_path / "act", "act")
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    weights["model.action_head.bias"] = np.full_like(weights["model.action_head.bias"], np.nan)
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    (problem,) = doctor(DoctorOptions(str(folder))).problems
    assert "model.action_head.bias (6 of 6)" in problem
    (folder / "policy_preprocessor.json").unlink()
    (problem,) = doctor(DoctorOptions(str(folder))).problems
    assert "Octo" not in problem
    assert "policy_preprocessor.json" in problem
    fields = json.loads((folder / "config.json").read_text()) | {"type": "vqbet"}
    (folder / "config.json").write_text(json.dumps(fields))
    (problem,) = doctor(DoctorOptions(str(folder))).problems
    assert "vqbet" in problem


@pytest.mark.parametrize("family", FAMILIES)
def test_a_policy_is_laid_out_by_itself(folders, policies, family, tmp_path):
    lines: list[str] = []
    told = layout(LayoutOptions(str(folders[family]), output=tmp_path / "out"), tell=lambda *more: lines.extend(more))
    assert set(told.cameras) == set(policies[family].needs.cameras)
    key_points = any("where the key points of top are read off its patches" in line for line in lines)
    assert key_points == (family == "diffusion")
    if not policies[family].needs.words:
        with pytest.raises(SelectionError, match="reads no words"):
            policies[family].example_layout("push")


@pytest.fixture
def image_data(tmp_path):
    """Episodes whose cameras are recorded as image_top and image_wrist."""
    return write_rlds(tmp_path / "data", name="made", episodes={"train": family_episodes("smolvla")})


def test_an_empty_camera_is_not_looked_for_in_the_recording(image_data, tmp_path):
    cameras = ("top", "wrist", "empty_camera_0")
    policy = open_policy(str(drawn_policy(tmp_path / "policy", "smolvla", cameras=cameras, empty_cameras=1)))
    assert set(policy.needs.cameras) == {"top", "wrist"}
    source = open_for(policy, str(image_data), Given())
    assert source.cameras == {"top": "image_top", "wrist": "image_wrist"}
    assert doctor(DoctorOptions(str(tmp_path / "policy"))).ok


def recorded(keys, *, usual):
    """Reads a dataset of these image keys; `usual` is what is taken where nothing is asked for, None where that cannot be told."""

    def read(*, cameras):
        if cameras is None and usual is None:
            raise EpisodeError("records several images")
        chosen = usual if cameras is None else cameras
        if not set(chosen.values()) <= set(keys):
            raise EpisodeError("records no such image")
        return EpisodeSource("made", "train", ("train",), chosen, 1, [].__getitem__)

    return read


@pytest.mark.parametrize(
    ("wanted", "renames", "keys", "usual", "expected"),
    [
        # One camera of two is recorded.
        (("top", "side"), {}, ("image_top", "other"), {"primary": "other"}, {"top": "image_top"}),
        # The usual choice fails, or gives one under a policy's name and the other not.
        (("left", "right"), {}, ("left", "right"), None, {"left": "left", "right": "right"}),
        (("top", "wrist"), {}, ("a", "image_top"), {"wrist": "a"}, {"wrist": "a", "top": "image_top"}),
        # A rename map tells the recorded name; what has the policy's own name comes before it.
        (
            ("top",),
            {"laptop": "top"},
            ("observation.images.laptop", "b"),
            None,
            {"laptop": "observation.images.laptop"},
        ),
        (("top",), {"laptop": "top"}, ("top", "laptop"), None, {"top": "top"}),
        # Nothing is known of them: `bind` asks.
        (("top",), {}, ("image_0",), {"primary": "image_0"}, {"primary": "image_0"}),
    ],
)
def test_as_many_cameras_as_are_recorded_are_found(wanted, renames, keys, usual, expected):
    needs = PolicyNeeds(dict.fromkeys(wanted, (32, 32)), renames=renames)
    assert open_recorded(needs, recorded(keys, usual=usual), None).cameras == expected
    with pytest.raises(EpisodeError, match="no such image"):
        open_recorded(needs, recorded(keys, usual=usual), {"top": "missing"})


def test_what_cannot_be_told_apart_is_said():
    needs = PolicyNeeds({"top": (32, 32)})
    with pytest.raises(EpisodeError, match="records several images"):
        open_recorded(needs, recorded(("a", "b"), usual=None), None)


def test_the_listing_says_what_a_policy_cannot_do_without(folders, tmp_path):
    whole = family_episodes("act", count=1)
    lacking = [dataclasses.replace(each, images={"top": each.images["top"]}) for each in whole]
    for name, kept, message in (("whole", whole, ""), ("lacking", lacking, "cannot do without wrist")):
        data = write_rlds(tmp_path, name=name, episodes={"train": kept})
        (entry,) = episodes(EpisodesOptions(str(data), policy=str(folders["act"]), no_pictures=True))
        assert message in entry.problem
        assert bool(entry.problem) == bool(message)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_usually_asked_leaves_every_token_something_to_look_at(policies, family):
    scene = StepScene.at(policies[family], family_episodes(family, count=1)[0], 1)
    masked = [each.camera for each in usual_interventions(scene) if isinstance(each, MaskKeys) and each.camera]
    # Key points look at their picture alone.
    assert masked == ([] if family == "diffusion" else ["top", "wrist"])


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_belongs_to_one_part_that_is_drawn_anew(folders, policies, family):
    policy = policies[family]
    params = policy.params if family == "diffusion" else policy.model.params
    patterns = [pattern for _, pattern in policy._parts]
    for path in traverse_util.flatten_dict(dict(params), sep="/"):
        assert sum(bool(re.fullmatch(pattern, path)) for pattern in patterns) == 1, path
    inputs = StepScene.at(policy, family_episodes(family, count=1)[0], 1).inputs
    learnt = policy.act([inputs], Noise(0, 1))[0]
    # From the action back, each part changes what it does.
    seen = [learnt]
    for count in (1, len(patterns)):
        drawn = policy.redrawn(policy.stages[:count], seed=3)
        actions = drawn.act([inputs], Noise(0, 1))[0]
        assert np.isfinite(actions).all()
        assert all(np.abs(actions - other).max() > 1e-4 for other in seen)
        seen.append(actions)
    whole = open_policy(str(folders[family]), OpenOptions(random_weights=3))
    np.testing.assert_array_equal(whole.act([inputs], Noise(0, 1))[0], seen[-1])
    assert whole.card.note.endswith("Drawn anew: all weights (seed 3, draw 0).")
    assert len({policy.digest(), whole.digest(), policy.redrawn(policy.stages, seed=4).digest()}) == 3
    with pytest.raises(SelectionError, match=f"Did you mean '{policy.stages[-1]}'"):
        policy.redrawn([policy.stages[-1] + "s"], seed=0)


@pytest.mark.parametrize("family", [each for each in FAMILIES if each not in FLOW])
def test_a_policy_without_words_says_so_before_others_are_looked_for(policies, family, tmp_path):
    opened = Opened(policies[family], family_episodes(family, count=1))
    with pytest.raises(ObservationError, match="takes no words"):
        language(LanguageOptions("made", "made", output=tmp_path), opened=opened)


def test_a_check_that_cannot_be_made_is_refused_before_the_scores(tmp_path):
    class Unasked(ToyPolicy):
        def act(self, *arguments, **named):
            raise AssertionError("nothing is computed")

    episode = dataclasses.replace(family_episodes("smolvla", count=1)[0])
    episode = dataclasses.replace(episode, images={"primary": episode.images["top"]})
    with pytest.raises(SelectionError, match="weights drawn anew"):
        faithfulness(
            FaithfulnessOptions("made", "made", sanity=True, output=tmp_path), opened=Opened(Unasked(), [episode])
        )
