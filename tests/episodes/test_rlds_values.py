import zlib

import numpy as np
import pytest

from octoscope.episodes.image_codec import encode_png
from octoscope.episodes.rlds_features import Feature
from octoscope.episodes.rlds_values import Example, count_steps, example_features, step_array, stored_value
from octoscope.errors import EpisodeError

SCALAR = Feature("tensor", (), "float32")
FLOATS = np.arange(6, dtype=np.float32)


def ragged(values: object, *lengths: list[int], path: str = "steps/x") -> Example:
    rows = {f"{path}/ragged_row_lengths_{level}": np.array(each) for level, each in enumerate(lengths)}
    return {f"{path}/ragged_flat_values": values, **rows}


@pytest.mark.parametrize(
    "example",
    [
        {"steps/is_last": np.array([0, 1]), "steps/x": np.zeros(14, np.float32)},
        {"steps/reward": [], "steps/discount": np.ones(2, np.float32)},
        {"steps/observation/image": [b"a", b"b"]},
        ragged(FLOATS, [4, 2]),
    ],
)
def test_count_steps(example: Example) -> None:
    assert count_steps(example) == 2


@pytest.mark.parametrize(
    ("example", "found"), [({}, "an empty record"), ({"label": np.array([1]), "image": [b"a"]}, "image, label")]
)
def test_record_that_is_no_episode(example: Example, found: str) -> None:
    with pytest.raises(EpisodeError, match=f"expected an RLDS episode with steps, got {found}"):
        count_steps(example)


def test_features_are_inferred_from_the_number_of_steps() -> None:
    png = encode_png(np.zeros((2, 2, 3), np.uint8))
    example = {
        "steps/is_first": np.array([1, 0]),
        "steps/action": np.zeros(14, np.float32),
        "steps/observation/image": [png, png],
        "steps/language_instruction": [b"lift", b"lift"],
        "episode_metadata/seed": np.array([1, 2, 3]),
        **ragged(FLOATS, [4, 2]),
        **ragged([b"a", b"b", b"c"], [1, 2], path="steps/words"),
    }
    assert example_features(example, declared={"steps/is_first": Feature("tensor", (), "bool")}) == {
        "steps/is_first": Feature("tensor", (), "bool"),
        "steps/action": Feature("tensor", (7,), "float32"),
        "steps/observation/image": Feature("image", (-1, -1, 3), "uint8"),
        "steps/language_instruction": Feature("text", (), "string"),
        "steps/x": SCALAR,
        "steps/words": Feature("text", (), "string"),
    }


def test_values_that_do_not_divide_into_steps() -> None:
    with pytest.raises(EpisodeError, match=r"'steps/x' holds 5 values, .* 2 steps. Put the dataset's features.json"):
        example_features({"steps/is_first": np.array([1, 0]), "steps/x": np.arange(5)}, declared={})


def test_shape_and_dtype_come_back() -> None:
    array = step_array({"x": np.arange(12)}, "x", Feature("tensor", (2, 3), "uint8"), steps=2)
    assert (array.shape, array.dtype) == ((2, 2, 3), np.uint8)
    assert array[1, 0].tolist() == [6, 7, 8]
    open_ended = step_array({"x": np.arange(12)}, "x", Feature("tensor", (-1, 3), "int32"), steps=2)
    assert open_ended.shape == (2, 2, 3)


@pytest.mark.parametrize(("encoding", "encode"), [("bytes", bytes), ("zlib", zlib.compress)])
def test_tensors_stored_as_bytes(encoding: str, encode: object) -> None:
    values = np.arange(4.0).reshape(2, 2) / 3
    stored = {"x": [encode(row.tobytes()) for row in values]}
    np.testing.assert_array_equal(
        step_array(stored, "x", Feature("tensor", (2,), "float64", encoding), steps=2), values
    )


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        (np.arange(5), Feature("tensor", (2,), "int32")),
        (np.arange(4), Feature("tensor", (2,), "float31")),
        ([b"no zlib", b"x"], Feature("tensor", (2,), "int32", "zlib")),
        ([], Feature("tensor", (2,), "int32")),
    ],
)
def test_values_that_do_not_fit(values: object, feature: Feature) -> None:
    with pytest.raises(EpisodeError, match=r"do not make 2 steps of .* Check that features.json belongs"):
        step_array({"x": values}, "x", feature, steps=2)


