import numpy as np
import pytest

from octoscope.episodes.image_codec import encode_png
from octoscope.episodes.rlds_episode import episode_from_example, image_paths
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
        ([BLACK, BLACK[:20]], "image 'image', step 1: a PNG image of 20 bytes cannot be decoded"),
    ],
)
def test_images_that_are_no_film(frames: list[bytes], message: str) -> None:
    with pytest.raises(EpisodeError, match=message):
        read({**example(), IMAGE: frames})


def test_a_damaged_picture_is_refused_when_it_is_asked_for() -> None:
    images = read({**example(), IMAGE: [BLACK, BLACK[:45]]}).images["primary"]
    assert images.shape == (2, 4, 6, 3)
    assert not images[0].any()
    with pytest.raises(EpisodeError, match="image 'image', step 1: a PNG image of 45 bytes cannot be decoded"):
        np.asarray(images)


def test_missing_image() -> None:
    with pytest.raises(EpisodeError, match="image 'wrist' has 0 frames for 2 steps"):
        read(example(), camera="steps/observation/wrist")


def test_only_the_chosen_images_are_decoded() -> None:
    assert list(read(example(steps__observation__broken=[b"\xff\xd8\xff", b""])).images) == ["primary"]
