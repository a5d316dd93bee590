"""The embedded policy's config: Octo's own classes, small; two cameras, repeated words, window 2, a diffusion head."""

from typing import Any

import numpy as np

from factory.tabletop.camera import PRIMARY_SIZE, WRIST_SIZE
from factory.tabletop.training_data import HORIZON
from octoscope.policies.octo.network.t5 import T5Config

WINDOW = 2
TEXT_ENCODER = "tabletop-words"
TEXT_SIZES = T5Config(vocab_size=64, d_model=64, num_layers=2, num_heads=4, d_kv=16, d_ff=128)
# The longest instruction has ten words; the eleventh piece ends it.
MAX_PIECES = 12
DATASET = "tabletop"


def policy_config() -> dict[str, Any]:
    """Returns the config; the words are trained with the rest, which the published policies' T5 was not."""

    def spec(module: str, name: str, **kwargs: Any) -> dict[str, Any]:
        return {"module": module, "name": name, "args": [], "kwargs": kwargs}

    components = "octo.model.components"

    def camera(name: str) -> dict[str, Any]:
        stem = spec(f"{components}.vit_encoders", "SmallStem16", features=[32, 32, 64, 96], num_features=128)
        return spec(
            f"{components}.tokenizers",
            "ImageTokenizer",
            obs_stack_keys=[f"image_{name}"],
            task_stack_keys=[],
            encoder=stem,
        )

    head = spec(
        f"{components}.action_heads",
        "DiffusionActionHead",
        readout_key="readout_action",
        action_horizon=HORIZON,
        action_dim=7,
        hidden_dim=128,
    )
    language = spec(f"{components}.tokenizers", "LanguageTokenizer", encoder=TEXT_ENCODER, finetune_encoder=True)
    return {
        "window_size": WINDOW,
        "model": {
            "observation_tokenizers": {"primary": camera("primary"), "wrist": camera("wrist")},
            "task_tokenizers": {"language": language},
            "heads": {"action": head},
            "readouts": {"action": 1},
            "token_embedding_size": 128,
            "transformer_kwargs": {"num_layers": 4, "mlp_dim": 512, "num_attention_heads": 4},
            "max_horizon": WINDOW,
            "repeat_task_tokens": True,
            "use_correct_attention": True,
        },
        "text_processor": spec(
            "octo.data.utils.text_processing",
            "HFTokenizer",
            tokenizer_name=TEXT_ENCODER,
            tokenizer_kwargs={"max_length": MAX_PIECES, "padding": "max_length", "truncation": True},
        ),
    }


def example_batch() -> dict[str, Any]:
    """Returns one all-zero example of what the policy takes, batch size 1."""
    present = np.ones((1, WINDOW), bool)
    sizes = {"image_primary": PRIMARY_SIZE, "image_wrist": WRIST_SIZE}
    images = {key: np.zeros((1, WINDOW, size, size, 3), np.uint8) for key, size in sizes.items()}
    words = {name: np.zeros((1, MAX_PIECES), np.int64) for name in ("input_ids", "attention_mask")}
    return {
        "observation": {**images, "timestep_pad_mask": present, "pad_mask_dict": {key: present for key in images}},
        "task": {"language_instruction": words, "pad_mask_dict": {"language_instruction": np.ones(1, bool)}},
    }
