"""A small random policy whose image encoders FiLM conditions on the instruction: `python -m factory.demo.film_policy DIR`.

No published Octo has FiLM. With this one the command shows what it would do: octoscope encodings DIR drawn --parts film --beside "...".
"""

import itertools
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from factory.demo.drawn_episodes import COLORS, DATASET, SHAPES
from factory.demo.random_policy import example_batch, policy_config
from octoscope.array_typing import Float
from octoscope.policies.octo.checkpoint.checkpoint_writer import write_checkpoint
from octoscope.policies.octo.checkpoint.config import apply_shims
from octoscope.policies.octo.checkpoint.module_spec import build_module
from octoscope.policies.octo.network.t5 import T5Config
from octoscope.policies.octo.words.instruction_embeddings import EMBEDDINGS_FILE

_WIDTH = 16
# FiLM begins as what changes nothing; this is how far it goes here, for an encoding of length 1.
_SPREAD = 0.5


def write_film_policy(directory: Path, *, seed: int = 0) -> None:
    """Writes the policy as an official-format checkpoint, with the encodings of the drawn episodes' instructions beside it.

    Args:
      directory: The checkpoint's folder.
      seed: Of the weights and of the encodings.
    """
    config, batch = _config(), _batch()
    module = build_module(apply_shims(config)["model"], _no_text_encoder)
    observation = batch["observation"]
    # Shapes alone: the initialisers would take longer to compile than all else.
    made = jax.eval_shape(module.init, jax.random.key(0), observation, batch["task"], observation["timestep_pad_mask"])
    rng = np.random.default_rng(seed)
    flat: dict[str, Any] = traverse_util.flatten_dict(made["params"], sep="/")
    drawn = {path: _drawn(path, leaf.shape, rng) for path, leaf in sorted(flat.items())}
    write_checkpoint(
        directory,
        step=0,
        config=config,
        params=traverse_util.unflatten_dict(drawn, sep="/"),
        example_batch=batch,
        dataset_statistics={DATASET: {"action": {"mean": [0.0] * 7, "std": [1.0] * 7}}},
    )
    texts = [f"pick up the {color} {shape}" for color, shape in itertools.product(COLORS, SHAPES)]
    np.savez(directory / EMBEDDINGS_FILE, texts=texts, embeddings=_encodings(texts, rng))


def _drawn(path: str, shape: tuple[int, ...], rng: np.random.Generator) -> Float[np.ndarray, "..."]:
    """Returns random kernels and embeddings, with norms and biases as before training."""
    name = path.rpartition("/")[2]
    if name in ("scale", "bias"):
        return np.full(shape, float(name == "scale"), np.float32)
    spread = _SPREAD if "FilmConditioning" in path else 1 / np.sqrt(np.prod(shape[:-1]))
    return rng.normal(0.0, spread, shape).astype(np.float32)


def _config() -> dict[str, Any]:
    """Returns the config of the random policy, with FiLM in place of word tokens."""
    config = policy_config()
    for tokenizer in config["model"]["observation_tokenizers"].values():
        tokenizer["kwargs"] |= {"task_film_keys": ["language_instruction"], "task_stack_keys": []}
        tokenizer["kwargs"]["encoder"]["kwargs"]["use_film"] = True
    config["model"] |= {"task_tokenizers": {}, "repeat_task_tokens": False}
    return config | {"text_processor": None}


def _batch() -> dict[str, Any]:
    batch = example_batch()
    batch["task"]["language_instruction"] = np.zeros((1, _WIDTH), np.float32)
    return batch


def _encodings(texts: list[str], rng: np.random.Generator) -> Float[np.ndarray, "text embed"]:
    """Returns the sum of a random vector for each word, of length 1: instructions that share words are alike."""
    words = {word: rng.normal(size=_WIDTH) for text in texts for word in text.split()}
    summed = np.stack([np.sum([words[word] for word in text.split()], axis=0) for text in texts])
    return (summed / np.linalg.norm(summed, axis=1, keepdims=True)).astype(np.float32)


def _no_text_encoder(name: str) -> T5Config:
    raise AssertionError(f"no tokenizer here reads words, yet '{name}' was asked for")


def main() -> None:
    """Writes the policy into the folder given."""
    if len(sys.argv) != 2:
        sys.exit("Give the folder: python -m factory.demo.film_policy DIR")
    write_film_policy(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
