"""Policies of a few thousand parameters in the official format, made of whatever a config names."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import serialization

from octoscope.policies.octo.checkpoint.config import apply_shims
from octoscope.policies.octo.checkpoint.module_spec import build_module
from octoscope.policies.octo.network.t5 import T5Config

TEXT_ENCODER = T5Config(vocab_size=64, d_model=16, num_layers=1, num_heads=2, d_kv=8, d_ff=16)


def spec(module: str, name: str, **kwargs: Any) -> dict[str, Any]:
    return {"module": f"octo.{module}", "name": name, "args": [], "kwargs": kwargs}


def tokenizer(name: str, **kwargs: Any) -> dict[str, Any]:
    return spec("model.components.tokenizers", name, **kwargs)


def encoder(name: str, **kwargs: Any) -> dict[str, Any]:
    return spec("model.components.vit_encoders", name, **kwargs)


def head(name: str, **kwargs: Any) -> dict[str, Any]:
    return spec("model.components.action_heads", name, readout_key="readout_action", **kwargs)


def small_config(**model: Any) -> dict[str, Any]:
    """A camera of four patches, one readout, a head of three numbers; entries of `model` replace these."""
    patches = encoder("PatchEncoder", patch_size=16, num_features=8)
    return {
        "model": {
            "observation_tokenizers": {
                "primary": tokenizer("ImageTokenizer", obs_stack_keys=["image_primary"], encoder=patches)
            },
            "task_tokenizers": {},
            "heads": {"action": head("ContinuousActionHead", action_dim=3)},
            "readouts": {"action": 1},
            "token_embedding_size": 16,
            "transformer_kwargs": {"num_layers": 2, "mlp_dim": 16, "num_attention_heads": 2},
            "max_horizon": 4,
            "repeat_task_tokens": True,
            "use_correct_attention": True,
            **model,
        },
        "text_processor": None,
    }


def small_batch(window: int = 2, **task: np.ndarray) -> dict[str, Any]:
    real = np.ones((1, window), bool)
    images = np.random.default_rng(0).integers(0, 256, (1, window, 32, 32, 3)).astype(np.uint8)
    return {
        "observation": {"image_primary": images, "timestep_pad_mask": real, "pad_mask_dict": {"image_primary": real}},
        "task": {"image_primary": images[:, 0], **task, "pad_mask_dict": {}},
    }


def write_policy(folder: Path, config: dict[str, Any], batch: dict[str, Any]) -> Path:
    """Writes random parameters for a config, in the files of the official program."""
    module = build_module(apply_shims(config)["model"], lambda name: TEXT_ENCODER)
    observation = batch["observation"]
    real = jnp.asarray(observation["timestep_pad_mask"])
    shapes = jax.eval_shape(module.init, jax.random.key(0), observation, batch["task"], real)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: (0.2 * rng.normal(size=leaf.shape)).astype(np.float32), shapes)
    step = folder / "0" / "default"
    step.mkdir(parents=True)
    (step / "checkpoint").write_bytes(serialization.msgpack_serialize(variables["params"]))
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "example_batch.msgpack").write_bytes(serialization.msgpack_serialize(batch))
    statistics = {"action": {"mean": [0.0, 0.0], "std": [1.0, 1.0]}}
    (folder / "dataset_statistics.json").write_text(json.dumps(statistics))
    return folder
