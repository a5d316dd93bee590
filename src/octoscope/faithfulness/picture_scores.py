"""Scores of patches that need no policy: how much detail and edges they show, and how near the named object they are."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from octoscope.array_typing import Float
from octoscope.errors import EpisodeError
from octoscope.faithfulness.cells import Cells
from octoscope.interventions.step_scene import StepScene

# Score -> what it is.
PICTURE_SCORES: Mapping[str, str] = MappingProxyType(
    {
        "detail": "deviation of the pixels within a patch: plain background goes first",
        "edges": "mean size of the gradient of brightness within a patch: what has no edges goes first",
        "named object": "part of the patch that the named object covers, then how near it is",
    }
)


def picture_maps(cells: Cells, scene: StepScene, scores: Sequence[str]) -> dict[str, Float[np.ndarray, " cell"]]:
    """Returns the asked ones of these scores, by name.

    Raises:
      EpisodeError: If the named object is asked for and the episode has no masks.
    """
    maps = {}
    if "detail" in scores:
        maps["detail"] = _detail(cells, scene)
    if "edges" in scores:
        maps["edges"] = _edges(cells, scene)
    if "named object" in scores:
        maps["named object"] = np.concatenate([_nearness(cells, scene, camera) for camera in cells.sources])
    return maps


def _detail(cells: Cells, scene: StepScene) -> Float[np.ndarray, " cell"]:
    """Returns the deviation of the pixels of each cell in the current frame, mean over colours."""
    first, second, count = {}, {}, {}
    for camera in cells.sources:
        image = np.asarray(scene.images(camera)[-1:], np.float64)
        first[camera], second[camera] = image.mean(axis=-1), (image**2).mean(axis=-1)
        count[camera] = np.ones(image.shape[:3])
    pixels = cells.gathered_pixels(scene, count)
    mean, square = (cells.gathered_pixels(scene, part) / pixels for part in (first, second))
    return np.sqrt(np.maximum(square - mean**2, 0.0))


def _edges(cells: Cells, scene: StepScene) -> Float[np.ndarray, " cell"]:
    """Returns the mean size of the brightness gradient over each cell's pixels in the current frame, in levels a pixel."""
    sizes, count = {}, {}
    for camera in cells.sources:
        image = np.asarray(scene.images(camera)[-1, ..., :3], np.float64).mean(axis=-1)
        sizes[camera] = np.hypot(*np.gradient(image))[None]
        count[camera] = np.ones_like(sizes[camera])
    return cells.gathered_pixels(scene, sizes) / cells.gathered_pixels(scene, count)


def _nearness(cells: Cells, scene: StepScene, camera: str) -> Float[np.ndarray, " cell"]:
    coverage = cells.coverage(scene, camera)
    if coverage is None:
        raise EpisodeError(f"{scene.episode.name} has no masks of {camera}: leave the score 'named object' out.")
    inside, everywhere = coverage[cells.of(camera)], np.argwhere(cells.shown(camera))
    places = everywhere[inside > 0]
    if not len(places):
        return np.zeros(inside.size)
    apart = np.linalg.norm(everywhere[:, None] - places[None], axis=-1).min(axis=1)
    return inside + 1.0 / (1.0 + apart)
