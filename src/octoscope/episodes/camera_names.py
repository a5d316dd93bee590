"""Names that cameras have in many datasets, for those that no table knows."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

# For each camera of a policy the names that it goes by, the likeliest first.
_WELL_KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "primary": (
            "agentview_image",
            "agentview_rgb",
            "cam_high",
            "image",
            "image_0",
            "images0",
            "top",
            "front",
            "exterior_image_1_left",
            "exterior_1_left",
            "ext1",
            "rgb_static",
        ),
        "secondary": (
            "cam_low",
            "image_1",
            "images1",
            "exterior_image_2_left",
            "exterior_2_left",
            "ext2",
            "image_additional_view",
        ),
        "wrist": (
            "robot0_eye_in_hand_image",
            "eye_in_hand_rgb",
            "cam_right_wrist",
            "wrist_image",
            "wrist_image_left",
            "wrist_left",
            "hand_image",
            "rgb_gripper",
            "wrist",
        ),
    }
)


def well_known_cameras(image_keys: Sequence[str]) -> dict[str, str]:
    """Returns the recorded image of each camera that goes by a well-known name.

    >>> well_known_cameras(["eye_in_hand_rgb", "agentview_rgb", "left"])
    {'primary': 'agentview_rgb', 'wrist': 'eye_in_hand_rgb'}
    """
    chosen = {
        camera: next((name for name in names if name in image_keys), None) for camera, names in _WELL_KNOWN.items()
    }
    return {camera: name for camera, name in chosen.items() if name is not None}


def is_depth(name: str) -> bool:
    """Returns whether an image is called a depth map.

    >>> is_depth("agentview_depth"), is_depth("depth_static"), is_depth("rgb_static")
    (True, True, False)
    """
    return "depth" in name.lower()
