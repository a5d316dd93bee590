import pickle
from functools import partial

import numpy as np
import pytest

from octoscope.episodes.frames.encoded import encoded_frames
from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.image_codec import encode_png
from octoscope.errors import EpisodeError

PICTURES = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3), np.uint8)


def read(calls: list[tuple[int, int]], start: int, stop: int) -> np.ndarray:
    calls.append((start, stop))
    return PICTURES[start:stop]


def frames(*, block: int = 1, cache_bytes: int = 10_000) -> tuple[Frames, list[tuple[int, int]]]:
    calls: list[tuple[int, int]] = []
    return Frames(partial(read, calls), shape=PICTURES.shape, block=block, cache_bytes=cache_bytes), calls


INDICES = [
    3,
    -1,
    np.int64(2),
    np.array(4),
    slice(None),
    slice(2, 5),
    slice(None, None, -1),
    slice(6, 1, -2),
    slice(5, 2),
    slice(0, 99),
    [2, 0, 2],
    [],
    np.array([[0, 1], [6, -1]]),
    np.arange(7) % 2 == 0,
    np.random.default_rng(1).random((7, 4)) > 0.5,
    Ellipsis,
    None,
    (2, slice(1, 3)),
    (slice(1, 3), slice(None, None, -1)),
    ([0, 3], [1, 2]),
    (Ellipsis, 0),
    (3, Ellipsis, 1),
    (slice(None), 0, 0),
]


@pytest.mark.parametrize("index", INDICES, ids=repr)
@pytest.mark.parametrize("block", [1, 3])
def test_an_index_gives_what_it_gives_of_an_array(index: object, block: int) -> None:
    lazy, _ = frames(block=block)
    np.testing.assert_array_equal(lazy[index], PICTURES[index])
    assert lazy[index].dtype == np.uint8


def test_it_looks_like_an_array() -> None:
    lazy, calls = frames()
    assert (lazy.shape, lazy.dtype, lazy.ndim, len(lazy), lazy.nbytes) == (
        (7, 4, 6, 3),
        np.uint8,
        4,
        7,
        PICTURES.nbytes,
    )
    assert (repr(lazy), calls) == ("Frames(shape=(7, 4, 6, 3))", [])
    np.testing.assert_array_equal(np.asarray(lazy), PICTURES)
    np.testing.assert_array_equal(np.stack(list(lazy)), PICTURES)
    np.testing.assert_array_equal(np.asarray(lazy, np.float32), PICTURES.astype(np.float32))
    np.testing.assert_array_equal(lazy / 255, PICTURES / 255)
    assert (lazy == PICTURES).all()
    assert (lazy.mean(), lazy.tobytes(), lazy.astype(int).max()) == (
        PICTURES.mean(),
        PICTURES.tobytes(),
        PICTURES.max(),
    )
    with pytest.raises(AttributeError, match=r"np\.asarray"):
        lazy.fill(0)
    with pytest.raises(ValueError, match="`copy` must not be False"):
        np.asarray(lazy, copy=False)


def test_only_what_is_asked_for_is_read_and_once() -> None:
    lazy, calls = frames()
    _ = lazy[5], lazy[5], lazy[[5, 2, 5]]
    assert calls == [(5, 6), (2, 3)]


def test_blocks_are_read_together_and_the_last_one_is_short() -> None:
    lazy, calls = frames(block=3)
    _ = lazy[1], lazy[2], lazy[6]
    assert calls == [(0, 3), (6, 7)]


def test_the_cache_is_bounded_and_holds_at_least_one_block() -> None:
    lazy, calls = frames(cache_bytes=2 * 72)
    _ = lazy[0], lazy[1], lazy[0], lazy[2], lazy[0], lazy[1]
    assert calls == [(0, 1), (1, 2), (2, 3), (1, 2)]
    lazy, calls = frames(cache_bytes=1)
    _ = lazy[0], lazy[0]
    assert calls == [(0, 1)]


def test_changing_what_was_given_changes_nothing_here() -> None:
    lazy, _ = frames()
    for index in (0, slice(0, 2), (0, slice(None))):
        lazy[index][...] = 0
    np.testing.assert_array_equal(lazy[:2], PICTURES[:2])


@pytest.mark.parametrize("index", [7, -8, [0, 7], np.array(7), 1.5, "a"])
def test_frames_that_are_not_there(index: object) -> None:
    lazy, calls = frames()
    with pytest.raises(IndexError):
        lazy[index]
    assert calls == []


def test_shapes_that_are_no_frames() -> None:
    with pytest.raises(ValueError, match="`shape` must be"):
        Frames(lambda start, stop: PICTURES, shape=(7, 4, 6, 1))


def test_frames_travel_to_other_processes() -> None:
    lazy = encoded_frames([encode_png(picture) for picture in PICTURES], name="wrist")
    _ = lazy[0]
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(lazy))), PICTURES)


def test_many_encoded_pictures_leave_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octoscope.episodes.frames.encoded._MOST_IN_MEMORY", 100)
    lazy = encoded_frames([encode_png(picture) for picture in PICTURES], name="wrist")
    for index in (5, 0, slice(None, None, -1)):
        np.testing.assert_array_equal(lazy[index], PICTURES[index])
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(lazy))), PICTURES)


def test_a_full_temporary_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("octoscope.episodes.frames.encoded._MOST_IN_MEMORY", 100)
    monkeypatch.setattr("tempfile.TemporaryFile", no_room)
    with pytest.raises(EpisodeError, match=r"image 'wrist': .*No space left on device.*TMPDIR"):
        encoded_frames([encode_png(picture) for picture in PICTURES], name="wrist")


def test_a_damaged_picture_is_named_when_it_is_asked_for() -> None:
    good = encode_png(PICTURES[0])
    lazy = encoded_frames([good, good[:60]], name="wrist")
    np.testing.assert_array_equal(lazy[0], PICTURES[0])
    with pytest.raises(EpisodeError, match=r"image 'wrist', step 1: a PNG image of .* cannot be decoded"):
        lazy[1]
