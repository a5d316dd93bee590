import pytest

from octoscope.episodes.cameras import CAMERAS, KNOWN_CAMERAS, choose_cameras
from octoscope.errors import EpisodeError

BRIDGE = ["image_0", "image_1", "image_2", "image_3"]


def test_known_datasets() -> None:
    assert choose_cameras("bridge_dataset", BRIDGE) == {"primary": "image_0", "secondary": "image_1"}
    assert choose_cameras("fractal20220817_data", ["image"]) == {"primary": "image"}
    assert choose_cameras("berkeley_gnm_recon", ["image"]) == {"wrist": "image"}
    assert choose_cameras("viola", ["agentview_rgb", "eye_in_hand_rgb"]) == {
        "primary": "agentview_rgb",
        "wrist": "eye_in_hand_rgb",
    }


def test_table_is_sound() -> None:
    for dataset, cameras in KNOWN_CAMERAS.items():
        assert cameras, dataset
        assert list(cameras) == [camera for camera in CAMERAS if camera in cameras], dataset
        assert len(set(cameras.values())) == len(cameras), dataset


def test_known_camera_that_was_not_recorded_is_left_out() -> None:
    assert choose_cameras("bridge_dataset", ["image_0"]) == {"primary": "image_0"}


def test_known_dataset_without_its_main_camera_is_treated_as_unknown() -> None:
    assert choose_cameras("bridge_dataset", ["image_1"]) == {"primary": "image_1"}
    with pytest.raises(EpisodeError, match="several images"):
        choose_cameras("bridge_dataset", ["image_1", "image_2"])


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["image_primary", "image_wrist", "other"], {"primary": "image_primary", "wrist": "image_wrist"}),
        (["primary", "wrist"], {"primary": "primary", "wrist": "wrist"}),
        (["wrist"], {"wrist": "wrist"}),
        (["left"], {"primary": "left"}),
    ],
)
def test_unknown_dataset(keys: list[str], expected: dict[str, str]) -> None:
    assert choose_cameras("my_robot", keys) == expected


def test_octos_own_spelling_goes_before_the_short_one() -> None:
    assert choose_cameras("my_robot", ["image_primary", "primary"]) == {"primary": "image_primary"}


def test_unclear_choice_lists_the_keys_and_says_how_to_choose() -> None:
    with pytest.raises(EpisodeError, match=r"left, right.\nPass cameras=\{\"primary\": \"left\"\} .*primary=left"):
        choose_cameras("my_robot", ["left", "right"])


def test_the_users_choice_is_taken_as_it_is() -> None:
    assert choose_cameras("bridge_dataset", BRIDGE, cameras={"wrist": "image_3"}) == {"wrist": "image_3"}


def test_unknown_key_offers_the_nearest() -> None:
    with pytest.raises(EpisodeError, match=r"no image 'imgae_0' to be camera 'primary'. Did you mean 'image_0'\?"):
        choose_cameras("bridge_dataset", BRIDGE, cameras={"primary": "imgae_0"})


def test_no_choice_and_no_images() -> None:
    with pytest.raises(EpisodeError, match="no camera was chosen"):
        choose_cameras("toto", ["image"], cameras={})
    with pytest.raises(EpisodeError, match="records no images"):
        choose_cameras("toto", [])


@pytest.mark.parametrize(
    ("dataset", "keys", "expected"),
    [
        (
            "droid",
            ["exterior_image_1_left", "exterior_image_2_left", "wrist_image_left"],
            {"primary": "exterior_image_1_left", "secondary": "exterior_image_2_left", "wrist": "wrist_image_left"},
        ),
        ("libero_spatial_no_noops", ["image", "wrist_image"], {"primary": "image", "wrist": "wrist_image"}),
        ("mine", ["images/front", "images/wrist"], {"primary": "images/front", "wrist": "images/wrist"}),
        ("mine", ["front", "image", "top"], {"primary": "image"}),
        ("aloha_static_dataset", ["cam_high", "cam_left_wrist", "cam_low", "cam_right_wrist"],
         {"primary": "cam_high", "secondary": "cam_low", "wrist": "cam_right_wrist"}),
    ],
)  # fmt: skip
def test_usual_names(dataset: str, keys: list[str], expected: dict[str, str]) -> None:
    assert choose_cameras(dataset, keys) == expected


def test_one_key_beside_a_wrist_is_the_main_camera_and_of_several_none_is() -> None:
    assert choose_cameras("mine", ["left", "wrist_image"]) == {"primary": "left", "wrist": "wrist_image"}
    with pytest.raises(EpisodeError, match="none is known to be the main camera"):
        choose_cameras("mine", ["left", "right", "wrist_image"])
