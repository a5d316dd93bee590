"""Tiny random policies of any configuration, written as official-format checkpoints, and tiny episodes for them."""

import json
from pathlib import Path

import jax
import numpy as np
from flax import traverse_util

import octoscope as osc
from factory.demo.word_tokenizer import word_tokenizer
from octoscope.policies.octo.checkpoint.checkpoint_writer import write_checkpoint
from octoscope.policies.octo.checkpoint.config import apply_shims
from octoscope.policies.octo.checkpoint.module_spec import build_module
from octoscope.policies.octo.network.t5 import T5Config

COMPONENTS = "octo.model.components"
TEXT = "tiny-words"
ENCODER = T5Config(vocab_size=16, d_model=8, num_layers=1, num_heads=1, d_kv=8, d_ff=16)
PIECES = 4
INSTRUCTION = "push the ball"
DATASET = "tiny_dataset"


def spec(module, name, **kwargs):
    return {"module": module, "name": name, "args": [], "kwargs": kwargs}


def images(*patterns, goals=(), film=(), patch=16, **kwargs):
    """An ImageTokenizer that cuts square patches, `patch` pixels wide."""
    encoder = spec(f"{COMPONENTS}.vit_encoders", "PatchEncoder", patch_size=patch, num_features=8, use_film=bool(film))
    stacked = {"obs_stack_keys": list(patterns), "task_stack_keys": list(goals), "task_film_keys": list(film)}
    return spec(f"{COMPONENTS}.tokenizers", "ImageTokenizer", encoder=encoder, **stacked, **kwargs)


def numbers(*patterns, **kwargs):
    return spec(f"{COMPONENTS}.tokenizers", "LowdimObsTokenizer", obs_keys=list(patterns), **kwargs)


def head(name="L1ActionHead", *, readout_key="readout_action", horizon=2, dim=3, **kwargs):
    return spec(
        f"{COMPONENTS}.action_heads",
        name,
        readout_key=readout_key,
        action_horizon=horizon,
        action_dim=dim,
        **kwargs,
    )


def tiny_policy(
    directory: Path,
    tokenizers,
    *,
    cameras=None,
    lowdim=None,
    readouts=None,
    heads=None,
    language=True,
    encodings=None,
    window=2,
    max_horizon=4,
    repeat=True,
    correct=True,
    statistics=None,
    config=None,
):
    """Writes and loads a policy.

    Args:
      directory: Where the checkpoint is written.
      tokenizers: Specs of the observation tokenizers, in sequence order.
      cameras: Image size by camera; one 32 x 32 primary camera by default.
      lowdim: Number of entries by observation key.
      readouts: Number of tokens by name.
      heads: Specs; an L1 head on the first readout by default.
      language: Whether it takes words.
      encodings: Entries of the instruction's encoding, for a policy that takes one instead of words.
      window: Timesteps in training.
      max_horizon: Timesteps that have positions.
      repeat: `repeat_task_tokens`.
      correct: `use_correct_attention`.
      statistics: dataset_statistics.json.
      config: More entries of config.json.
    """
    cameras = {"primary": (32, 32)} if cameras is None else cameras
    language_tokenizer = spec(f"{COMPONENTS}.tokenizers", "LanguageTokenizer", encoder=TEXT)
    text = spec(
        "octo.data.utils.text_processing",
        "HFTokenizer",
        tokenizer_name=TEXT,
        tokenizer_kwargs={"max_length": PIECES, "padding": "max_length", "truncation": True},
    )
    whole = {
        "window_size": window,
        "text_processor": text if language else None,
        "model": {
            "observation_tokenizers": tokenizers,
            "task_tokenizers": {"language": language_tokenizer} if language else {},
            "heads": {"action": head()} if heads is None else heads,
            "readouts": {"action": 1} if readouts is None else readouts,
            "token_embedding_size": 16,
            "transformer_kwargs": {"num_layers": 2, "mlp_dim": 16, "num_attention_heads": 2},
            "max_horizon": max_horizon,
            "repeat_task_tokens": repeat,
            "use_correct_attention": correct,
        },
        **(config or {}),
    }
    batch = _example_batch(cameras, lowdim or {}, window, language=language, encodings=encodings)
    module = build_module(apply_shims(whole)["model"], lambda name: ENCODER)
    observation = batch["observation"]
    shapes = jax.eval_shape(
        module.init, jax.random.key(0), observation, batch["task"], observation["timestep_pad_mask"]
    )
    known = statistics or {DATASET: {"action": {"mean": [0.0] * 3, "std": [1.0] * 3}}}
    write_checkpoint(
        directory,
        step=0,
        config=whole,
        params=_random(shapes["params"]),
        example_batch=batch,
        dataset_statistics=known,
    )
    (directory / TEXT).mkdir()
    (directory / TEXT / "config.json").write_text(json.dumps(vars(ENCODER)))
    word_tokenizer(["push", "the", "ball"]).save(str(directory / TEXT / "tokenizer.json"))
    return osc.OctoModel.load_pretrained(directory)


def tiny_episode(cameras=("primary",), *, steps=4, size=(32, 32), instruction=INSTRUCTION, seed=0, **extras):
    """An episode of noise; each extra is an array or its number of entries."""
    rng = np.random.default_rng(seed)
    return osc.Episode(
        images={camera: rng.integers(0, 256, (steps, *size, 3), np.uint8) for camera in cameras},
        instruction=instruction,
        actions=np.zeros((steps, 3), np.float32),
        name=f"{DATASET}/train/0",
        dataset=DATASET,
        extras={
            name: rng.normal(size=(steps, extra)).astype(np.float32) if isinstance(extra, int) else extra
            for name, extra in extras.items()
        },
    )


def _example_batch(cameras, lowdim, window, *, language, encodings):
    goals = {f"image_{camera}": np.zeros((1, *size, 3), np.uint8) for camera, size in cameras.items()}
    observation = {key: np.zeros((1, window, *goal.shape[1:]), np.uint8) for key, goal in goals.items()}
    observation |= {key: np.zeros((1, window, size), np.float32) for key, size in lowdim.items()}
    words = {name: np.zeros((1, PIECES), np.int64) for name in ("input_ids", "attention_mask")}
    told = {"language_instruction": words} if language else {}
    told |= {"language_instruction": np.zeros((1, encodings), np.float32)} if encodings else {}
    present = np.ones((1, window), bool)
    return {
        "observation": {
            **observation,
            "timestep_pad_mask": present,
            "pad_mask_dict": dict.fromkeys(observation, present),
        },
        "task": {**goals, **told, "pad_mask_dict": {key: np.ones(1, bool) for key in (*goals, *told)}},
    }


def _random(shapes):
    # Without compiling the initialisers, which would take longer than all else.
    rng = np.random.default_rng(1)
    flat = traverse_util.flatten_dict(shapes, sep="/")
    drawn = {path: rng.normal(0, 0.5, leaf.shape).astype(leaf.dtype) for path, leaf in sorted(flat.items())}
    return traverse_util.unflatten_dict(drawn, sep="/")
