"""A camera that a policy's example batch has and no tokenizer reads: not given, and said so everywhere."""

import jax
import numpy as np
import pytest

from octo_given import bound_to
from octoscope.capture.attend import attend
from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError
from octoscope.policies.octo.checkup import examine_checkpoint
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.observation_keys import unread_images
from octoscope.studies.doctor import checkup_lines
from octoscope.views.attention_sheet import describe_run
from small_policies import small_batch, small_config, write_policy

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    batch = small_batch()
    observation = batch["observation"]
    observation["image_wrist"] = observation["image_primary"]
    observation["pad_mask_dict"]["image_wrist"] = observation["pad_mask_dict"]["image_primary"]
    return write_policy(tmp_path_factory.mktemp("policy") / "ckpt", small_config(), batch)


@pytest.fixture(scope="module")
def model(folder):
    return OctoModel.load_pretrained(folder)


def episode(*cameras: str) -> Episode:
    return Episode(dict.fromkeys(cameras, FRAMES), instruction="", actions=None, name="e", dataset="d", extras={})


def test_doctor_lists_only_the_cameras_that_are_looked_through(folder):
    checkup = examine_checkpoint(folder)
    assert checkup.facts["cameras"] == {"primary": "32 x 32"}
    assert checkup.facts["not looked through"] == ["wrist"]
    lines = "\n".join(checkup_lines(checkup))
    assert "image_wrist, which no tokenizer reads: the policy looks through primary" in " ".join(lines.split())


def test_it_is_not_given_and_the_run_and_its_pictures_say_so(model):
    run = attend(model, episode("primary", "wrist"), steps=[0])
    assert set(run.manifest["observations"]["given"]) == {"image_primary"}
    assert run.manifest["observations"]["unread"] == ["wrist"]
    assert set(run.manifest["transforms"]) == {"primary"}
    assert "not given: wrist, which no tokenizer of the policy reads" in describe_run(run)
    # Without that camera the policy does the very same, and nothing is said of it.
    alone = attend(model, episode("primary"), steps=[0])
    assert "unread" not in alone.manifest["observations"]
    jax.tree.map(np.testing.assert_array_equal, run.actions, alone.actions)


def test_an_episode_of_only_that_camera_is_refused_with_both_lists(model):
    with pytest.raises(
        EpisodeError, match=r"looks through primary, but the episode has wrist \(wrist: read by no tokenizer"
    ):
        bound_to(model, episode("wrist"))
    remarks = bound_to(model, episode("primary", "wrist")).plan.remarks
    assert list(remarks) == [
        "Not given to the policy: wrist, which no tokenizer of it reads (it looks through primary)."
    ]


def test_patterns_and_lists_of_keys_count_as_reading(model):
    tokenizers = model.module.octo_transformer.observation_tokenizers
    assert unread_images(tokenizers, ["image_primary", "image_wrist", "proprio"]) == ["image_wrist"]
