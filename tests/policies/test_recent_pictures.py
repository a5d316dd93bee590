"""Frames go through the vision encoder once, for everything that leaves them as they are."""

import jax.numpy as jnp
import numpy as np
import pytest

from octoscope.policies.parts.recent_pictures import RecentPictures


@pytest.fixture
def seen():
    return []


@pytest.fixture
def pictures(seen):
    def see(frame):
        seen.append(frame)
        return jnp.full((1, 1), -1.0 if frame is None else frame.sum())

    return RecentPictures(see)


def frame(number):
    return np.full((2, 2, 3), number, np.float32)


def test_a_frame_is_seen_once_while_others_change(pictures, seen):
    for number in range(20):
        assert pictures.of(frame(100)).item() == 1200
        assert pictures.of(frame(number)).item() == 12 * number
    assert len(seen) == 21


def test_a_missing_camera_is_seen_once(pictures, seen):
    assert pictures.of(None).item() == pictures.of(None).item() == -1
    assert seen == [None]


def test_a_frame_that_is_changed_in_place_is_seen_again(pictures, seen):
    changing = frame(1)
    assert pictures.of(changing).item() == 12
    changing[0, 0, 0] = 5
    assert pictures.of(changing).item() == 16
    assert len(seen) == 2


def test_only_a_few_are_kept(pictures, seen):
    for number in (*range(9), 0):
        pictures.of(frame(number))
    assert len(seen) == 10


def test_frames_of_other_sizes_are_others(pictures, seen):
    assert pictures.of(np.ones((1, 2, 3), np.float32)).item() == 6
    assert pictures.of(np.ones((2, 1, 3), np.float32)).item() == 6
    assert len(seen) == 2
