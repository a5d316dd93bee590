import numpy as np
import pytest

from octoscope.episodes.image_codec import encode_png
from octoscope.episodes.rlds_cameras import array_image_paths, image_paths
from octoscope.episodes.rlds_episode import episode_from_example
from octoscope.episodes.rlds_features import Feature
from octoscope.episodes.rlds_values import Example
from octoscope.errors import EpisodeError

BLACK, WIDE = (encode_png(np.zeros(shape, np.uint8)) for shape in [(4, 6, 3), (4, 8, 3)])
IMAGE = "steps/observation/image"


def example(**values: object) -> Example:
    stored = {path.replace("__", "/"): value for path, value in values.items()}
    return {"steps/is_first": np.array([1, 0]), IMAGE: [BLACK, BLACK], **stored}


def read(stored: Example, *, declared: dict[str, Feature] | None = None, camera: str = IMAGE):
    return episode_from_example(stored, declared=declared or {}, cameras={"primary": camera}, name="x/0", dataset="x")


def test_names_and_arrays() -> None:
    episode = read(
        example(
            steps__action=np.arange(4, dtype=np.float32),
            steps__observation__state=np.arange(2),
            steps__reward=np.zeros(2, np.float32),
            steps__is_last=np.array([0, 1]),
            episode_metadata__seed=np.array([5]),
        )
    )
    assert (episode.name, episode.dataset, len(episode)) == ("x/0", "x", 2)
    assert episode.images["primary"].shape == (2, 4, 6, 3)
    assert episode.actions is not None
    assert episode.actions.tolist() == [[0, 1], [2, 3]]
    assert sorted(episode.extras) == ["reward", "state"]


def test_without_actions_and_words() -> None:
    episode = read(example())
    assert episode.actions is None
    assert episode.instruction == ""
    assert episode.extras == {}


def test_action_of_one_number_and_of_integers() -> None:
    episode = read(example(steps__action=np.array([3, 4])))
    assert episode.actions is not None
    assert episode.actions.tolist() == [[3.0], [4.0]]


def test_action_in_parts_stays_in_extras() -> None:
    episode = read(example(steps__action__world_vector=np.zeros(6, np.float32)))
    assert episode.actions is None
    assert episode.extras["action/world_vector"].shape == (2, 3)


def test_action_of_two_axes_stays_in_extras() -> None:
    declared = {"steps/action": Feature("tensor", (2, 7), "float32")}
    episode = read(example(steps__action=np.zeros(28, np.float32)), declared=declared)
    assert episode.actions is None
    assert episode.extras["action"].shape == (2, 2, 7)


def test_extras_of_the_same_name_keep_their_prefix() -> None:
    episode = read(example(steps__state=np.zeros(2, np.float32), steps__observation__state=np.ones(4, np.float32)))
    assert {name: array.shape for name, array in episode.extras.items()} == {
        "state": (2,),
        "observation/state": (2, 2),
    }


def test_declared_value_that_is_not_stored_is_left_out() -> None:
    assert read(example(), declared={"steps/reward": Feature("tensor", (), "float32")}).extras == {}


@pytest.mark.parametrize(
    ("path", "stored", "expected"),
    [
        ("steps/language_instruction", [b"", b" ", b"lift", b"drop"], "lift"),
        ("steps/language_instruction/ragged_flat_values", [b"lift"], "lift"),
        ("steps/observation/natural_language_instruction", [b"lift", b"lift"], "lift"),
        ("episode_metadata/language_instruction", ["größer".encode()], "größer"),
        ("steps/language_instruction", [b"\xfflift"], "\ufffdlift"),
        ("steps/language_instruction", np.array([1, 2]), ""),
    ],
)
def test_instruction(path: str, stored: object, expected: str) -> None:
    rows = {"steps/language_instruction/ragged_row_lengths_0": np.array([1, 0])} if "ragged" in path else {}
    assert read({**example(), path: stored, **rows}).instruction == expected


def test_empty_instruction_of_the_step_gives_way_to_the_observations() -> None:
    stored = example(
        steps__language_instruction=[b"", b""], steps__observation__natural_language_instruction=[b"lift", b"lift"]
    )
    assert read(stored).instruction == "lift"


