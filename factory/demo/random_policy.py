"""A small policy in Octo's own format with random weights: it shows the way from checkpoint to picture, and knows nothing."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from factory.demo.word_tokenizer import word_tokenizer
from octoscope.policies.octo.checkpoint.checkpoint_writer import write_checkpoint
from octoscope.policies.octo.checkpoint.config import apply_shims
from octoscope.policies.octo.checkpoint.module_spec import build_module
from octoscope.policies.octo.network.t5 import T5Config

NOTE = "RANDOM WEIGHTS: this policy was never trained. Its maps show how pictures are made, and mean nothing."
_TEXT = "demo-words"
_ENCODER = T5Config(vocab_size=64, d_model=32, num_layers=2, num_heads=2, d_kv=16, d_ff=64)
# Attention of freshly initialised layers is flat; sharper queries give the pictures something to show.
_SHARPEN = 2.0


def policy_config() -> dict[str, Any]:
    """Returns the config: two cameras, repeated words, window 2, a diffusion head; as octo-small-1.5, but small."""

    def spec(module: str, name: str, **kwargs: Any) -> dict[str, Any]:
        return {"module": module, "name": name, "args": [], "kwargs": kwargs}

    components = "octo.model.components"

    def camera(name: str) -> dict[str, Any]:
        stem = spec(f"{components}.vit_encoders", "SmallStem16", features=[32, 32, 64, 64], num_features=64)
        keys = [f"image_{name}"]
        return spec(
            f"{components}.tokenizers", "ImageTokenizer", obs_stack_keys=keys, task_stack_keys=keys, encoder=stem
        )

    head = spec(
        f"{components}.action_heads",
        "DiffusionActionHead",
        readout_key="readout_action",
        action_horizon=4,
        action_dim=7,
        hidden_dim=64,
    )
    return {
        "octoscope_note": NOTE,
        "window_size": 2,
        "model": {
            "observation_tokenizers": {"primary": camera("primary"), "wrist": camera("wrist")},
            "task_tokenizers": {"language": spec(f"{components}.tokenizers", "LanguageTokenizer", encoder=_TEXT)},
            "heads": {"action": head},
            "readouts": {"action": 1},
            "token_embedding_size": 64,
            "transformer_kwargs": {"num_layers": 3, "mlp_dim": 128, "num_attention_heads": 4},
            "max_horizon": 10,
            "repeat_task_tokens": True,
            "use_correct_attention": True,
        },
        "text_processor": spec(
            "octo.data.utils.text_processing",
            "HFTokenizer",
            tokenizer_name=_TEXT,
            tokenizer_kwargs={"max_length": 12, "padding": "max_length", "truncation": True},
        ),
    }


def example_batch() -> dict[str, Any]:
    """Returns one all-zero example of what the policy takes, batch size 1."""
    goals = {"image_primary": np.zeros((1, 128, 128, 3), np.uint8), "image_wrist": np.zeros((1, 64, 64, 3), np.uint8)}
    present = np.ones((1, 2), bool)
    words = {"input_ids": np.zeros((1, 12), np.int64), "attention_mask": np.zeros((1, 12), np.int64)}
    observation = {key: np.zeros((1, 2, *image.shape[1:]), np.uint8) for key, image in goals.items()}
    return {
        "observation": {
            **observation,
            "timestep_pad_mask": present,
            "pad_mask_dict": {key: present for key in goals},
        },
        "task": {
            **goals,
            "language_instruction": words,
            "pad_mask_dict": {key: np.ones(1, bool) for key in (*goals, "language_instruction")},
        },
    }


def write_random_policy(
    directory: Path, *, words: list[str], statistics: dict[str, dict[str, Any]], seed: int = 0
) -> None:
    """Writes the policy as an official-format checkpoint with its text files beside it.

    Args:
      directory: The checkpoint's folder.
      words: All words it can tell apart.
      statistics: Action statistics by dataset.
      seed: Of the weights.
    """
    config, batch = policy_config(), example_batch()
    module = build_module(apply_shims(config)["model"], lambda name: _ENCODER)
    observation = batch["observation"]
    params = module.init(jax.random.PRNGKey(seed), observation, batch["task"], observation["timestep_pad_mask"])
    flat: dict[str, Any] = traverse_util.flatten_dict(jax.device_get(params["params"]), sep="/")
    sharpened = {
        path: leaf * _SHARPEN if path.endswith(("0/query/kernel", "0/key/kernel")) else leaf
        for path, leaf in flat.items()
    }
    write_checkpoint(
        directory,
        step=0,
        config=config,
        params=traverse_util.unflatten_dict(sharpened, sep="/"),
        example_batch=batch,
        dataset_statistics=statistics,
    )
    text = directory / _TEXT
    text.mkdir(exist_ok=True)
    (text / "config.json").write_text(json.dumps(vars(_ENCODER)))
    word_tokenizer(words).save(str(text / "tokenizer.json"))
