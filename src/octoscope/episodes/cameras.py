"""Which recorded image of a dataset is which camera of the policy.

Datasets name their images as they like; a policy knows `primary` (a fixed view of the scene), `secondary` (another)
and `wrist` (a view from the gripper). For the Open X-Embodiment datasets the choice is the one Octo was trained with.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from octoscope.episodes.camera_names import well_known_cameras
from octoscope.errors import EpisodeError, nearest

CAMERAS = ("primary", "secondary", "wrist")


def choose_cameras(
    dataset: str, image_keys: Sequence[str], *, cameras: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Returns the recorded image key of each camera that the policy will see.

    Without `cameras`, the choice is the known one of the dataset; else the keys named like a camera
    ("image_wrist" before "wrist") or by well-known names, alone or as the last part ("agentview_rgb", "images/front"); else the
    only key that is left, as `primary`.

    Args:
      dataset: Name of the dataset ("bridge_dataset").
      image_keys: The images it records, without their "observation/" prefix.
      cameras: The choice of the user, recorded key by camera name; taken as it is.

    Raises:
      EpisodeError: If there are no images, a chosen key is not recorded, or the choice cannot be made for the user.

    Example:
      >>> choose_cameras("taco_play", ["depth_static", "rgb_gripper", "rgb_static"])
      {'primary': 'rgb_static', 'wrist': 'rgb_gripper'}
      >>> choose_cameras("my_robot", ["left", "right"], cameras={"primary": "left"})
      {'primary': 'left'}
    """
    if not image_keys:
        raise EpisodeError(f"{dataset} records no images, so there is nothing to look at. Choose another dataset.")
    if cameras is not None:
        return _checked(dataset, image_keys, cameras)
    chosen = _known(dataset, image_keys) or _by_name(image_keys)
    if chosen:
        return chosen
    raise EpisodeError(
        f"{dataset} records several images and none is known to be the main camera: {', '.join(image_keys)}.\n"
        f"{_how_to_choose(image_keys[0])}"
    )


def _checked(dataset: str, image_keys: Sequence[str], cameras: Mapping[str, str]) -> dict[str, str]:
    if not cameras:
        raise EpisodeError(f"no camera was chosen for {dataset}. {_how_to_choose(image_keys[0])}")
    for camera, key in cameras.items():
        if key not in image_keys:
            raise EpisodeError(
                f"{dataset} records no image '{key}' to be camera '{camera}'.{nearest(key, image_keys)} "
                f"It records: {', '.join(image_keys)}."
            )
    return dict(cameras)


def _known(dataset: str, image_keys: Sequence[str]) -> dict[str, str]:
    known = KNOWN_CAMERAS.get(dataset, {})
    # A dataset that shares the name but lacks the main camera was recorded otherwise: nothing is known about it.
    if next(iter(known.values()), None) not in image_keys:
        return {}
    return {camera: key for camera, key in known.items() if key in image_keys}


def _named(image_keys: Sequence[str]) -> dict[str, str]:
    return {camera: key for camera in CAMERAS for key in (camera, f"image_{camera}") if key in image_keys}


def _by_name(image_keys: Sequence[str]) -> dict[str, str]:
    by_part = {key.rpartition("/")[2]: key for key in reversed(image_keys)}
    names = {camera: by_part[name] for camera, name in well_known_cameras(list(by_part)).items()}
    names = (names if len(set(names.values())) == len(names) else {}) | _named(image_keys)
    if "primary" not in names:
        # A second view is one only beside a first.
        names.pop("secondary", None)
        others = [key for key in image_keys if key not in names.values()]
        if len(others) > 1:
            # Which of them is the main camera is the user's to say.
            return {}
        if others:
            names["primary"] = others[0]
    return {camera: names[camera] for camera in CAMERAS if camera in names}


def _how_to_choose(key: str) -> str:
    return f'Pass cameras={{"primary": "{key}"}} (command line: --cameras primary={key}).'


def _cameras(primary: str | None = None, secondary: str | None = None, wrist: str | None = None) -> Mapping[str, str]:
    keys = zip(CAMERAS, (primary, secondary, wrist), strict=True)
    return MappingProxyType({camera: key for camera, key in keys if key is not None})


_ONE_VIEW = _cameras("image")
_WRIST_ONLY = _cameras(wrist="image")
_WITH_WRIST_IMAGE = _cameras("image", wrist="wrist_image")
_WITH_HAND_IMAGE = _cameras("image", wrist="hand_image")

