"""SmolVLA, pi0 and pi0.5 in configurations that LeRobot's fixtures have not, against slow NumPy: actions and every weight."""

import json
import shutil
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from drawn_flow import SIZES, VLM, drawn_policy
from slow_flow import slow_pi, slow_smolvla

from octoscope.errors import CheckpointError, ConfigError, ObservationError
from octoscope.policies.lerobot_folder.policy_folder import open_lerobot_folder
from octoscope.policies.parts.resize_pad import fit_transform
from octoscope.policies.pi.model import PiModel
from octoscope.policies.smolvla.model import SmolVlaModel

STATE = np.array([0.5, -2, 1], np.float32)
SPECIAL = ("<fake_token_around_image>", "<global-img>")
TWO = {"top": (24, 32), "wrist": (24, 32)}
SHORT = {"min_period": 1e-2, "max_period": 2.0, "max_state_dim": 3, "max_action_dim": 2}
# By name, the options of the folder and the sizes of the recorded frames; None is a camera that is missing. Each holds several
# options at once, because every one is compiled.
SMOLVLA = {
    "cameras the other way round, ratios that change, three passes": (
        {"cameras": ("wrist", "top"), "num_steps": 3, **SHORT},
        {"top": (45, 61), "wrist": (17, 5)},
    ),
    "more cameras missing than empty, words around pictures, longer prefix": (
        {
            "cameras": ("top", "wrist", "side"),
            "empty_cameras": 1,
            "add_image_special_tokens": True,
            "prefix_length": 30,
        },
        {"top": None, "wrist": (24, 32), "side": None},
    ),
    "all layers see actions, words padded, shorter prefix": (
        {"self_attn_every_n_layers": 1, "pad_language_to": "max_length", "prefix_length": 3},
        TWO,
    ),
    "no layer sees actions, one layer, wide expert": (
        {"self_attn_every_n_layers": -1, "num_vlm_layers": 1, "expert_width_multiplier": 1.5},
        TWO,
    ),
}
PI = {
    "cameras the other way round, ratios that change, one missing, three passes": (
        {"cameras": ("side", "wrist", "top"), "num_inference_steps": 3, **SHORT},
        {"top": (45, 61), "wrist": (17, 5), "side": None},
    )
}


def compared(model, folder, sizes, slow):
    """Asserts that actions and weights are those of `slow`, which takes weights, images, words, state and noise."""
    rng = np.random.default_rng(3)
    frames = {name: rng.integers(0, 256, (*size, 3), dtype=np.uint8) for name, size in sorted(sizes.items()) if size}
    noise = rng.normal(size=model.noise_shape).astype(np.float32)
    inputs = model.inputs(
        {f"observation.images.{name}": f for name, f in frames.items()}, STATE, "pick up the red ball"
    )
    seen = model.watch(inputs, noise)
    loaded = safetensors.numpy.load_file(folder / "model.safetensors")
    weights = {name.removeprefix("model."): array for name, array in loaded.items()}
    names = [camera.removeprefix("observation.images.") for camera in model.config.cameras]
    images = [frames[name] / 255 if name in frames else None for name in names]
    actions, heeded = slow(weights, images, inputs.words, inputs.real_words, STATE.astype(float), noise)
    np.testing.assert_allclose(seen.actions, actions[:, :2], rtol=0, atol=1e-4)
    for (stack, *place), expected in heeded.items():
        fast = getattr(seen.weights, stack)[tuple(place)]
        np.testing.assert_allclose(fast[..., : expected.shape[-1]], expected, atol=2e-4)
        assert (fast[..., expected.shape[-1] :] == 0).all()
    layout = model.layout(inputs)
    for stack, given in zip(layout.stacks, seen.weights, strict=True):
        assert given.shape[-2:] == stack.rules.shape


