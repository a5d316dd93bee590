"""The ACT that ships: it opens as any LeRobot folder, looks at the red object, and depends on it. Its episodes hold the truth."""

import json

import numpy as np
import pytest

import octoscope as osc
from octoscope.attention.maps import attention_maps
from octoscope.attention.query import find_query
from octoscope.attention.regions import patch_coverage
from octoscope.embedded.files import policy_directory
from octoscope.errors import EpisodeError
from octoscope.interventions.descriptions import CoverPixels
from octoscope.interventions.intervene import intervene
from octoscope.policies.bind import bind
from octoscope.policies.noise import Noise

# The head that points best on other scenes, as its card says.
LAYER, HEAD = 0, 0


@pytest.fixture(scope="module")
def act():
    return osc.open_policy("demo-act")


@pytest.fixture(scope="module")
def episodes():
    return list(osc.open_episodes("demo-act"))


def object_masks(episode, step):
    """The masks of the four objects, the red one first, two pixels grown."""
    ids = [int(episode.extras["target_id"][step])]
    ids += [number for number in (1, 2, 3, 4) if number not in ids]
    masks = [np.asarray(episode.extras["mask_primary"]) == number for number in ids]
    return masks


def test_it_opens_as_any_policy_and_takes_no_words(act):
    assert (act.card.name, act.card.family) == ("demo-act", "act")
    assert act.card.facts["remarks"] == []
    assert not act.needs.words
    assert dict(act.needs.cameras) == {"primary": (128, 128)}
    assert dict(act.needs.numbers) == {"state": (4,)}


def test_its_folder_is_small_and_holds_all_files_of_lerobots_layout():
    files = {path.name: path.stat().st_size for path in policy_directory("demo-act").iterdir()}
    assert sum(files.values()) < 1_000_000
    assert {
        "config.json",
        "model.safetensors",
        "policy_preprocessor.json",
        "policy_postprocessor.json",
        "README.md",
    } <= set(files)
    config = json.loads((policy_directory("demo-act") / "config.json").read_text())
    assert (config["type"], config["vision_backbone"]) == ("act", "resnet10_eighth")


def test_episodes_show_one_red_object_and_end_with_it_lifted(episodes):
    assert len(episodes) == 4
    for episode in episodes:
        target = int(episode.extras["target_id"][0]) - 1
        assert (np.flatnonzero(episode.extras["object_color"][0] == 0) == target).all()
        assert episode.extras["success"][-1]
        height = episode.extras["state"][:, 2]
        assert height[-1] > 0.1 > height.min()
        red = np.asarray(episode.images["primary"][0])[object_masks(episode, 0)[0][0]].astype(int)
        assert (red[:, 0] > 1.5 * red[:, 1:].max(axis=1)).mean() > 0.9


def test_it_would_do_what_the_expert_did(act, episodes):
    space = act.action_space("tabletop_red")
    assert space.units.labels() == ["x (m)", "y (m)", "z (m)", "gripper (0..1)"]
    errors = []
    for episode in episodes:
        bound = bind(act, episode)
        for step in range(len(episode)):
            inputs = bound.at(step)
            chunk = space.to_robot(act.act([inputs], Noise(0, step))[0], inputs)
            assert chunk is not None
            errors.append(np.abs(chunk[0] - episode.actions[step]))
    # Of a spread of 0.30, 0.24, 0.52 and 0.42.
    assert (np.mean(errors, axis=0) < (0.10, 0.12, 0.20, 0.10)).all()
    assert (np.median(errors, axis=0) < 0.1).all()


def test_it_depends_on_the_red_object_and_hardly_on_the_others(act, episodes):
    ratios = []
    for episode in episodes:
        covers = [CoverPixels("primary", mask, "surroundings") for mask in object_masks(episode, 0)]
        red, *others = (effect.size for effect in intervene(act, episode, 0, covers, noises=0, controls=0).effects)
        ratios.append(red / max(others))
    assert min(ratios) > 2


def test_its_attention_points_at_the_red_object(act, episodes, tmp_path):
    touched, covered = [], []
    for number, episode in enumerate(episodes):
        run = osc.attend(act, episode, tmp_path / f"{number}.zarr", steps=[0])
        (found,) = attention_maps(run, find_query(run.layout), step=0, layer=LAYER)
        assert found.named is not None
        coverage = patch_coverage(found.named, box=found.box, grid=found.weights.shape[1:])
        touched.append(coverage.ravel()[found.weights[HEAD].argmax()] > 0)
        covered.append((coverage > 0).mean())
    # In three of the four; by chance in one of ten.
    assert sum(touched) >= 3
    assert np.mean(covered) < 0.15


def test_episodes_without_its_state_are_refused_by_name(act):
    with pytest.raises(EpisodeError, match=r"reads 'state'.*--observation state=FIELD"):
        bind(act, osc.open_episodes("demo")[0])
