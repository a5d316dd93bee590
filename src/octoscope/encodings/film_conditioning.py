"""What FiLM does to an image encoder's feature maps for an instruction: scale and shift of every channel, before and after.

Reference: Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", 2018, section 2. https://arxiv.org/abs/1709.07871
Their gamma is our 1 + scale, their beta our shift.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.array_typing import Float, Int
from octoscope.errors import SelectionError, nearest
from octoscope.runs.run import Run

# What `film_effect` reads.
FILM_POINTS = ("film.*",)
NO_FILM = (
    "This checkpoint conditions no image encoder by FiLM: the words reach the pictures through attention alone, and every feature map of "
    "its image encoders is the same under all instructions."
)


@dataclass(frozen=True, eq=False)
class FilmEffect:
    """One FiLM layer at one step: feature maps become before * (1 + scale) + shift."""

    # "primary.0": image tokenizer, and which of its FiLM layers.
    layer: str
    step: int
    instruction: str
    scale: Float[np.ndarray, " channel"]
    shift: Float[np.ndarray, " channel"]
    # Of the current timestep.
    before: Float[np.ndarray, "row column channel"]
    after: Float[np.ndarray, "row column channel"]

    @property
    def moved(self) -> Float[np.ndarray, " channel"]:
        """Root mean square of what FiLM changes in each channel of this frame, in the units of the feature map."""
        return np.sqrt(np.square(self.after - self.before).mean(axis=(0, 1)))

    @property
    def strongest(self) -> Int[np.ndarray, " channel"]:
        """Channels from the one that is moved most to the one that is moved least."""
        return np.argsort(-self.moved, kind="stable")

    @property
    def moved_part(self) -> float:
        """Root mean square of all changes over that of the maps before: 0 where FiLM does nothing."""
        size = float(np.sqrt(np.square(self.before).mean()))
        return float(np.sqrt(np.square(self.after - self.before).mean())) / size if size else float("nan")


@dataclass(frozen=True, eq=False)
class FilmPair:
    """What FiLM does differently under two instructions, at one layer and step."""

    first: FilmEffect
    second: FilmEffect

    @property
    def scale_change(self) -> Float[np.ndarray, " channel"]:
        """Scale under the second less that under the first."""
        return self.second.scale - self.first.scale

    @property
    def shift_change(self) -> Float[np.ndarray, " channel"]:
        """Shift under the second less that under the first."""
        return self.second.shift - self.first.shift

    @property
    def moved(self) -> Float[np.ndarray, " channel"]:
        """Root mean square of the difference of each channel's maps between the instructions, in the units of the feature map."""
        return np.sqrt(np.square(self.second.after - self.first.after).mean(axis=(0, 1)))

    @property
    def strongest(self) -> Int[np.ndarray, " channel"]:
        """Channels from the one that differs most to the one that differs least."""
        return np.argsort(-self.moved, kind="stable")


def film_layers(run: Run) -> tuple[str, ...]:
    """Returns the FiLM layers whose encodings the run holds: "primary.0"; none where it holds none."""
    return tuple(dict.fromkeys(point.place for point in run.encoding_points if point.stage.startswith("film.")))


def film_statement(run: Run) -> str:
    """Returns the sentence that says whether the checkpoint has FiLM, and whether the run holds what it does."""
    if film_layers(run):
        return f"FiLM conditions the image encoders at {', '.join(film_layers(run))}."
    if not config_has_film(run.policy_config):
        words = any(span.source.kind == "language" for span in run.layout.spans)
        return NO_FILM if words else "This policy takes no words that could condition an image encoder by FiLM."
    return "This checkpoint conditions its image encoders by FiLM, but the run holds none of it: make one with --encodings 'film.*'."


def config_has_film(config: Mapping[str, Any]) -> bool:
    """Returns whether a checkpoint's config lets the task condition an image encoder.

    >>> config_has_film({"model": {"observation_tokenizers": {"primary": {"kwargs": {"task_film_keys": ["language_instruction"]}}}}})
    True
    """
    # Other families have no such entry, and no FiLM.
    tokenizers = config.get("model", {}).get("observation_tokenizers", {}).values()
    return any(tokenizer.get("kwargs", {}).get("task_film_keys") for tokenizer in tokenizers)


def film_effect(run: Run, *, step: int | None = None, layer: str | None = None) -> FilmEffect:
    """Returns what one FiLM layer does at one step.

    Args:
      run: A run with the encodings "film.*".
      step: Step of the episode; the run's first by default.
      layer: Such as "primary.0"; the first by default.

    Raises:
      SelectionError: If the run holds no FiLM, saying whether the checkpoint has any; or not that layer or step.
    """
    layers = film_layers(run)
    if not layers:
        raise SelectionError(film_statement(run))
    layer = layers[0] if layer is None else layer
    if layer not in layers:
        raise SelectionError(
            f"There is no FiLM layer '{layer}'.{nearest(layer, layers)} There are: {', '.join(layers)}."
        )
    step = run.steps[0] if step is None else step
    points = {point.stage: point.name for point in run.encoding_points if point.place == layer}
    scale, shift, before, after = (
        run.encoding(points[f"film.{part}"], step=step) for part in ("scale", "shift", "before", "after")
    )
    return FilmEffect(layer, step, run.manifest["instruction"], scale, shift, before[-1], after[-1])


def compare_film(first: FilmEffect, second: FilmEffect) -> FilmPair:
    """Returns what a FiLM layer does differently under two instructions.

    Raises:
      SelectionError: If the two are of different layers, steps, or maps.
    """
    if (first.layer, first.step, first.before.shape) != (second.layer, second.step, second.before.shape):
        raise SelectionError(
            f"Both must be of one layer and step: {first.layer} at step {first.step}, {second.layer} at step {second.step}."
        )
    return FilmPair(first, second)
