"""Proprioception and other numbers of an episode, found by name and normalised as the policy's training data were.

How the recorded field of an observation key is found, first rule that fits:

1. the user's choice (`observation_keys={"proprio": "state"}`, `--observation proprio=state`; `none` leaves the key out);
2. the same name: "proprio", or "observation/proprio" where a step has two fields of that name;
3. for "proprio", the field that the checkpoint's config was trained with (`proprio_obs_key`);
4. an obvious other name: "state" for "proprio" and the like, see `ALIASES`.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from octoscope.array_typing import Float32
from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, nearest
from octoscope.policies.numbers import NONE, Numbers
from octoscope.policies.octo.checkpoint.normalization_type import (
    PROPRIO_ENTRY,
    NormalizationType,
    find_entries,
    normalization_type,
)
from octoscope.policies.octo.checkpoint.statistics import NEEDED, find_statistics
from octoscope.policies.octo.model import OctoModel

# What datasets call the same thing, likeliest first.
ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "proprio": ("state", "robot_state", "proprioception"),
        "state": ("proprio", "robot_state"),
    }
)
# The official pipeline normalises this one observation, beside the action.
_NORMALIZED = "proprio"


def find_numbers(model: OctoModel, episode: Episode, key: str, *, chosen: str | None = None) -> Numbers | None:
    """Returns the recorded numbers for an observation key, or None when the episode has none by that name.

    Args:
      model: The policy; says how many numbers it takes and how they were normalised.
      episode: Its extras are looked through.
      key: Name of the observation ("proprio").
      chosen: Name of the recorded field, where it is not to be found by its name.

    Raises:
      EpisodeError: If the chosen field is not recorded, or what is found has another number of values than the policy takes.
    """
    found = _find(model, episode, key, chosen)
    if found is None:
        return None
    recorded, rule = found
    values = _as_numbers(model, episode, key, recorded)
    normalized, note = _normalize(model, episode.dataset, key, values)
    return Numbers(normalized, values, recorded, rule, note)


def _find(model: OctoModel, episode: Episode, key: str, chosen: str | None) -> tuple[str, str] | None:
    extras = episode.extras
    if chosen is not None:
        if chosen not in extras:
            raise EpisodeError(
                f"{episode.name} records no '{chosen}' to be '{key}'.{nearest(chosen, extras)} "
                f"It records: {', '.join(extras) or 'no numbers'}."
            )
        return chosen, "chosen by the user"
    named = find_entries(model.config.get("dataset_kwargs"), PROPRIO_ENTRY) if key == _NORMALIZED else ()
    trained = next((str(name) for name in named), None)
    rules = [
        *((name, "same name") for name in (key, f"observation/{key}")),
        *((name, "the config's proprio_obs_key") for name in (trained, f"observation/{trained}") if trained),
        *((name, "another name of it") for alias in ALIASES.get(key, ()) for name in (alias, f"observation/{alias}")),
    ]
    return next(((name, rule) for name, rule in rules if name in extras), None)


def _as_numbers(model: OctoModel, episode: Episode, key: str, recorded: str) -> Float32[np.ndarray, "time number"]:
    values = episode.extras[recorded]
    # A step's only number (a gripper's width) is recorded without an axis.
    values = values[:, None] if values.ndim == 1 and values.dtype != object else values
    expected = model.example_batch["observation"][key].shape[2:]
    if values.dtype == object or values.dtype.kind not in "fiub" or values.shape[1:] != expected:
        came = "values of changing shape" if values.dtype == object else f"{values.dtype} of shape {values.shape[1:]}"
        raise EpisodeError(
            f"The policy's '{key}' takes {' x '.join(map(str, expected))} numbers a step, but '{recorded}' of {episode.name} has "
            f"{came}. Name another field with --observation {key}=FIELD, or leave it out with --observation {key}={NONE}. "
            f"Recorded: {', '.join(episode.extras)}."
        )
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _normalize(
    model: OctoModel, dataset: str, key: str, values: Float32[np.ndarray, "time number"]
) -> tuple[Float32[np.ndarray, "time number"], str]:
    if key != _NORMALIZED:
        return values, "as recorded: the official pipeline normalises 'proprio' alone"
    statistics = find_statistics(model.dataset_statistics, dataset, _NORMALIZED, config=model.config)
    if statistics is None:
        return values, f"as recorded: the checkpoint has no proprio statistics of '{dataset}'"
    kind = normalization_type(model.config)
    first, second = (statistics[name].astype(np.float32) for name in NEEDED[kind])
    if first.shape != values.shape[1:]:
        raise EpisodeError(
            f"The checkpoint's proprio statistics are of {first.size} numbers, but '{key}' has {values.shape[1]}. Name another "
            f"field with --observation {key}=FIELD, or leave it out with --observation {key}={NONE}."
        )
    epsilon = np.float32(1e-8)
    # What is not finite stays so, and is refused at the step that shows it to the policy.
    with np.errstate(over="ignore", invalid="ignore"):
        if kind == NormalizationType.NORMAL:
            scaled = (values - first) / (second + epsilon)
            formula = "(value - mean) / (std + 1e-8)"
        else:
            scaled = np.clip(2 * (values - first) / (second - first + epsilon) - 1, -1, 1)
            formula = "2 (value - p01) / (p99 - p01 + 1e-8) - 1, clipped to -1..1 as in training"
    of = f" of '{dataset}'" if dataset in model.dataset_statistics else ""
    note = f"{formula} with the checkpoint's proprio statistics{of}"
    return np.where(statistics["mask"], scaled, values).astype(np.float32), note