def test_image_paths_are_colour_images_of_steps() -> None:
    features = {
        "steps/observation/rgb": Feature("image", (4, 4, 3), "uint8"),
        "steps/observation/depth": Feature("image", (4, 4, 1), "float32"),
        "steps/observation/state": Feature("tensor", (4,), "float32"),
        "steps/image": Feature("image", (4, 4, 3), "uint8"),
        "episode_metadata/preview": Feature("image", (4, 4, 3), "uint8"),
    }
    assert image_paths(features) == {"image": "steps/image", "rgb": "steps/observation/rgb"}


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([BLACK], "image 'image' has 1 frames for 2 steps"),
        ([BLACK, WIDE], r"image 'image' must keep its \(height, width\) .* \[\(4, 6\), \(4, 8\)\]"),
        ([BLACK, b"text"], "image 'image', step 1: an encoded image must be JPEG or PNG, got 4 bytes"),
        ([BLACK, BLACK[:45]], "image 'image', step 1: a PNG image of 45 bytes cannot be decoded"),
    ],
)
def test_images_that_are_no_film(frames: list[bytes], message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        read({**example(), IMAGE: frames})


def test_missing_image() -> None:
    with pytest.raises(EpisodeError, match="image 'wrist' has 0 frames for 2 steps"):
        read(example(), camera="steps/observation/wrist")


def test_only_the_chosen_images_are_decoded() -> None:
    assert list(read(example(steps__observation__broken=[b"\xff\xd8\xff", b""])).images) == ["primary"]


def code_points(text: str, *, length: int = 12) -> np.ndarray:
    """Returns two rows of letters as numbers, filled with zeros."""
    row = np.array([*map(ord, text)] + [0] * (length - len(text)))
    return np.concatenate([row, row])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"steps/observation/instruction": code_points("push größer")}, "push größer"),
        ({"steps/observation/instruction": code_points("推 star")}, "推 star"),
        ({"steps/observation/instruction": np.arange(24)}, ""),
        ({"steps/observation/instruction": code_points("")}, ""),
        ({"steps/observation/instruction": np.full(24, 0x110000)}, ""),
        ({"steps/language_instruction": [b""] * 2, "steps/language_instruction_2": [b"lift"] * 2}, "lift"),
        ({"steps/language_instruction_3": [b"drop"] * 2, "steps/language_instruction_2": [b""] * 2}, "drop"),
        ({"steps/instruction": [b"lift"] * 2}, "lift"),
        ({"steps/task": [b"lift"] * 2}, "lift"),
        ({"language_instruction": [b"lift"]}, "lift"),
        # An instruction wins over another wording wherever it lies.
        ({"episode_metadata/language_instruction": [b"lift"], "steps/task": [b"drop"] * 2}, "lift"),
    ],
)
def test_words_wherever_they_are(values: Example, expected: str) -> None:
    assert read({**example(), **values}).instruction == expected


def test_an_episode_without_words_names_its_text_fields() -> None:
    episode = read(example(steps__caption=[b"lift the cup"] * 2, episode_metadata__file=[b"/robot/a" * 9]))
    assert episode.remarks == (
        "No instruction was found; text is recorded in episode_metadata/file ('/robot/a/robot/a/robot/a/robot/a/robo...'), "
        "steps/caption ('lift the cup').",
    )
    assert read(example()).remarks == ("No instruction was found; no text is recorded.",)
    assert read(example(steps__task=[b"lift"] * 2)).remarks == ()


WRIST = "steps/observation/wrist"


def test_a_camera_that_recorded_nothing_is_left_out_with_a_remark() -> None:
    stored = {**example(steps__task=[b"lift"] * 2), WRIST: [b"", b""]}
    cameras = {"primary": IMAGE, "wrist": WRIST}
    episode = episode_from_example(stored, declared={}, cameras=cameras, name="x/0", dataset="x", asked=False)
    assert list(episode.images) == ["primary"]
    assert episode.remarks == ("Camera 'wrist' is left out: its image 'wrist' is empty at all 2 steps.",)
    with pytest.raises(EpisodeError, match="image 'wrist' is empty at all 2 steps: nothing was recorded"):
        episode_from_example(stored, declared={}, cameras=cameras, name="x/0", dataset="x")
    with pytest.raises(EpisodeError, match="no camera recorded anything"):
        episode_from_example(stored, declared={}, cameras={"wrist": WRIST}, name="x/0", dataset="x", asked=False)
    for asked in (True, False):
        half = {**stored, WRIST: [BLACK, b""]}
        with pytest.raises(EpisodeError, match=r"'wrist' is empty at 1 of 2 steps \(the first is step 1\)"):
            episode_from_example(half, declared={}, cameras=cameras, name="x/0", dataset="x", asked=asked)


def test_images_stored_as_tensors() -> None:
    declared = {
        "steps/observation/front": Feature("tensor", (2, 3, 3), "uint8"),
        "steps/observation/depth_front": Feature("tensor", (2, 3, 3), "uint8"),
        "steps/observation/state": Feature("tensor", (2, 3, 3), "float32"),
    }
    path = "steps/observation/front"
    assert array_image_paths(declared) == {"front": path}
    pixels = np.arange(36)
    episode = read({"steps/is_first": np.array([1, 0]), path: pixels}, declared=declared, camera=path)
    np.testing.assert_array_equal(episode.images["primary"], pixels.reshape(2, 2, 3, 3))
    assert "front" not in episode.extras