def test_ragged_values_become_one_array_a_step() -> None:
    rows = step_array(ragged(FLOATS, [1, 0, 2]), "steps/x", Feature("tensor", (2,), "float32"), steps=3)
    assert rows.dtype == object
    assert [row.tolist() for row in rows] == [[[0, 1]], [], [[2, 3], [4, 5]]]


def test_ragged_values_of_the_same_length_stay_one_array_a_step() -> None:
    rows = step_array(ragged(FLOATS, [3, 3]), "steps/x", SCALAR, steps=2)
    assert (rows.shape, rows.dtype) == ((2,), object)


def test_ragged_twice() -> None:
    rows = step_array(ragged(FLOATS, [2, 1], [1, 2, 3]), "steps/x", SCALAR, steps=2)
    assert [[inner.tolist() for inner in row] for row in rows] == [[[0], [1, 2]], [[3, 4, 5]]]


@pytest.mark.parametrize("lengths", [np.array([3, 4]), np.array([7, -1]), np.float32([3, 3]), []])
def test_ragged_lengths_that_do_not_add_up(lengths: object) -> None:
    example = {"steps/x/ragged_flat_values": FLOATS, "steps/x/ragged_row_lengths_0": lengths}
    with pytest.raises(EpisodeError, match="holds 6 rows, which its lengths do not add up to"):
        step_array(example, "steps/x", SCALAR, steps=2)


def test_ragged_values_of_length_none() -> None:
    rows = step_array(ragged([], [0, 0]), "steps/x", Feature("tensor", (3,), "float32"), steps=2)
    assert [row.shape for row in rows] == [(0, 3), (0, 3)]
    with pytest.raises(EpisodeError, match="0 rows for 2 steps"):
        step_array(ragged([], np.array([], int)), "steps/x", SCALAR, steps=2)


def test_ragged_rows_for_another_number_of_steps() -> None:
    with pytest.raises(EpisodeError, match="holds 2 rows for 3 steps"):
        step_array(ragged(FLOATS, [3, 3]), "steps/x", SCALAR, steps=3)


def test_nothing_stored() -> None:
    assert stored_value({}, "steps/x") is None


def test_a_number_that_its_dtype_cannot_hold_is_refused() -> None:
    for stored, dtype in [(np.array([300, 1]), "uint8"), (np.array([-1, 1]), "uint16"), (np.array([2, 1]), "bool")]:
        with pytest.raises(EpisodeError, match=f"a stored {stored[0]} is no {dtype}"):
            step_array({"steps/x": stored}, "steps/x", Feature("tensor", (), dtype), steps=2)
    with pytest.raises(EpisodeError, match="a stored nan is no int32"):
        step_array({"steps/x": np.array([np.nan, 1], np.float32)}, "steps/x", Feature("tensor", (), "int32"), steps=2)


def test_unknown_dtypes_are_refused() -> None:
    for dtype in ("complex64", "object", "V8", "f4,i4"):
        with pytest.raises(EpisodeError, match="known are bool, float16"):
            step_array({"steps/x": np.array([1, 2])}, "steps/x", Feature("tensor", (), dtype), steps=2)


def test_a_few_compressed_bytes_that_unfold_to_gigabytes() -> None:
    stream = zlib.compressobj(9)
    bomb = b"".join(stream.compress(bytes(2**20)) for _ in range(100)) + stream.flush()
    feature = Feature("tensor", (2**20, 100), "uint8", "zlib")
    with pytest.raises(EpisodeError, match="more than 100,663,296 bytes"):
        step_array({"steps/x": [bomb, bomb]}, "steps/x", feature, steps=2)
    with pytest.raises(EpisodeError, match="cut off"):
        step_array(
            {"steps/x": [zlib.compress(b"ab")[:-2]]}, "steps/x", Feature("tensor", (2,), "uint8", "zlib"), steps=1
        )