# The main camera comes first. Facts of the datasets, as Octo's training mixture configures them:
# https://github.com/octo-models/octo/blob/main/octo/data/oxe/oxe_dataset_configs.py
KNOWN_CAMERAS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "aloha_dagger_dataset": _cameras("cam_high", "cam_low", "cam_right_wrist"),
        "aloha_mobile_dataset": _cameras("cam_high", wrist="cam_right_wrist"),
        "aloha_static_dataset": _cameras("cam_high", "cam_low", "cam_right_wrist"),
        "asu_table_top_converted_externally_to_rlds": _ONE_VIEW,
        "austin_buds_dataset_converted_externally_to_rlds": _WITH_WRIST_IMAGE,
        "austin_sailor_dataset_converted_externally_to_rlds": _WITH_WRIST_IMAGE,
        "austin_sirius_dataset_converted_externally_to_rlds": _WITH_WRIST_IMAGE,
        "bc_z": _ONE_VIEW,
        "berkeley_autolab_ur5": _WITH_HAND_IMAGE,
        "berkeley_cable_routing": _cameras("image", "top_image", "wrist45_image"),
        "berkeley_fanuc_manipulation": _WITH_WRIST_IMAGE,
        "berkeley_gnm_cory_hall": _WRIST_ONLY,
        "berkeley_gnm_recon": _WRIST_ONLY,
        "berkeley_gnm_sac_son": _WRIST_ONLY,
        "berkeley_mvp_converted_externally_to_rlds": _cameras(wrist="hand_image"),
        "berkeley_rpt_converted_externally_to_rlds": _cameras(wrist="hand_image"),
        "bridge_dataset": _cameras("image_0", "image_1"),
        "cmu_franka_exploration_dataset_converted_externally_to_rlds": _cameras("highres_image"),
        "cmu_play_fusion": _ONE_VIEW,
        "cmu_playing_with_food": _cameras("image", wrist="finger_vision_1"),
        "cmu_stretch": _ONE_VIEW,
        "columbia_cairlab_pusht_real": _WITH_WRIST_IMAGE,
        "dlr_edan_shared_control_converted_externally_to_rlds": _ONE_VIEW,
        "dlr_sara_grid_clamp_converted_externally_to_rlds": _ONE_VIEW,
        "dlr_sara_pour_converted_externally_to_rlds": _ONE_VIEW,
        "dobbe": _cameras(wrist="wrist_image"),
        "fmb_dataset": _cameras("image_side_1", "image_side_2", "image_wrist_1"),
        "fractal20220817_data": _ONE_VIEW,
        "furniture_bench_dataset_converted_externally_to_rlds": _WITH_WRIST_IMAGE,
        "gnm_dataset": _ONE_VIEW,
        "iamlab_cmu_pickup_insert_converted_externally_to_rlds": _WITH_WRIST_IMAGE,
        "imperialcollege_sawyer_wrist_cam": _WITH_WRIST_IMAGE,
        "jaco_play": _cameras("image", wrist="image_wrist"),
        "kaist_nonprehensile_converted_externally_to_rlds": _ONE_VIEW,
        "kuka": _ONE_VIEW,
        "language_table": _cameras("rgb"),
        "maniskill_dataset_converted_externally_to_rlds": _WITH_WRIST_IMAGE,
        "mujoco_manip": _ONE_VIEW,
        "nyu_door_opening_surprising_effectiveness": _WRIST_ONLY,
        "nyu_franka_play_dataset_converted_externally_to_rlds": _cameras("image", "image_additional_view"),
        "nyu_rot_dataset_converted_externally_to_rlds": _ONE_VIEW,
        "rh20t": _cameras("image_front", "image_side_right", "image_wrist"),
        "robo_net": _cameras("image", "image1"),
        "roboset": _cameras("image_left", "image_right", "image_wrist"),
        "roboturk": _cameras("front_rgb"),
        "stanford_hydra_dataset_converted_externally_to_rlds": _WITH_WRIST_IMAGE,
        "stanford_kuka_multimodal_dataset_converted_externally_to_rlds": _ONE_VIEW,
        "stanford_mask_vit_converted_externally_to_rlds": _ONE_VIEW,
        "stanford_robocook_converted_externally_to_rlds": _cameras("image_1", "image_2"),
        "taco_play": _cameras("rgb_static", wrist="rgb_gripper"),
        "tokyo_u_lsmo_converted_externally_to_rlds": _ONE_VIEW,
        "toto": _ONE_VIEW,
        "ucsd_kitchen_dataset_converted_externally_to_rlds": _ONE_VIEW,
        "ucsd_pick_and_place_dataset_converted_externally_to_rlds": _ONE_VIEW,
        "uiuc_d3field": _cameras("image_1", "image_2"),
        "utaustin_mutex": _WITH_WRIST_IMAGE,
        "utokyo_pr2_opening_fridge_converted_externally_to_rlds": _ONE_VIEW,
        "utokyo_pr2_tabletop_manipulation_converted_externally_to_rlds": _ONE_VIEW,
        "utokyo_xarm_bimanual_converted_externally_to_rlds": _ONE_VIEW,
        "utokyo_xarm_pick_and_place_converted_externally_to_rlds": _cameras("image", "image2", "hand_image"),
        "viola": _cameras("agentview_rgb", wrist="eye_in_hand_rgb"),
    }
)
