"""Tiny flow-matching policies that the project draws itself: a folder each, random weights, a tokenizer of whole words and digits."""

import json
from pathlib import Path

import numpy as np
import safetensors.numpy
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from octoscope.policies.lerobot_folder.policy_config import read_policy_config
from octoscope.policies.pi.config import TOKENIZER, PiSizes, read_pi_config
from octoscope.policies.pi.params import pi_shapes
from octoscope.policies.smolvla.config import VLM_NAME, read_smolvla_config
from octoscope.policies.smolvla.params import smolvla_shapes

WORDS = ("pick", "up", "push", "lift", "the", "red", "blue", "green", "ball", "cube", "Task:", "State:", "Action:")
VLM = {
    "text_config": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 24,
        "vocab_size": 48,
        "head_dim": 8,
    },
    "vision_config": {
        "hidden_size": 8,
        "intermediate_size": 12,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "patch_size": 8,
        "image_size": 32,
    },
    "scale_factor": 2,
}
SIZES = PiSizes(
    hidden=16,
    layers=2,
    kv_heads=1,
    head_dim=4,
    intermediate=24,
    vocabulary=48,
    expert_hidden=12,
    expert_intermediate=16,
    vision_hidden=8,
    vision_intermediate=12,
    vision_layers=1,
    vision_heads=2,
    patch=8,
    patches=16,
)


def drawn_policy(folder: Path, kind: str, *, cameras=("top", "wrist"), prefix: str = "model.", **options) -> Path:
    """Writes a policy of `kind` that sees 32 x 32 pixels, is given a state of 3, and acts 4 steps of 2 numbers in 2 passes."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "type": kind,
        "input_features": {
            **{f"observation.images.{name}": {"type": "VISUAL", "shape": [3, 24, 32]} for name in cameras},
            "observation.state": {"type": "STATE", "shape": [3]},
        },
        "output_features": {"action": {"type": "ACTION", "shape": [2]}},
        "normalization_mapping": {"VISUAL": "IDENTITY", "STATE": "IDENTITY", "ACTION": "IDENTITY"},
        "chunk_size": 4,
        "max_state_dim": 5,
        "max_action_dim": 3,
        "tokenizer_max_length": 24,
        "num_steps": 2,
        "num_inference_steps": 2,
        "image_resolution": [32, 32],
        "resize_imgs_with_padding": [32, 32],
        "num_vlm_layers": 2,
        "expert_width_multiplier": 0.75,
        **options,
    }
    (folder / "config.json").write_text(json.dumps(config))
    texts = folder / (VLM_NAME if kind == "smolvla" else TOKENIZER)
    texts.mkdir(parents=True, exist_ok=True)
    word_digits(begin="<s>" if kind != "smolvla" else None).save(str(texts / "tokenizer.json"))
    sizes = VLM if kind == "smolvla" else {"vision_config": {"num_attention_heads": SIZES.vision_heads}}
    (texts / "config.json").write_text(json.dumps(sizes))
    read = read_policy_config(folder)
    shapes = (
        smolvla_shapes(read_smolvla_config(read, folder))
        if kind == "smolvla"
        else pi_shapes(read_pi_config(read, SIZES))
    )
    rng = np.random.default_rng(7)
    weights = {f"{prefix}{name}": _drawn(rng, name, shape) for name, shape in shapes.items()}
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    return folder


def word_digits(*, begin: str | None) -> Tokenizer:
    """A tokenizer that splits at spaces, and numbers digit by digit, as Gemma's does."""
    marks = ["<pad>", "<s>", "<unk>", "<fake_token_around_image>", "<global-img>", "\n", ",", ";", "-", "."]
    vocabulary = {name: number for number, name in enumerate([*marks, *"0123456789", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(" ", "removed"),
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Split(",", "isolated"),
            pre_tokenizers.Split(";", "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    if begin is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, vocabulary[begin])]
        )
    tokenizer.add_special_tokens(["<pad>", "<s>", "<unk>", "<fake_token_around_image>", "<global-img>"])
    return tokenizer


def _drawn(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights under which attention is not flat and nothing grows or vanishes."""
    if "norm" in name and name.endswith("weight") and len(shape) == 1:
        array = rng.uniform(-0.3, 0.3, shape) + (0.0 if "gemma" in name or "language_model" in name else 1.0)
    elif "q_proj" in name or "k_proj" in name:
        array = rng.normal(0, 1.5 / np.sqrt(shape[-1]), shape)
    elif len(shape) > 1:
        array = rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
    else:
        array = rng.normal(0, 0.2, shape)
    return array.astype(np.float32)
