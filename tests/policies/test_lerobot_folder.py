"""What LeRobot's policy folders say, new and old, and what is refused rather than taken for identity."""

import copy
import json

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from act_fixture import ACT_TINY

from octoscope.checkpoints.checkpoint_folder import checkpoint_folder, folder_name
from octoscope.embedded.files import EMBEDDED, policy_directory
from octoscope.errors import CheckpointError, ConfigError, ObservationError
from octoscope.policies.lerobot_folder.features import Feature
from octoscope.policies.lerobot_folder.normalization import FeatureNormalization
from octoscope.policies.lerobot_folder.policy_config import is_policy_folder
from octoscope.policies.lerobot_folder.policy_folder import open_lerobot_folder

STATE = Feature("observation.state", "STATE", (2,))
CAMERA = Feature("observation.images.top_cam", "VISUAL", (3, 4, 6))
ENVIRONMENT = Feature("observation.environment_state", "ENV", (3,))
ACTION = Feature("action", "ACTION", (2,))
MODES = {"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
CONFIG = {
    "type": "act",
    "input_features": {
        "observation.state": {"type": "STATE", "shape": [2]},
        "observation.images.top_cam": {"type": "VISUAL", "shape": [3, 4, 6]},
        "observation.environment_state": {"type": "ENV", "shape": [3]},
    },
    "output_features": {"action": {"type": "ACTION", "shape": [2]}},
    "normalization_mapping": MODES,
    "device": "mps",
}
STATISTICS = {
    "observation.state.mean": np.float32([1, 2]),
    "observation.state.std": np.float32([2, 0.5]),
    "observation.state.min": np.float32([-1, 0]),
    "observation.state.max": np.float32([3, 0]),
    "observation.images.top_cam.mean": np.float32([0.5, 0.25, 0]).reshape(3, 1, 1),
    "observation.images.top_cam.std": np.float32([1, 2, 4]).reshape(3, 1, 1),
    "action.mean": np.float32([10, 20]),
    "action.std": np.float32([1, 0]),
}
PREPROCESSOR = {
    "name": "policy_preprocessor",
    "steps": [
        {
            "registry_name": "rename_observations_processor",
            "config": {"rename_map": {"observation.images.front": CAMERA.name}},
        },
        {"registry_name": "to_batch_processor", "config": {}},
        {"registry_name": "device_processor", "config": {"device": "cuda", "float_dtype": None}},
        {
            "registry_name": "normalizer_processor",
            "config": {
                "eps": 1e-8,
                "features": CONFIG["input_features"] | CONFIG["output_features"],
                "norm_map": MODES,
            },
            "state_file": "policy_preprocessor_step_3_normalizer_processor.safetensors",
        },
    ],
}
POSTPROCESSOR = {
    "name": "policy_postprocessor",
    "steps": [
        {
            "registry_name": "unnormalizer_processor",
            "config": {"eps": 1e-8, "features": CONFIG["output_features"], "norm_map": MODES},
            "state_file": "policy_postprocessor_step_0_unnormalizer_processor.safetensors",
        },
        {"registry_name": "device_processor", "config": {"device": "cpu", "float_dtype": None}},
    ],
}
WEIGHT = {"model.action_head.bias": np.float32([7, 8])}


class Files:
    """A policy folder that a test changes before it is opened."""

    def __init__(self, path):
        self.path = path
        self.config, self.pre, self.post = copy.deepcopy((CONFIG, PREPROCESSOR, POSTPROCESSOR))
        self.statistics, self.weights = dict(STATISTICS), dict(WEIGHT)

    def open(self, **options):
        self.path.mkdir(exist_ok=True)
        safetensors.numpy.save_file(self.weights, self.path / "model.safetensors")
        for name, content in (
            ("config", self.config),
            ("policy_preprocessor", self.pre),
            ("policy_postprocessor", self.post),
        ):
            if content is not None:
                (self.path / f"{name}.json").write_text(json.dumps(content))
            for step in (content or {}).get("steps", ()):
                if "state_file" in step:
                    safetensors.numpy.save_file(self.statistics, self.path / step["state_file"])
        return open_lerobot_folder(self.path, **options)

    def normalize_by(self, **modes):
        for step in (self.pre["steps"][3], self.post["steps"][0]):
            step["config"]["norm_map"] = MODES | modes


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "policy")


