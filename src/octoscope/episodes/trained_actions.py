"""What Octo's training made of the actions that datasets record: most were changed, so a recorded action is not what it learnt.

Gripper conventions were turned to 1 = open and 0 = closed, parts joined, axes dropped or filled with zeros. Facts of the
original's transforms: https://github.com/octo-models/octo/blob/main/octo/data/oxe/oxe_standardization_transforms.py
"""

from collections.abc import Mapping
from types import MappingProxyType


def action_remark(dataset: str) -> str:
    """Returns why a dataset's recorded actions are not to be compared with Octo's; "" where training took them as they are.

    >>> action_remark("toto")
    'Recorded actions are as stored; Octo was trained on [action/world_vector, action/rotation_delta, \
action/open_gripper[:,None]]: do not compare the two number by number.'
    >>> action_remark("my_robot")
    ''
    """
    formula = TRAINED_ACTIONS.get(dataset)
    if formula is None:
        return ""
    return f"Recorded actions are as stored; Octo was trained on {formula}: do not compare the two number by number."


# By dataset, in NumPy's notation over the recorded names of one episode, time first. `rel2abs_open` makes a state of the gripper out
# of commands to open or close it, `binarize` gives 1 above 0.95, 0 below 0.05, and between them the next value that is decided.
TRAINED_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "aloha_dagger_dataset": "action; every 5th step",
        "aloha_mobile_dataset": "action; every 5th step",
        "aloha_static_dataset": "action; every 5th step",
        "austin_buds_dataset_converted_externally_to_rlds": "[action[:,:6], 1-(clip(0,1)(action[:,-1:]))]",
        "austin_sailor_dataset_converted_externally_to_rlds": "[action[:,:6], 1-(clip(0,1)(action[:,-1:]))]",
        "austin_sirius_dataset_converted_externally_to_rlds": "[action[:,:6], 1-(clip(0,1)(action[:,-1:]))]",
        "bc_z": (
            "[action/future/xyz_residual[:,:3], action/future/axis_angle_residual[:,:3], "
            "1-(action/future/target_close[:,:1])]"
        ),
        "berkeley_autolab_ur5": (
            "[action/world_vector, action/rotation_delta, rel2abs_open(action/gripper_closedness_action)[:,None]]"
        ),
        "berkeley_cable_routing": "[action/world_vector, action/rotation_delta, zeros(action/world_vector[:,:1])]",
        "berkeley_fanuc_manipulation": "[action, 1-(observation/state[:,6:7])]",
        "berkeley_mvp_converted_externally_to_rlds": "[action[:,:-1], 1-(action[:,-1:])]",
        "berkeley_rpt_converted_externally_to_rlds": (
            "[(observation/joint_pos[1:,:7]-observation/joint_pos[:-1,:7]), 1-(action[:-1,-1:])]; every 3rd "
            "step; last step dropped"
        ),
        "bridge_dataset": (
            "[action[:,:6], binarize(action[:,-1])[:,None]]; first 6 action numbers become "
            "state[t+1,:6]-state[t,:6]; last step dropped"
        ),
        "cmu_franka_exploration_dataset_converted_externally_to_rlds": "action[...,:-1]",
        "cmu_play_fusion": "[action[:,:3], action[:,-4:]]",
        "cmu_playing_with_food": "[action[:,:3], euler_xyz(quat action[:,3:7]), action[:,-1:]]",
        "cmu_stretch": "action[...,:-1]",
        "columbia_cairlab_pusht_real": (
            "[action/world_vector, action/rotation_delta, action/gripper_closedness_action[:,None]]"
        ),
        "dlr_edan_shared_control_converted_externally_to_rlds": "[action[:,:6], 1-(action[:,-1:])]",
        "fractal20220817_data": (
            "[action/world_vector, action/rotation_delta, rel2abs_open(action/gripper_closedness_action[:,0])[:,None]]"
        ),
        "furniture_bench_dataset_converted_externally_to_rlds": (
            "[action[:,:3], euler_xyz(quat action[:,3:7]), 1-(clip(0,1)(action[:,-1:]))]"
        ),
        "gnm_dataset": "differences of the position, turned by the yaw and scaled; every 3rd step; last step dropped",
        "iamlab_cmu_pickup_insert_converted_externally_to_rlds": (
            "[action[:,:3], euler_xyz(quat action[:,3:7]), action[:,7:8]]"
        ),
        "imperialcollege_sawyer_wrist_cam": "action[...,:-1]",
        "jaco_play": (
            "[action/world_vector, zeros(action/world_vector), "
            "rel2abs_open(action/gripper_closedness_action[:,0])[:,None]]"
        ),
        "kaist_nonprehensile_converted_externally_to_rlds": "[action[:,:6], zeros(action[:,:1])]",
        "kuka": (
            "[action/world_vector, action/rotation_delta, rel2abs_open(action/gripper_closedness_action[:,0])[:,None]]"
        ),
        "language_table": "[action, zeros(action), zeros(action), ones(action[:,:1])]",
        "mujoco_manip": "[action[:,:6], 1-(action[:,-1:]/255)]",
        "nyu_door_opening_surprising_effectiveness": (
            "[action/world_vector, action/rotation_delta, rel2abs_open(action/gripper_closedness_action[:,0])[:,None]]"
        ),
        "nyu_franka_play_dataset_converted_externally_to_rlds": "[action[:,-8:-2], clip(0,1)(action[:,-2:-1])]",
        "nyu_rot_dataset_converted_externally_to_rlds": "action[...,:7]",
        "rh20t": "[action/tcp_base, action/gripper[:,None]]",
        "robo_net": "[action[:,:4], zeros(action[:,:2]), action[:,-1:]]",
        "roboset": "[action[:,:7], 1-(clip(0,1)(action[:,-1:]))]",
        "roboturk": "[action/world_vector, action/rotation_delta, 1-(clip(0,1)(action/gripper_closedness_action))]",
        "stanford_hydra_dataset_converted_externally_to_rlds": "[action[:,:6], 1-(action[:,-1:])]",
        "stanford_kuka_multimodal_dataset_converted_externally_to_rlds": (
            "[action[:,:3], zeros(action[:,:3]), action[:,-1:]]"
        ),
        "stanford_mask_vit_converted_externally_to_rlds": "[action[:,:4], zeros(action[:,:2]), action[:,-1:]]",
        "taco_play": "[action/rel_actions_world[:,:6], clip(0,1)(action/rel_actions_world[:,-1:])]",
        "toto": "[action/world_vector, action/rotation_delta, action/open_gripper[:,None]]",
        "ucsd_kitchen_dataset_converted_externally_to_rlds": "action[...,:-1]",
        "ucsd_pick_and_place_dataset_converted_externally_to_rlds": (
            "[action[:,:3], zeros(action[:,:3]), action[:,-1:]]"
        ),
        "uiuc_d3field": "[action, zeros(action), zeros(action[:,:1])]",
        "utaustin_mutex": "[action[:,:6], 1-(clip(0,1)(action[:,-1:]))]",
        "utokyo_pr2_opening_fridge_converted_externally_to_rlds": "action[...,:-1]",
        "utokyo_pr2_tabletop_manipulation_converted_externally_to_rlds": "action[...,:-1]",
        "utokyo_xarm_bimanual_converted_externally_to_rlds": "action[...,-7:]",
        "viola": (
            "[action/world_vector, action/rotation_delta, 1-(clip(0,1)(action/gripper_closedness_action[:,None]))]"
        ),
    }
)
