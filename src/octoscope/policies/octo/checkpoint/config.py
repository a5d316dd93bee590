"""A checkpoint's config.json, brought to today's names."""

from collections.abc import Mapping
from typing import Any

from octoscope.errors import CheckpointError, ConfigError, nearest

_REQUIRED = (
    "observation_tokenizers",
    "task_tokenizers",
    "heads",
    "readouts",
    "transformer_kwargs",
    "token_embedding_size",
    "max_horizon",
)
_OBJECTS = ("observation_tokenizers", "task_tokenizers", "heads", "readouts", "transformer_kwargs")
_NUMBERS = ("token_embedding_size", "max_horizon")
# Larger than any size of a policy, and far from what would fill a memory.
_MOST = 2**16
# What the checkpoints of December 2023 were trained with, when they do not say.
_OLD_DEFAULTS = {"repeat_task_tokens": False, "use_correct_attention": False}


def apply_shims(config: Any) -> dict[str, Any]:
    """Returns the config with old names replaced and the defaults that old checkpoints leave unsaid.

    Raises:
      ConfigError: If an entry that the policy needs is missing or not known.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("model"), Mapping):
        raise ConfigError("config.json must hold an object `model`: this is not the config of an Octo checkpoint.")
    model = {**_OLD_DEFAULTS, **config["model"]}
    for name in _REQUIRED:
        if name not in model:
            raise ConfigError(f"The config's `model` lacks '{name}'; it holds {sorted(map(str, model))}.")
    for name in model:
        if name not in (*_REQUIRED, *_OLD_DEFAULTS):
            raise ConfigError(
                f"The config's `model` holds '{name}', which octoscope does not know.{nearest(name, _REQUIRED)}"
            )
    _check_types(model)
    model["heads"] = {name: _rename_horizon(head) for name, head in model["heads"].items()}
    return {**config, "model": model}


def _check_types(model: Mapping[str, Any]) -> None:
    for name in _OBJECTS:
        if not isinstance(model[name], Mapping):
            raise ConfigError(f"The config's `{name}` must be an object by name, got {type(model[name]).__name__}.")
    numbers = {name: model[name] for name in _NUMBERS} | {f"readouts/{k}": v for k, v in model["readouts"].items()}
    for name, number in numbers.items():
        if type(number) is not int or not 1 <= number <= _MOST:
            raise ConfigError(f"The config's `{name}` must be a whole number in 1..{_MOST}, got {number!r:.80}.")
    for name in _OLD_DEFAULTS:
        if type(model[name]) is not bool:
            raise ConfigError(f"The config's `{name}` must be true or false, got {model[name]!r:.80}.")


def _rename_horizon(head: Any) -> Any:
    if not isinstance(head, Mapping) or not isinstance(head.get("kwargs"), Mapping):
        return head  # no module spec, which `build` refuses
    kwargs = dict(head["kwargs"])
    if "pred_horizon" in kwargs:
        kwargs["action_horizon"] = kwargs.pop("pred_horizon")
    if isinstance(kwargs.get("token_per"), str):
        kwargs["token_per"] = kwargs["token_per"].replace("pred_horizon", "action_horizon")
    return {**head, "kwargs": kwargs}


def shim_example_batch(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an example batch with today's key names (`task`, `timestep_pad_mask`).

    Raises:
      CheckpointError: If it holds no observation, task or pad mask.
    """
    batch = dict(batch)
    if not isinstance(batch.get("observation"), Mapping) or not isinstance(
        batch.get("task", batch.get("tasks")), Mapping
    ):
        raise CheckpointError(
            f"example_batch.msgpack must hold `observation` and `task`, it holds {sorted(map(str, batch))}."
        )
    if "tasks" in batch:
        batch["task"] = batch.pop("tasks")
    observation = dict(batch["observation"])
    if "timestep_pad_mask" not in observation and "pad_mask" in observation:
        observation["timestep_pad_mask"] = observation["pad_mask"]
    if "timestep_pad_mask" not in observation:
        raise CheckpointError(
            f"The example observation has no `timestep_pad_mask`; it has {sorted(map(str, observation))}."
        )
    batch["observation"] = observation
    _check_axes("observation", observation, leading=2)
    _check_axes("task", batch["task"], leading=1)
    return batch


def _check_axes(part: str, entries: Mapping[str, Any], *, leading: int) -> None:
    """Refuses an example whose arrays lack the axes that they are known to have."""
    for key, value in entries.items():
        image = str(key).startswith("image_")
        least = leading + (3 if image else 0)
        if hasattr(value, "shape"):
            right = value.ndim >= least and 0 not in value.shape[:least]
        else:
            right = isinstance(value, Mapping) and not image and key != "timestep_pad_mask"
        if not right or not isinstance(key, str):
            shape = getattr(value, "shape", None)
            came = type(value).__name__ if shape is None else f"shape {shape}"
            raise CheckpointError(
                f"example_batch.msgpack must hold arrays with at least {least} axes, none of them empty, but its {part} '{key}' is "
                f"{came}. Copy it again from its source."
            )