def test_a_folder_as_it_is_saved_today(files):
    folder = files.open(kind="act")
    assert (folder.config.kind, folder.remarks) == ("act", ())
    assert (folder.config.inputs, folder.config.action) == ((STATE, CAMERA, ENVIRONMENT), ACTION)
    assert [camera.name for camera in folder.config.cameras] == [CAMERA.name]
    assert {name: array.tolist() for name, array in folder.weights.items()} == {"model.action_head.bias": [7, 8]}
    assert folder.normalized_numbers(STATE, np.float32([3, 2])).tolist() == [1, 0]
    picture = np.full((4, 6, 3), 255, np.uint8)
    assert folder.normalized_image(CAMERA, picture)[2, 1].tolist() == [0.5, 0.375, 0.25]
    # LeRobot's mapping has no entry for an environment's state, so it stays as it is.
    assert folder.normalized_numbers(ENVIRONMENT, np.float32([1, 2, 3])).tolist() == [1, 2, 3]
    assert folder.robot_actions(np.float32([[1, 1]]), state=None).tolist() == [[11, 20]]
    assert is_policy_folder(files.path)
    assert not is_policy_folder(files.path.parent)


def test_lerobots_own_folder_and_its_digest(tmp_path):
    safetensors.numpy.save_file(WEIGHT, tmp_path / "model.safetensors")
    for file in (ACT_TINY / "policy").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    folder = open_lerobot_folder(tmp_path)
    assert [camera.name for camera in folder.config.cameras] == ["observation.images.top", "observation.images.wrist"]
    assert (folder.remarks, folder.processing.renames) == ((), {})
    digest = folder.digest()
    safetensors.numpy.save_file({"model.action_head.bias": np.float32([7, 9])}, tmp_path / "model.safetensors")
    assert open_lerobot_folder(tmp_path).digest() != digest


def test_a_training_run_gives_its_policy(files):
    policy = files.path / "pretrained_model"
    files.path.mkdir()
    files.path, above = policy, files.path
    assert files.open().path == policy.resolve()
    assert open_lerobot_folder(above).path == policy.resolve()


@pytest.mark.parametrize(
    ("mode", "statistics", "values", "normalized"),
    [
        ("MEAN_STD", {"mean": [1, 2], "std": [2, 0]}, [3, 3], [1, 1e8]),
        ("MIN_MAX", {"min": [-1, 5], "max": [3, 5]}, [3, 5], [1, -1]),
        ("QUANTILES", {"q01": [0, 0], "q99": [10, 4]}, [5, 6], [0, 2]),
        ("QUANTILE10", {"q10": [0, 0], "q90": [10, 4]}, [0, 1], [-1, -0.5]),
        ("IDENTITY", {}, [3, 4], [3, 4]),
    ],
)
def test_modes(files, mode, statistics, values, normalized):
    files.normalize_by(STATE=mode, ACTION=mode)
    files.statistics |= {
        f"{name}.{key}": np.float32(entry) for name in (STATE.name, "action") for key, entry in statistics.items()
    }
    folder = files.open()
    found = folder.normalized_numbers(STATE, np.float32(values))
    assert found.tolist() == np.float32(normalized).tolist()
    back = folder.robot_actions(np.float32(normalized), state=None)
    # A deviation of zero is taken back without eps: the recorded mean, whatever the policy says.
    assert back.tolist() == ([3, 2] if mode == "MEAN_STD" else values)
    slope = folder.normalization(STATE).slope
    step = np.float32(0.5)
    moved = folder.normalized_numbers(STATE, np.float32(values) + step) - found
    np.testing.assert_allclose(moved, np.broadcast_to(slope * step, (2,)), rtol=1e-6)


def test_every_statistic_is_in_float32_whatever_the_file_holds(files):
    files.statistics = {name: array.astype(np.float64) for name, array in STATISTICS.items()}
    assert files.open().normalized_numbers(STATE, np.float32([3, 2])).dtype == np.float32


def test_one_statistic_for_all_entries():
    whole = FeatureNormalization("MEAN_STD", (np.array(1, np.float32), np.array(2, np.float32)))
    assert whole.normalize(np.float32([1, 3, 5])).tolist() == [0, 1, 2]


@pytest.mark.parametrize("file", ["policy_preprocessor.json", "policy_postprocessor.json"])
def test_a_missing_processor_is_refused(files, file):
    files.open()
    (files.path / file).unlink()
    with pytest.raises(CheckpointError, match=f"but no {file}".replace(".", r"\.")):
        open_lerobot_folder(files.path)


def test_a_folder_without_processors_or_statistics_is_refused(files):
    files.pre = files.post = None
    with pytest.raises(
        CheckpointError, match=r"normalised by MEAN_STD, but .* no processor files .*'observation\.state\.mean'"
    ):
        files.open()
    files.config["normalization_mapping"] = dict.fromkeys(MODES, "IDENTITY")
    assert "asks for none" in files.open().remarks[0]
    # Where the config does not say, LeRobot's default holds, which is no identity.
    del files.config["normalization_mapping"]
    with pytest.raises(CheckpointError, match="normalised by MEAN_STD"):
        files.open()


