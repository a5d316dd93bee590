"""Does covering the named object change the action more than covering another one?"""

import jax
import numpy as np

from factory.demo.scores.closed_loop import policy_observations
from factory.demo.scores.scenes import ScoredScenes
from octoscope.array_typing import Bool, Float, UInt8
from octoscope.embedded.table_names import OBJECTS
from octoscope.intervals import mean_interval
from octoscope.policies.octo.model import OctoModel

FILLS = ("grey", "surroundings")


def score_occlusion(model: OctoModel, scenes: ScoredScenes, *, window: int = 2) -> list[dict[str, object]]:
    """Returns, per fill, the mean change of the action chunk (normalised units) for covering each kind of object.

    The same noise is used before and after. An object is covered in both cameras, its shape grown by two pixels; the ratio is
    that of the means.
    """
    rows = np.arange(len(scenes))
    plain = _act(model, scenes, scenes.primary, scenes.wrist, window)
    results: list[dict[str, object]] = []
    for fill in FILLS:
        changes = np.stack(
            [_change(plain, _act(model, scenes, *(_cover(scenes, index, fill)), window)) for index in range(OBJECTS)],
            axis=1,
        )
        target = changes[rows, scenes.task.target]
        # What the task names besides the target is no distractor.
        idle = np.ones((len(scenes), OBJECTS), bool)
        idle[rows, scenes.task.target] = idle[rows, scenes.task.reference] = False
        distractor = np.array([change[keep].mean() for change, keep in zip(changes, idle, strict=True)])
        results.append(
            {
                "fill": fill,
                "count": len(scenes),
                "target": float(target.mean()),
                "target_interval": mean_interval(target, bounds=(0.0, np.inf)),
                "distractor": float(distractor.mean()),
                "distractor_interval": mean_interval(distractor, bounds=(0.0, np.inf)),
                "ratio": float(target.mean() / distractor.mean()),
            }
        )
    return results


def _act(model: OctoModel, scenes: ScoredScenes, primary: np.ndarray, wrist: np.ndarray, window: int) -> np.ndarray:
    seen = scenes.seen(scenes.instructions, primary=primary, wrist=wrist, window=window)
    tasks = model.create_tasks(texts=seen.instructions)
    actions, _ = model.act(policy_observations(seen, window=window), tasks, rng=jax.random.PRNGKey(0))
    return np.asarray(actions)


def _change(before: np.ndarray, after: np.ndarray) -> Float[np.ndarray, " scene"]:
    return np.linalg.norm((after - before).reshape(len(before), -1), axis=1)


def _cover(scenes: ScoredScenes, index: int, fill: str) -> tuple[np.ndarray, np.ndarray]:
    return (
        cover_pixels(scenes.primary, scenes.mask_primary == index + 1, fill=fill),
        cover_pixels(scenes.wrist, scenes.mask_wrist == index + 1, fill=fill),
    )


def cover_pixels(
    images: UInt8[np.ndarray, "scene height width 3"], covered: Bool[np.ndarray, "scene height width"], *, fill: str
) -> UInt8[np.ndarray, "scene height width 3"]:
    """Returns the pictures with the pixels, and two around them, grey or in the median colour of what lies around."""
    grown, ring = _grow(covered, 2), _grow(covered, 5)
    result = images.copy()
    for picture, hole, around in zip(result, grown, ring & ~grown, strict=True):
        color = np.median(picture[around], axis=0) if fill == "surroundings" and around.any() else 127
        picture[hole] = color
    return result


def _grow(shape: Bool[np.ndarray, "scene height width"], pixels: int) -> Bool[np.ndarray, "scene height width"]:
    for _ in range(pixels):
        padded = np.pad(shape, ((0, 0), (1, 1), (1, 1)))
        shape = shape | padded[:, 2:, 1:-1] | padded[:, :-2, 1:-1] | padded[:, 1:-1, 2:] | padded[:, 1:-1, :-2]
    return shape
