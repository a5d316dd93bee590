"""Nearest patches, labels under patches, position embeddings, lengths and change, on cases small enough to see through."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from octoscope.encodings.nearest_patches import PatchPlace, cosine_to, nearest_patches
from octoscope.encodings.neighbor_table import neighbor_table
from octoscope.encodings.patch_labels import largest_objects, patch_coverages, probe_labels
from octoscope.encodings.position_similarity import position_order, position_similarity
from octoscope.encodings.residual_norms import local_detail, residual_norms
from octoscope.encodings.window_change import window_change


@pytest.fixture
def episodes():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(steps, 2, 3, 5)).astype(np.float32) for steps in (4, 2)]


def slow_neighbors(episodes, place, subtract=0.0):
    """All patches of other frames with their cosine, best first."""
    wanted = (episodes[place.episode] - subtract)[place.step, place.row, place.column]
    found = []
    for episode, held in enumerate(episodes):
        for step, row, column in np.ndindex(held.shape[:3]):
            if (episode, step) != (place.episode, place.step):
                other = (held - subtract)[step, row, column]
                cosine = other @ wanted / np.linalg.norm(other) / np.linalg.norm(wanted)
                found.append((float(cosine), PatchPlace(episode, step, row, column)))
    return sorted(found, key=lambda pair: -pair[0])


def test_neighbours_are_those_of_a_search_one_by_one(episodes):
    place = PatchPlace(0, 1, 1, 2)
    found = nearest_patches(episodes, place, count=9, one_per="patch")
    known = slow_neighbors(episodes, place)[:9]
    assert [neighbor.place for neighbor in found] == [where for _, where in known]
    np.testing.assert_allclose([neighbor.cosine for neighbor in found], [cosine for cosine, _ in known], rtol=1e-6)
    assert [n.same_cell for n in found] == [(n.place.row, n.place.column) == (1, 2) for n in found]


def test_one_per_frame_and_one_per_episode_keep_the_best(episodes):
    place = PatchPlace(0, 1, 1, 2)
    known = slow_neighbors(episodes, place)
    frames = nearest_patches(episodes, place, count=99)
    assert len(frames) == 5
    assert len({(n.place.episode, n.place.step) for n in frames}) == 5
    assert frames[0].place == known[0][1]
    by_episode = nearest_patches(episodes, place, count=99, one_per="episode")
    assert sorted(n.place.episode for n in by_episode) == [0, 1]
    others = nearest_patches(episodes, place, count=99, other_episodes=True)
    assert {n.place.episode for n in others} == {1}


@pytest.mark.parametrize("without_position", [False, True])
@pytest.mark.parametrize("other_episodes", [False, True])
def test_a_table_of_neighbours_holds_those_of_each_patch(episodes, without_position, other_episodes):
    frames = np.concatenate(episodes).reshape(6, 6, 5)
    owner = np.array([0, 0, 0, 0, 1, 1])
    chosen = {"without_position": without_position, "other_episodes": other_episodes}
    table = neighbor_table(frames, owner, [1, 5], count=3, **chosen)
    for place, (episode, step) in enumerate([(0, 1), (1, 1)]):
        for cell in range(6):
            asked = PatchPlace(episode, step, *divmod(cell, 3))
            one_per = "episode" if other_episodes else "frame"
            known = nearest_patches(episodes, asked, count=3, one_per=one_per, **chosen)
            wanted = [(n.place.step + 4 * n.place.episode, 3 * n.place.row + n.place.column) for n in known]
            wanted += [(-1, -1)] * (3 - len(wanted))
            got = zip(table.frames[place, cell].tolist(), table.cells[place, cell].tolist(), strict=True)
            assert list(got) == wanted
            np.testing.assert_allclose(table.cosines[place, cell][: len(known)], [n.cosine for n in known], atol=1e-6)


def test_without_position_a_shared_place_makes_nobody_alike(episodes):
    marked = [each + 100 * np.eye(6, 5).reshape(2, 3, 5).astype(np.float32) for each in episodes]
    place = PatchPlace(0, 0, 0, 0)
    assert all(neighbor.same_cell for neighbor in nearest_patches(marked, place))
    mean = np.concatenate(episodes).mean(axis=0)
    best = nearest_patches(marked, place, without_position=True, one_per="patch", count=1)[0]
    assert best.place == slow_neighbors(episodes, place, mean)[0][1]


def test_memory_order_of_the_encodings_changes_nothing(episodes):
    turned = [np.ascontiguousarray(each.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0) for each in episodes]
    place = PatchPlace(1, 0, 0, 1)
    assert nearest_patches(turned, place) == nearest_patches(episodes, place)


@pytest.mark.parametrize("place", [(0, 9, 0, 0), (2, 0, 0, 0), (0, 0, -1, 0), (-1, 0, 0, 0), (1, 0, 0, 3)])
def test_a_patch_that_is_not_there_is_refused(episodes, place):
    with pytest.raises(ValueError, match="must lie in"):
        nearest_patches(episodes, PatchPlace(*place))


def test_grids_that_differ_are_refused(episodes):
    with pytest.raises(ValueError, match="one grid"):
        nearest_patches([episodes[0], episodes[1][:, :1]], PatchPlace(0, 0, 0, 0))


def test_an_encoding_without_length_is_like_nothing():
    assert cosine_to(np.zeros((2, 3)), np.ones(3)).tolist() == [0, 0]


def test_coverage_of_cells_that_do_not_fill_the_frame():
    mask = np.array([[[1, 1, 2, 2, 3], [1, 0, 2, 2, 3]]])
    found = patch_coverages(mask, box=(0.0, 0.0, 2.0, 4.0), grid=(1, 2), count=4)
    assert found[0, 0].tolist() == [[0.25, 0.75, 0, 0], [0, 0, 1, 0]]
    beyond = patch_coverages(mask, box=(0.0, 0.0, 2.0, 10.0), grid=(1, 2), count=4)
    assert beyond[0, 0, 1].tolist() == [0, 0, 0, 0]


def test_labels_of_background_objects_gripper_and_what_is_neither():
    coverages = np.array([[[[1, 0, 0, 0], [0.8, 0.2, 0, 0], [0.1, 0.5, 0.4, 0], [0, 0, 0.3, 0.7]]]])
    found = largest_objects(coverages)
    assert found[0, 0].tolist() == [0, -1, 1, 3]
    labels = probe_labels(found, objects=2, named=np.array([1]), kinds={"shape": np.array([[3, 2]])})
    assert labels["thing"][0, 0].tolist() == [0, -1, 1, 2]
    assert labels["named"][0, 0].tolist() == [-1, -1, 1, -1]
    assert labels["shape"][0, 0].tolist() == [-1, -1, 3, -1]
    assert (probe_labels(found, objects=2, named=np.array([0]))["named"] == -1).all()


def test_position_similarity_is_the_cosine_of_all_pairs():
    embeddings = np.random.default_rng(4).normal(size=(2, 3, 5))
    known = cosine_similarity(embeddings.reshape(6, 5))
    np.testing.assert_allclose(position_similarity(embeddings).reshape(6, 6), known, atol=1e-12)


def test_order_of_an_orderly_grid_and_of_none():
    rows, _ = np.indices((5, 5))
    rings = np.stack([np.cos(rows), np.sin(rows)], axis=-1)
    order = position_order(position_similarity(rings))
    assert order.same_row == pytest.approx(1.0)
    assert order.same_column < order.all_pairs < order.same_row
    noise = position_order(position_similarity(np.random.default_rng(0).normal(size=(5, 5, 400))))
    assert abs(noise.with_distance) < 0.2


def test_lengths_mark_what_is_beyond_the_stated_rule():
    encodings = np.zeros((2, 5, 1, 4, 3))
    encodings[..., 0] = 10 + np.array([-1.0, -0.5, 0.5, 1.0])
    encodings[1, 2, 0, 3, 0] = 40
    found = residual_norms(encodings)
    # Median 10, median absolute deviation 0.75.
    np.testing.assert_allclose(found.limits, 10 + 6 * 1.4826 * 0.75)
    assert np.argwhere(found.outliers).tolist() == [[1, 2, 0, 3]]
    assert found.persistence()[1, 0].tolist() == [0, 0, 0, 0.2]
    assert "median + 6" in found.rule()
    assert residual_norms(encodings, deviations=0.5).outliers.mean() > 0.2


def test_detail_leaves_out_what_fills_no_patch():
    frame = np.array([[[0.0, 2.0, 5.0, 5.0, 99.0]]])
    assert local_detail(frame, grid=(1, 2)).tolist() == [[[1.0, 0.0]]]


def test_change_within_the_window_is_relative_and_missing_where_padded():
    encodings = np.zeros((1, 3, 2, 1, 2, 2))
    encodings[..., 0, :] = [1, 0]
    encodings[..., 1, :] = [0, 1]
    # At step 1 the first cell turns by a right angle and the second grows.
    encodings[0, 1, 1, 0] = [[0, 1], [0, 3]]
    real = np.array([[False, True], [True, True], [True, True]])
    found = window_change(encodings, real)
    assert found.padded.tolist() == [True, False, False]
    assert np.isnan(found.relative[0, 0]).all()
    assert np.isnan(found.cosine[0, 0]).all()
    np.testing.assert_allclose(found.relative[0, 1, 0], [np.sqrt(2), 1.0])
    np.testing.assert_allclose(found.cosine[0, 1, 0], [0.0, 1.0])
    assert (found.relative[0, 2] == 0).all()
    # Two patches at right angles at steps 0 and 2, of lengths 1 and 3 in one direction at step 1.
    assert found.apart[0] == pytest.approx((2 * np.sqrt(2) + 1) / 3)
    with pytest.raises(ValueError, match="two timesteps"):
        window_change(encodings[:, :, :1], real[:, :1])
