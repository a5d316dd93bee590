import numpy as np
import pytest

from factory.demo.model_card import write_model_card
from factory.demo.scores.occlusion import cover_pixels
from factory.demo.scores.pointing import hits, mass
from factory.demo.scores.scenes import draw_scenes
from factory.demo.tabletop_episodes import record_episode
from octoscope.studies.other_words import objects_in, with_words


@pytest.fixture(scope="module")
def scenes(renderer):
    return draw_scenes(6, seed=3)


def test_coverage_adds_up_to_the_objects_pixels(scenes):
    coverage = scenes.coverage(grid=8)
    for index in range(coverage.shape[1]):
        pixels = (scenes.mask_primary == index + 1).sum(axis=(1, 2))
        np.testing.assert_allclose(coverage[:, index].sum(axis=(1, 2)) * 16 * 16, pixels)


def test_both_instructions_name_objects_of_the_scene_but_not_the_same(scenes):
    assert (scenes.task.target != scenes.other_task.target).all()
    assert all(own != other for own, other in zip(scenes.instructions, scenes.other_instructions, strict=True))


def test_a_map_hits_where_its_largest_patch_touches_the_object_and_mass_is_its_part_there():
    coverage = np.zeros((2, 2, 2))
    coverage[:, 0, 1] = 0.5
    maps = np.array([[[0.1, 0.4], [0.2, 0.1]], [[0.5, 0.4], [0.0, 0.1]]])
    assert hits(maps, coverage).tolist() == [True, False]
    assert mass(maps, coverage) == pytest.approx([0.4 * 0.5 / 0.8, 0.4 * 0.5 / 1.0])


def test_covering_changes_the_object_and_two_pixels_around_and_nothing_else(scenes):
    hole = scenes.mask_primary == 1
    covered = cover_pixels(scenes.primary, hole, fill="grey")
    assert (covered[hole] == 127).all()
    changed = (covered != scenes.primary).any(axis=-1)
    for row in range(len(scenes)):
        rows, columns = np.nonzero(hole[row])
        away = np.ones_like(changed[row])
        away[max(0, rows.min() - 2) : rows.max() + 3, max(0, columns.min() - 2) : columns.max() + 3] = False
        assert not (changed[row] & away).any()


def test_a_recorded_episode_ends_well_and_its_masks_show_what_it_names(renderer):
    episode = record_episode(renderer, family=2, seed=77)
    assert episode.extras["success"][-1]
    assert not episode.extras["success"][0]
    target, reference = int(episode.extras["target_id"][0]), int(episode.extras["reference_id"][0])
    assert target != reference
    color = objects_in(episode)[target - 1][0]
    assert color in episode.instruction
    assert (episode.extras["mask_primary"][0] == target).any()
    other = next(kind for index, kind in enumerate(objects_in(episode)) if index + 1 != target)
    asked, remark = with_words(episode, f"pick up the {other[0]} {other[1]}")
    assert remark == ""
    assert objects_in(episode)[int(asked.extras["target_id"][0]) - 1] == other
    assert "success" not in asked.extras
    unread, remark = with_words(episode, "tidy up")
    assert "Nothing is outlined" in remark
    assert "target_id" not in unread.extras


def test_the_card_shows_every_score_it_was_given():
    pointing = [{"scenes": "all", "map": "2.1", "count": 9, "pointing": 0.75, "interval": (0.5, 0.9), "mass": 0.25}]
    effect = {"fill": "grey", "count": 8, "target": 3.0, "target_interval": (2.0, 4.0), "distractor": 1.0}
    effect |= {"distractor_interval": (0.5, 1.5), "ratio": 3.0}
    loop = {"setting": "as trained", "family": "push", "seed": 1, "episodes": 100, "named_goal": 0.12}
    loop |= {"original_goal": 0.12, "named_touched_first": 0.5, "other_touched_first": 0.25}
    scores = {
        "best_head": "2.1",
        "pointing": pointing,
        "pointing_held_out_wording": pointing,
        "switch": {"follows": 0.8, "stays": 0.05},
        "occlusion": [effect],
        "closed_loop": [loop],
    }
    facts = {
        "pairs": 1,
        "samples": 2,
        "visited": 5,
        "stages": ("3 examples", "4 examples with visits"),
        "hours": 0.5,
        "machine": "2 cores",
        "batch": 4,
        "parameters": 9,
    }
    card = write_model_card(facts, scores, compared=[("Without auxiliary losses", scores)])
    for shown in (
        "0.750 [0.500, 0.900, n = 9]",
        "80.0%",
        "5.0%",
        "| grey | 3.00 [2.00, 4.00, n = 8] | 1.00 [0.50, 1.50, n = 8] |",
        "| as trained | push | 1 | 100 | 0.12",
        "  2. 4 examples with visits",
    ):
        assert shown in card
    assert card.count("0.750") == 3
