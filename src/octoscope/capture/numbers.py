"""Proprioception and other numbers of an episode, found by name and normalised as the policy's training data were.

How the recorded field of an observation key is found, first rule that fits:

1. the user's choice (`observation_keys={"proprio": "state"}`, `--observation proprio=state`; `none` leaves the key out);
2. the same name: "proprio", or "observation/proprio" where a step has two fields of that name;
3. for "proprio", the field that the checkpoint's config was trained with (`proprio_obs_key`);
4. an obvious other name: "state" for "proprio" and the like, see `ALIASES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from octoscope.array_typing import Float32
from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, nearest
from octoscope.octo.action_normalization import NormalizationType
from octoscope.octo.model import OctoModel

# What the user types to leave an observation out.
NONE = "none"
# What datasets call the same thing, likeliest first.
ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "proprio": ("state", "robot_state", "proprioception"),
        "state": ("proprio", "robot_state"),
    }
)
# The official pipeline normalises this one observation, beside the action.
_NORMALIZED = "proprio"


@dataclass(frozen=True)
class Numbers:
    """One low-dimensional observation of a whole episode, as the policy takes it."""

    values: Float32[np.ndarray, "time number"]
    # Name of the recorded field.
    recorded: str
    # Which rule found it, and what was done to it; for the manifest.
    found_by: str
    normalization: str

    def to_json(self) -> dict[str, str]:
        """Returns where the numbers came from and what was done, for a run's manifest."""
        return {"from": self.recorded, "found_by": self.found_by, "normalization": self.normalization}


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
    return Numbers(normalized, recorded, rule, note)


def _find(model: OctoModel, episode: Episode, key: str, chosen: str | None) -> tuple[str, str] | None:
    extras = episode.extras
    if chosen is not None:
        if chosen not in extras:
            raise EpisodeError(
                f"{episode.name} records no '{chosen}' to be '{key}'.{nearest(chosen, extras)} "
                f"It records: {', '.join(extras) or 'no numbers'}."
            )
        return chosen, "chosen by the user"
    trained = _find_in_config(model.config.get("dataset_kwargs"), "proprio_obs_key") if key == _NORMALIZED else None
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
    return values.astype(np.float32)


def _normalize(
    model: OctoModel, dataset: str, key: str, values: Float32[np.ndarray, "time number"]
) -> tuple[Float32[np.ndarray, "time number"], str]:
    if key != _NORMALIZED:
        return values, "as recorded: the official pipeline normalises 'proprio' alone"
    known = model.dataset_statistics
    of = dataset if dataset in known else ""
    statistics = known.get(of, {}).get(_NORMALIZED)
    if statistics is None:
        return values, f"as recorded: the checkpoint has no proprio statistics of '{dataset}'"
    kind = normalization_type(model.config)
    low, high = ("mean", "std") if kind == NormalizationType.NORMAL else ("p01", "p99")
    if low not in statistics or high not in statistics:
        return values, f"as recorded: the checkpoint's proprio statistics have no {low} and {high}"
    first, second = np.asarray(statistics[low], np.float32), np.asarray(statistics[high], np.float32)
    if first.shape != values.shape[1:]:
        raise EpisodeError(
            f"The checkpoint's proprio statistics are of {first.size} numbers, but '{key}' has {values.shape[1]}. Name another "
            f"field with --observation {key}=FIELD, or leave it out with --observation {key}={NONE}."
        )
    epsilon = np.float32(1e-8)
    if kind == NormalizationType.NORMAL:
        scaled = (values - first) / (second + epsilon)
        formula = "(value - mean) / (std + 1e-8)"
    else:
        scaled = np.clip(2 * (values - first) / (second - first + epsilon) - 1, -1, 1)
        formula = "2 (value - p01) / (p99 - p01 + 1e-8) - 1, clipped to -1..1 as in training"
    mask = np.asarray(statistics.get("mask", np.ones(first.shape, bool)), bool)
    where = f"the checkpoint's proprio statistics of '{of}'" if of else "the checkpoint's proprio statistics"
    return np.where(mask, scaled, values).astype(np.float32), f"{formula} with {where}"


def normalization_type(config: Mapping[str, Any]) -> NormalizationType:
    """Returns how the checkpoint's config says that actions and proprioception were normalised; normal unless it says bounds.

    >>> normalization_type({"dataset_kwargs": {"oxe_kwargs": {"action_proprio_normalization_type": "bounds"}}}).value
    'bounds'
    """
    told = _find_in_config(config.get("dataset_kwargs"), "action_proprio_normalization_type")
    # Some configs hold the enum's name as text: "NormalizationType.BOUNDS".
    return NormalizationType.BOUNDS if str(told).lower().endswith("bounds") else NormalizationType.NORMAL


def _find_in_config(config: Any, name: str) -> Any:
    """Returns the first value of that name at any depth; None when there is none."""
    if not isinstance(config, Mapping):
        return None
    if config.get(name) is not None:
        return config[name]
    return next((found for value in config.values() if (found := _find_in_config(value, name)) is not None), None)
