"""The patches of many runs as samples of a probe: encodings by depth, what lies under each, and which episode it is of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.array_typing import Float, Int
from octoscope.encodings.linear_probe import ProbeScore, position_features, probe_encodings
from octoscope.encodings.patch_encodings import PatchEncodings
from octoscope.encodings.patch_labels import largest_objects, patch_coverages, probe_labels
from octoscope.errors import SelectionError
from octoscope.runs.run import Run

# Baseline beside the depths.
POSITION = "position"
_KINDS = {"color": "object_color", "shape": "object_shape"}


@dataclass(frozen=True, eq=False)
class ProbeSamples:
    """All patches of the current frames of some runs, one sample each."""

    # By depth, and `POSITION`.
    features: Mapping[str, Float[np.ndarray, "sample _"]]
    # By what is asked: "thing", "named", "color", "shape"; below 0 where it cannot be asked.
    labels: Mapping[str, Int[np.ndarray, " sample"]]
    episodes: Int[np.ndarray, " sample"]
    frames: Int[np.ndarray, " sample"]

    def scores(self, **settings: Any) -> dict[str, dict[str, ProbeScore]]:
        """Returns the probes of every label that has two classes; see `probe_encodings` for the settings.

        Raises:
          ValueError: If there are fewer than three episodes.
        """
        return {
            name: probe_encodings(self.features, labels, episodes=self.episodes, frames=self.frames, **settings)
            for name, labels in self.labels.items()
            if len(np.unique(labels[labels >= 0])) > 1
        }


def probe_samples(
    runs: Sequence[Run], encodings: Sequence[PatchEncodings], *, first_steps: int | None = None, least: float = 0.25
) -> ProbeSamples:
    """Returns the samples of some runs.

    Later frames of an episode tell the named object by the gripper over it: `first_steps=1` asks before anything has moved.

    Args:
      runs: One for each episode, with masks of the camera.
      encodings: Of one camera in each run, in the same order.
      first_steps: Only so many steps of each run; all by default.
      least: Part of a patch that one thing must cover to be what it shows, 0..1.

    Raises:
      SelectionError: If a run has no masks, or does not say what its objects are.
    """
    labels = [_labels(run, patches, least)[:first_steps] for run, patches in zip(runs, encodings, strict=True)]
    depths, grid = encodings[0].depths, encodings[0].grid
    values = [patches.current[:, :first_steps] for patches in encodings]
    steps = [part.shape[1] for part in values]
    rows, columns = (np.tile(index.ravel(), sum(steps)) for index in np.indices(grid))
    features = {
        name: np.concatenate([part[depth].reshape(-1, part.shape[-1]) for part in values])
        for depth, name in enumerate(depths)
    }
    names = labels[0].names
    return ProbeSamples(
        features={**features, POSITION: position_features(rows, columns, grid=grid)},
        labels={name: np.concatenate([each.values[name].ravel() for each in labels]) for name in names},
        episodes=np.repeat(np.arange(len(runs)), np.array(steps) * grid[0] * grid[1]),
        frames=np.repeat(np.arange(sum(steps)), grid[0] * grid[1]),
    )


@dataclass(frozen=True)
class _Labels:
    values: Mapping[str, Int[np.ndarray, "step row column"]]

    @property
    def names(self) -> list[str]:
        return list(self.values)

    def __getitem__(self, steps: slice) -> "_Labels":
        return _Labels({name: labels[steps] for name, labels in self.values.items()})


def _labels(run: Run, encodings: PatchEncodings, least: float) -> _Labels:
    masks = f"masks/{encodings.camera}"
    missing = [name for name in (masks, "target_id", *_KINDS.values()) if not run.holds(name)]
    if missing:
        raise SelectionError(
            f"Probes need what lies under each patch, but the run of {run.manifest['episode']} holds no {', '.join(missing)}. "
            "Episodes of the table-top ('demo') have it."
        )
    times = encodings.times[:, -1]
    shown = _read(run, masks, times)
    kinds = {name: _read(run, stored, times) for name, stored in _KINDS.items()}
    coverages = patch_coverages(shown, box=encodings.box, grid=encodings.grid, count=int(shown.max()) + 1)
    things = largest_objects(coverages, least=least)
    objects = kinds["color"].shape[1]
    return _Labels(probe_labels(things, objects=objects, named=_read(run, "target_id", times), kinds=kinds))


def _read(run: Run, name: str, times: Int[np.ndarray, " step"]) -> Int[np.ndarray, " step *axes"]:
    return run.read(name)[times].astype(np.int64)
