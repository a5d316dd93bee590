"""Whether the ACT that ships does what its card says, on a few scenes and steps."""

import json

import numpy as np
import pytest

from factory.act.card import write_model_card
from factory.act.closed_loop import cross_weights, normalized_chunks, pick_up
from factory.act.episodes import first_moments
from factory.act.scores import COVER_SEED, EPISODE_SEEDS, score_covering, score_heads
from factory.act.shape import CAMERA_FEATURE
from octoscope.embedded.files import policy_directory
from octoscope.policies.act.model import ActModel
from octoscope.policies.lerobot_folder.features import STATE


@pytest.fixture(scope="module")
def shipped():
    return ActModel.load_pretrained("demo-act")


@pytest.fixture(scope="module")
def card_scores():
    return json.loads((policy_directory("demo-act") / "scores.json").read_text())


def test_the_policy_that_ships_lifts_the_red_object_as_often_as_its_card_says(renderer, shipped, card_scores):
    said = next(row for row in card_scores["closed_loop"] if row["chunks"] == 4 and row["seed"] == EPISODE_SEEDS[0])
    came = pick_up(shipped, episodes=10, seed=EPISODE_SEEDS[0], steps=20)
    # Fewer steps and episodes than the card's: two more failures than it expects are none that it denies.
    assert came.lifted.sum() >= np.floor(10 * said["lifted"][0]) - 2
    assert came.row()["lifted"][0] == came.lifted.mean()
    assert came.red_first.sum() >= np.floor(10 * said["red_first"][0]) - 2


def test_covering_the_red_object_does_what_the_card_says(renderer, shipped, card_scores):
    scenes = first_moments(renderer, count=10, seed=COVER_SEED)
    for row, said in zip(score_covering(shipped, scenes), card_scores["covering"], strict=True):
        assert row["fill"] == said["fill"]
        assert row["ratio"] > said["ratio"] / 3 > 1


def test_heads_point_as_the_card_says(renderer, shipped, card_scores):
    scenes = first_moments(renderer, count=20, seed=COVER_SEED)
    rows = {row["head"]: row for row in score_heads(shipped, scenes)}
    best = max(card_scores["heads"], key=lambda row: row["pointing"][0])
    assert rows[best["head"]]["pointing"][0] == pytest.approx(best["pointing"][0], abs=0.2)
    assert rows[best["head"]]["pointing"][0] > 5 * rows["by chance"]["pointing"][0]
    # By hand for one head: its row at the largest cell, against the mask.
    layer, head = map(int, best["head"].split("."))
    hits = []
    for scene in scenes:
        weights = cross_weights(shipped, np.asarray(scene.images["primary"]), scene.extras["state"])
        row, column = divmod(int(weights[0, layer, head, 0, 2:].argmax()), 8)
        red = (scene.extras["mask_primary"][0] == scene.extras["target_id"][0]).reshape(8, 16, 8, 16)
        hits.append(red[row, :, column].any())
    assert np.mean(hits) == rows[best["head"]]["pointing"][0]


def test_many_at_once_do_what_one_does(renderer, shipped):
    (scene,) = first_moments(renderer, count=1, seed=5)
    picture, hand = np.asarray(scene.images["primary"]), scene.extras["state"]
    inputs = shipped.inputs({CAMERA_FEATURE: picture[0]}, {STATE: hand[0]})
    chunks = normalized_chunks(shipped, np.repeat(picture, 2, axis=0), np.repeat(hand, 2, axis=0))
    np.testing.assert_allclose(chunks[1], shipped.act(inputs), atol=2e-5)


def test_the_card_that_ships_is_that_of_the_scores_that_ship(card_scores):
    card = (policy_directory("demo-act") / "README.md").read_text()
    facts = dict.fromkeys(("pictures", "samples", "hours", "batch", "parameters", "idle", "bytes", "field"), 0)
    written = write_model_card({**facts, "machine": "", "history": ""}, card_scores)
    assert card[card.index("## Scores") :] == written[written.index("## Scores") :]
    assert f"{(policy_directory('demo-act') / 'model.safetensors').stat().st_size:,} bytes" in card