@pytest.mark.parametrize("name", ["observation.state.std", "observation.images.top_cam.mean", "action.mean"])
def test_a_missing_statistic_is_refused(files, name):
    del files.statistics[name]
    with pytest.raises(CheckpointError, match=f"holds no '{name}'".replace(".", r"\.")):
        files.open()


def test_a_missing_file_of_statistics_is_refused(files):
    files.open()
    (files.path / files.pre["steps"][3]["state_file"]).unlink()
    with pytest.raises(CheckpointError, match=r"step_3_normalizer_processor\.safetensors, which is missing"):
        open_lerobot_folder(files.path)


def test_a_step_that_names_no_file_is_refused(files):
    del files.pre["steps"][3]["state_file"]
    with pytest.raises(CheckpointError, match="which names no file of statistics"):
        files.open()


@pytest.mark.parametrize("step", [3, 0])
def test_a_missing_normaliser_is_refused(files, step):
    (files.pre if step else files.post)["steps"].pop(step)
    with pytest.raises(CheckpointError, match="must hold 'normalizer_processor' and 'unnormalizer_processor'"):
        files.open()


def test_an_input_that_the_normaliser_does_not_list_is_refused(files):
    del files.pre["steps"][3]["config"]["features"]["observation.state"]
    with pytest.raises(CheckpointError, match=r"does not list 'observation\.state'"):
        files.open()


def test_an_input_that_the_folder_leaves_out_on_purpose_is_said(files):
    files.pre["steps"][3]["config"]["normalize_observation_keys"] = ["observation.images.top_cam"]
    folder = files.open()
    assert folder.normalized_numbers(STATE, np.float32([3, 2])).tolist() == [3, 2]
    assert "observation.state" in folder.remarks[0]


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        ("observation.state.mean", np.float32([np.inf, 0]), "is not finite"),
        ("action.std", np.float32([np.nan, 0]), "is not finite"),
        ("observation.state.mean", np.float32([1, 2, 3]), r"has the shape \(3,\), but 'observation.state' is \(2,\)"),
    ],
)
def test_broken_statistics_are_refused(files, name, array, sentence):
    files.statistics[name] = array
    with pytest.raises(CheckpointError, match=sentence):
        files.open()


def test_unknown_steps_and_modes_are_refused(files):
    files.pre["steps"].insert(1, {"class": "my_lab.FlipImages", "config": {}})
    with pytest.raises(ConfigError, match=r"step 'my_lab\.FlipImages' of .* is not known"):
        files.open()
    files.pre["steps"].pop(1)
    files.normalize_by(STATE="ROBUST")
    with pytest.raises(ConfigError, match="normalised by 'ROBUST', which is not known"):
        files.open()


def test_renames(files):
    folder = files.open()
    assert folder.rename({"observation.images.front": 1, "other": 2}) == {CAMERA.name: 1, "other": 2}
    with pytest.raises(ObservationError, match=r"Two recorded names become 'observation\.images\.top_cam'"):
        folder.rename({"observation.images.front": 1, CAMERA.name: 2})
    files.pre["steps"].append(files.pre["steps"].pop(0))
    with pytest.raises(ConfigError, match="renames after it normalises"):
        files.open()


def test_statistics_of_old_folders_lie_inside_the_weights(files):
    files.pre = files.post = None
    for name, array in STATISTICS.items():
        feature, _, statistic = name.rpartition(".")
        prefixes = ("normalize_targets", "unnormalize_outputs") if feature == "action" else ("normalize_inputs",)
        for prefix in prefixes:
            files.weights[f"{prefix}.buffer_{feature.replace('.', '_')}.{statistic}"] = array
    folder = files.open()
    assert list(folder.weights) == ["model.action_head.bias"]
    assert folder.normalized_numbers(STATE, np.float32([3, 2])).tolist() == [1, 0]
    assert folder.normalized_image(CAMERA, np.full((4, 6, 3), 255, np.uint8))[0, 0].tolist() == [0.5, 0.375, 0.25]
    assert folder.robot_actions(np.float32([1, 1]), state=None).tolist() == [11, 20]
    assert "from inside the weights" in folder.remarks[0]
    # LeRobot 0.3 writes infinity where a policy was saved without statistics.
    files.weights["normalize_inputs.buffer_observation_state.mean"] = np.float32([np.inf, np.inf])
    with pytest.raises(CheckpointError, match="is not finite"):
        files.open()
    del files.weights["normalize_inputs.buffer_observation_state.mean"]
    with pytest.raises(CheckpointError, match=r"holds no 'observation\.state\.mean'"):
        files.open()


