"""Makes LeRobot policies of true size with random weights, for the other scripts: folders that octoscope and LeRobot both open.

`python benchmarks/true_size.py smolvla|pi0 FOLDER` writes one: 1.2 GB of SmolVLA, 7.1 GB of pi0, in bfloat16 as they are published.
Its words are read with the tokenizer of the tests' tiny policies, which changes no time.
"""

import json
import shutil
import sys
from pathlib import Path

import ml_dtypes
import numpy as np

from octoscope.checkpoints.safetensors_file import write_safetensors
from octoscope.checkpoints.stored_params import ArraySpec, PathArrays, StoredParams
from octoscope.policies.pi.config import PiConfig
from octoscope.policies.pi.params import pi_shapes
from octoscope.policies.smolvla.config import VLM_NAME, SmolVlaConfig, VlmSizes
from octoscope.policies.smolvla.params import smolvla_shapes

TINY = Path(__file__).parents[1] / "tests" / "policies"
CAMERAS = ("observation.images.top", "observation.images.wrist")
STATE = "observation.state"
FRAME = (480, 640)
INSTRUCTION = "pick up the red ball"
# What the files of a SmolVLA hold besides: a head over words and the norm before it, which make no action.
_IDLE = {"vlm_with_expert.vlm.lm_head.weight": (49280, 960), "vlm_with_expert.vlm.model.text_model.norm.weight": (960,)}
_VLM = "vlm_with_expert.vlm."


def make_smolvla(folder: Path) -> Path:
    """Writes a SmolVLA of LeRobot's default sizes over SmolVLM2-500M, two cameras of 480 x 640, chunks of 50, 10 passes."""
    fields = {
        "resize_imgs_with_padding": [512, 512],
        "max_state_dim": 32,
        "max_action_dim": 32,
        "chunk_size": 50,
        "n_action_steps": 50,
        "tokenizer_max_length": 48,
        "pad_language_to": "longest",
        "num_steps": 10,
        "num_vlm_layers": 16,
    }
    _copy_texts("smolvla_tiny", folder, fields)
    _write_vlm_config(folder / VLM_NAME / "config.json")
    config = SmolVlaConfig(CAMERAS, 6, 6, VlmSizes())
    _write_weights(folder / "model.safetensors", smolvla_shapes(config) | _IDLE, float32=lambda name: _VLM not in name)
    return folder


def make_pi0(folder: Path) -> Path:
    """Writes a pi0 of LeRobot's default sizes, two cameras of 480 x 640, chunks of 50, 10 passes."""
    fields = {
        "image_resolution": [224, 224],
        "max_state_dim": 32,
        "max_action_dim": 32,
        "chunk_size": 50,
        "n_action_steps": 50,
        "tokenizer_max_length": 48,
        "num_inference_steps": 10,
    }
    _copy_texts("pi0_tiny", folder, fields)
    _write_weights(
        folder / "model.safetensors",
        pi_shapes(PiConfig(CAMERAS, 6, 6, state_in_words=False)),
        float32=lambda name: False,
    )
    return folder


def _copy_texts(tiny: str, folder: Path, fields: dict) -> None:
    shutil.copytree(TINY / tiny / "policy", folder, ignore=shutil.ignore_patterns("model.safetensors"))
    for name in ("config.json", "policy_preprocessor.json"):
        content = json.loads((folder / name).read_text())
        features = content.get("input_features") or _step(content, "normalizer_processor")["features"]
        for camera in CAMERAS:
            features[camera] = {"type": "VISUAL", "shape": [3, *FRAME]}
        if name == "config.json":
            content |= fields
        else:
            text = _step(content, "tokenizer_processor")
            text["max_length"] = fields["tokenizer_max_length"]
            text["padding"] = fields.get("pad_language_to", "max_length")
        (folder / name).write_text(json.dumps(content))


def _step(processor: dict, name: str) -> dict:
    return next(step["config"] for step in processor["steps"] if step["registry_name"] == name)


def _write_vlm_config(file: Path) -> None:
    """Writes the sizes of SmolVLM2-500M over those of the tests' tiny model."""
    sizes, content = VlmSizes(), json.loads(file.read_text())
    content["scale_factor"] = sizes.shuffle
    content["text_config"] |= {
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head_dim,
        "intermediate_size": sizes.intermediate,
        "vocab_size": sizes.vocabulary,
    }
    content["vision_config"] |= {
        "hidden_size": sizes.vision_hidden,
        "intermediate_size": sizes.vision_intermediate,
        "num_hidden_layers": sizes.vision_layers,
        "num_attention_heads": sizes.vision_heads,
        "patch_size": sizes.patch,
        "image_size": sizes.image,
    }
    file.write_text(json.dumps(content))


def _write_weights(file: Path, shapes: dict[str, tuple[int, ...]], *, float32) -> None:
    """Writes normal numbers that keep the size of what they are multiplied with; norms are around 1."""
    specs = {
        f"model.{name}": ArraySpec(shape, np.dtype(np.float32 if float32(name) else ml_dtypes.bfloat16))
        for name, shape in shapes.items()
    }
    rng = np.random.default_rng(0)

    def arrays() -> PathArrays:
        for name, spec in specs.items():
            array = rng.standard_normal(spec.shape, np.float32) * spec.shape[-1] ** -0.5
            if len(spec.shape) == 1:
                array += "norm" in name and name.endswith("weight")
            yield name, array.astype(spec.dtype)

    write_safetensors(file, StoredParams("safetensors", (file,), specs, arrays), metadata={"format": "pt"})


def main(kind: str, folder: str) -> None:
    """Writes a folder and prints its size."""
    made = {"smolvla": make_smolvla, "pi0": make_pi0}[kind](Path(folder))
    print(f"{made}: {(made / 'model.safetensors').stat().st_size / 1e9:.2f} GB")


if __name__ == "__main__":
    main(*sys.argv[1:])