@pytest.mark.parametrize("name", SMOLVLA)
def test_smolvla(tmp_path, name):
    options, sizes = SMOLVLA[name]
    folder = drawn_policy(tmp_path / "policy", "smolvla", **options)
    model = SmolVlaModel.load_pretrained(folder)
    special = tuple(model.text.id_of(piece) for piece in SPECIAL)
    fields = model.folder.config.fields
    compared(model, folder, sizes, lambda *given: slow_smolvla(fields, VLM, *given, special=special))


@pytest.mark.parametrize("kind", ["pi0", "pi05"])
@pytest.mark.parametrize("name", PI)
def test_pi(tmp_path, kind, name):
    options, sizes = PI[name]
    folder = drawn_policy(tmp_path / "policy", kind, **options)
    model = PiModel.load_pretrained(folder)
    fields = model.folder.config.fields
    compared(model, folder, sizes, lambda *given: slow_pi(fields, SIZES.vision_heads, *given))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return drawn_policy(tmp_path_factory.mktemp("parts") / "policy", "pi0")


def in_parts(folder, target):
    """A copy whose weights lie in two files and an index, as transformers and openpi's converters save large ones."""
    shutil.copytree(folder, target)
    weights = safetensors.numpy.load_file(target / "model.safetensors")
    (target / "model.safetensors").unlink()
    names = sorted(weights)
    places = {name: f"model-0000{1 + (at > 9)}-of-00002.safetensors" for at, name in enumerate(names)}
    for part in set(places.values()):
        held = {name: weights[name] for name in names if places[name] == part}
        safetensors.numpy.save_file(held, target / part)
    (target / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return target


def test_weights_in_parts_are_the_same_weights(folder, tmp_path):
    whole, parts = open_lerobot_folder(folder), open_lerobot_folder(in_parts(folder, tmp_path / "parts"))
    assert set(parts.weights) == set(whole.weights)
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(parts.weights[name], array)
    before = parts.digest()
    part = tmp_path / "parts" / "model-00002-of-00002.safetensors"
    changed = {name: array + 1 for name, array in safetensors.numpy.load_file(part).items()}
    safetensors.numpy.save_file(changed, part)
    assert open_lerobot_folder(tmp_path / "parts").digest() != before


def test_parts_that_are_missing_or_hold_other_arrays_are_said(folder, tmp_path):
    parts = in_parts(folder, tmp_path / "parts")
    index, part = parts / "model.safetensors.index.json", parts / "model-00001-of-00002.safetensors"
    held = safetensors.numpy.load_file(part)
    safetensors.numpy.save_file(dict(list(held.items())[1:]), part)
    with pytest.raises(CheckpointError, match="do not hold the same arrays"):
        open_lerobot_folder(parts)
    part.unlink()
    with pytest.raises(CheckpointError, match=r"model-00001-of-00002\.safetensors"):
        open_lerobot_folder(parts)
    index.write_text("{}")
    with pytest.raises(CheckpointError, match="must hold `weight_map`"):
        open_lerobot_folder(parts)


@pytest.mark.parametrize("option", ["adapt_to_pi_aloha", "use_delta_joint_actions_aloha"])
@pytest.mark.parametrize("kind", ["smolvla", "pi0", "pi05"])
def test_joints_that_are_turned_around_are_refused(tmp_path, kind, option):
    changed: Any = {option: True}
    with pytest.raises(ConfigError, match=option):
        drawn_policy(tmp_path / "policy", kind, **changed)


def test_two_cameras_of_one_name_are_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "policy")
    config = json.loads((folder / "config.json").read_text())
    camera = {"type": "VISUAL", "shape": [3, 24, 32]}
    config["input_features"] |= {"observation.images.image": camera, "observation.image": camera}
    (tmp_path / "policy" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"'observation\.images\.image' and 'observation\.image', which are both"):
        open_lerobot_folder(tmp_path / "policy")


def test_a_frame_of_which_nothing_is_left_is_refused():
    with pytest.raises(ObservationError, match="200 x 1 pixels becomes 32 x 0"):
        fit_transform((1, 200), (32, 32), anchor="center")
