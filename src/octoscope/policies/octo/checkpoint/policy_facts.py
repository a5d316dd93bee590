"""What a checkpoint is, in plain values that print and go into JSON."""

from collections.abc import Mapping
from typing import Any

from flax import linen as nn

from octoscope.checkpoints.stored_params import StoredParams
from octoscope.policies.normalization_type import NormalizationType
from octoscope.policies.octo.checkpoint.statistics import action_dimensions, complete_statistics, statistics_faults
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.network.tokenizers import ImageTokenizer
from octoscope.policies.octo.observation_keys import unread_images
from octoscope.tokens.token_source import camera_of

Facts = dict[str, Any]


def config_facts(config: Mapping[str, Any]) -> Facts:
    """Returns sizes and rules that the config states.

    Args:
      config: The whole config, after `apply_shims`.
    """
    model = config["model"]
    transformer = model["transformer_kwargs"]
    return {
        "layers": transformer.get("num_layers"),
        "attention heads": transformer.get("num_attention_heads"),
        "token embedding": model["token_embedding_size"],
        "longest window": model["max_horizon"],
        "readouts": model["readouts"],
        "repeats the words at each timestep": model["repeat_task_tokens"],
        "attention rule": "today's" if model["use_correct_attention"] else "of December 2023 (off by one token)",
    }


def input_facts(example_batch: Mapping[str, Any]) -> Facts:
    """Returns what the policy takes, by its example batch."""
    observation = example_batch["observation"]
    images = {key: value for key, value in observation.items() if key.startswith("image_")}
    others = [key for key in observation if key not in images and hasattr(observation[key], "shape")]
    return {
        "window": observation["timestep_pad_mask"].shape[1],
        "cameras": {camera_of(key): _by(image.shape[2:4]) for key, image in images.items()},
        "other observations": {key: _by(observation[key].shape[2:]) or "1" for key in others if "pad_mask" not in key},
        "tasks": [key for key in example_batch["task"] if key != "pad_mask_dict"],
    }


def camera_facts(module: OctoModule, example_batch: Mapping[str, Any]) -> Facts:
    """Returns the cameras that some tokenizer reads, and where there are such, those of the example batch that none reads."""
    images = {key: value for key, value in example_batch["observation"].items() if key.startswith("image_")}
    unread = unread_images(module.octo_transformer.observation_tokenizers, list(images))
    looked = {camera_of(key): _by(image.shape[2:4]) for key, image in images.items() if key not in unread}
    return {"cameras": looked} | ({"not looked through": [camera_of(key) for key in unread]} if unread else {})


def module_facts(module: OctoModule) -> Facts:
    """Returns the tokenizers and heads that were built."""
    transformer = module.octo_transformer
    return {
        "observation tokenizers": {k: _tokenizer(v) for k, v in transformer.observation_tokenizers.items()},
        "task tokenizers": {k: _tokenizer(v) for k, v in transformer.task_tokenizers.items()},
        "action heads": {k: _head(v) for k, v in module.heads.items()},
    }


def weight_facts(stored: StoredParams) -> Facts:
    """Returns how the parameters are stored."""
    return {
        "weights": stored.format,
        "dtype": list(stored.dtypes),
        "parameters": stored.size,
        "bytes": stored.nbytes,
    }


def statistics_facts(statistics: Mapping[str, Any], kind: NormalizationType) -> Facts:
    """Returns the datasets whose action statistics can be used and how many dimensions each has."""
    usable = {
        name or "(one, without a name)": complete_statistics(entry["action"], kind)
        for name, entry in statistics.items()
        if "action" in entry and not statistics_faults(entry["action"], kind)
    }
    return {"datasets": {name: action_dimensions(entry) for name, entry in usable.items()}}


def text_fact(spec: Mapping[str, Any] | None) -> str:
    """Returns what turns words into inputs, as the config names it.

    >>> text_fact({"name": "HFTokenizer", "kwargs": {"tokenizer_name": "t5-base"}})
    'HFTokenizer, t5-base'
    """
    if spec is None:
        return "none: the policy takes no words"
    vocabulary = (spec.get("kwargs") or {}).get("tokenizer_name")
    return spec["name"] + (f", {vocabulary}" if vocabulary else "")


def _tokenizer(tokenizer: nn.Module) -> str:
    name = type(tokenizer).__name__
    if isinstance(tokenizer, ImageTokenizer):
        learner = f", {tokenizer.num_tokens} learned tokens" if tokenizer.use_token_learner else ""
        film = f", FiLM by {', '.join(tokenizer.task_film_keys)}" if tokenizer.task_film_keys else ""
        return f"{name}, {type(tokenizer.encoder()).__name__} over {', '.join(tokenizer.obs_stack_keys)}{film}{learner}"
    return name


def _head(head: Any) -> str:
    return f"{type(head).__name__} on {head.readout_key}, horizon {head.action_horizon}, dimensions {head.action_dim}"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