def test_old_names_that_two_features_share_are_refused(files):
    files.pre = files.post = None
    files.config["input_features"]["observation.images.top.cam"] = {"type": "VISUAL", "shape": [3, 4, 6]}
    with pytest.raises(CheckpointError, match="'observation_images_top_cam', which may be"):
        files.open()


def test_two_copies_of_an_old_statistic_that_differ_are_refused(files):
    files.pre = files.post = None
    files.weights["normalize_targets.buffer_action.mean"] = np.float32([1, 2])
    files.weights["unnormalize_outputs.buffer_action.mean"] = np.float32([1, 3])
    with pytest.raises(CheckpointError, match=r"two different statistics 'action\.mean'"):
        files.open()


def test_unknown_fields_are_kept_and_said(files):
    files.config |= {"mlp_hidden_dim": 4, "use_amp": True}
    folder = files.open()
    assert folder.config.fields["mlp_hidden_dim"] == 4
    assert folder.remarks == (
        "Saved to run in mixed precision (`use_amp`); here it runs in float32.",
        "config.json: 6 of 7 fields are known for 'act'; without effect here: mlp_hidden_dim.",
    )


def test_relative_actions(files):
    files.pre["steps"].insert(
        3,
        {
            "registry_name": "relative_actions_processor",
            "config": {"enabled": True, "exclude_joints": ["gripper"], "action_names": ["LEFT_GRIPPER.pos", "elbow"]},
        },
    )
    with pytest.raises(ConfigError, match="must be enabled together"):
        files.open()
    files.post["steps"].append({"registry_name": "absolute_actions_processor", "config": {"enabled": True}})
    folder = files.open()
    chunk = np.float32([[1, 1], [2, 1]])
    assert folder.robot_actions(chunk, state=np.float32([100, 1000])).tolist() == [[11, 1020], [12, 1020]]
    with pytest.raises(ObservationError, match="give the raw state"):
        folder.robot_actions(chunk, state=None)
    with pytest.raises(CheckpointError, match="has only 1 entries"):
        folder.robot_actions(chunk, state=np.float32([1]))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"type": "vqbet"}, "is a LeRobot policy of type 'vqbet'; read here are act, diffusion, smolvla"),
        ({"type": "smolvl"}, "Did you mean 'smolvla'"),
        ({"type": None, "input_shapes": {}}, "as LeRobot wrote it in 2024"),
        ({"use_peft": True}, "PEFT adapter"),
        ({"input_features": None}, "must hold an object `input_features`"),
        ({"input_features": {"a": {"type": "SOUND", "shape": [1]}}}, "'a' must have a `type` of STATE"),
        ({"input_features": {"a": {"type": "STATE", "shape": [0]}}}, "'a' must have a `shape` of positive numbers"),
        ({"input_features": {"a": {"type": "VISUAL", "shape": [1, 8, 8]}}}, r"the shape \[3, height, width\]"),
        ({"output_features": {}}, "must hold 'action'"),
    ],
)
def test_configs_that_are_refused(files, change, sentence):
    files.config |= change
    with pytest.raises(ConfigError, match=sentence):
        files.open()


def test_another_family_than_wanted(files):
    files.config["type"] = "pi0"
    with pytest.raises(ConfigError, match="is a policy of type 'pi0', not 'act'"):
        files.open(kind="act")


def test_missing_files(tmp_path, files):
    with pytest.raises(CheckpointError, match="There is no folder"):
        open_lerobot_folder(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"config\.json, which is missing"):
        open_lerobot_folder(tmp_path)
    files.open()
    (files.path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors, which is missing"):
        open_lerobot_folder(files.path)


def test_weights_stay_in_the_precision_of_the_file(files):
    files.weights["model.half"] = np.ones(3, ml_dtypes.bfloat16)
    assert files.open().weights["model.half"].dtype == ml_dtypes.bfloat16


def test_numbers_of_another_shape_are_refused(files):
    with pytest.raises(ObservationError, match=r"'observation\.state' must have the shape \(2,\), got \(3,\)"):
        files.open().normalized_numbers(STATE, np.float32([1, 2, 3]))


def test_state_files_lie_in_the_folder(files):
    files.open()
    files.pre["steps"][3]["state_file"] = "../elsewhere/" + files.pre["steps"][3]["state_file"]
    (files.path / "policy_preprocessor.json").write_text(json.dumps(files.pre))
    assert open_lerobot_folder(files.path).normalized_numbers(STATE, np.float32([3, 2])).tolist() == [1, 0]


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_family_finds_what_lies_in_the_package_by_its_name(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert checkpoint_folder(name, files=[]) == policy_directory(name)
    assert folder_name(name) == name
    # A folder of the same name is typed with its "./".
    assert checkpoint_folder(f"./{name}", files=[]) == tmp_path / name
    assert folder_name(f"./{name}") == f"{tmp_path.name}/{name}"
