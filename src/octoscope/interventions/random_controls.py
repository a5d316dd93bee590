"""Random regions of the same area: what an intervention of that size does wherever it falls."""

from dataclasses import replace

import numpy as np

from octoscope.interventions.descriptions import CoverPatches, CoverPixels, Intervention, MaskKeys, Patches, Together
from octoscope.interventions.step_scene import StepScene
from octoscope.interventions.token_choice import check_patches, chosen_keys


def random_control(scene: StepScene, intervention: Intervention, rng: np.random.Generator) -> Intervention | None:
    """Returns the intervention at a random other place: the region shifted around the picture, with its area and its fill.

    The shift wraps around, so a region may fall apart at the picture's edge, and it may overlap the original. Masked words are
    replaced by as many other words, where there are enough. None where nothing is random about a place: a whole camera, other words.

    Args:
      scene: The step.
      intervention: What is done.
      rng: Of the places.
    """
    match intervention:
        case CoverPatches(camera, patches):
            shifted = _shifted(scene, camera, patches, rng)
            return None if shifted is None else replace(intervention, patches=shifted)
        case MaskKeys(camera=str() as camera, patches=patches) if patches is not None:
            shifted = _shifted(scene, camera, patches, rng)
            return None if shifted is None else replace(intervention, patches=shifted)
        case MaskKeys(words=words) if words is not None:
            return _other_words(scene, intervention, rng)
        case CoverPixels(mask=mask):
            height, width = mask.shape[-2:]
            shift = _shift((height, width), rng)
            moved = np.roll(mask, shift, axis=(-2, -1))
            return None if not mask.any() or mask.all() else replace(intervention, mask=moved, name="random region")
        case Together(parts):
            others = [random_control(scene, part, rng) for part in parts]
            found = [other for other in others if other is not None]
            return Together(found) if len(found) == len(parts) else None
    return None


def _shift(size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Returns rows and columns to shift by, not both 0."""
    place = int(rng.integers(1, max(2, size[0] * size[1])))
    return place // size[1], place % size[1]


def _shifted(scene: StepScene, camera: str, patches: Patches, rng: np.random.Generator) -> Patches | None:
    grid = scene.layout.image_spans(camera)[-1].source.grid
    cells = check_patches(patches, grid, camera)
    if cells.all() or not cells.any():
        return None
    moved = np.roll(cells, _shift(cells.shape, rng), axis=(0, 1))
    return tuple((int(row), int(column)) for row, column in np.argwhere(moved))


def _other_words(scene: StepScene, intervention: MaskKeys, rng: np.random.Generator) -> MaskKeys | None:
    words, count = scene.instruction.split(), len(intervention.words or ())
    others = [word for word in dict.fromkeys(words) if word not in (intervention.words or ())]
    if len(others) < count:
        return None
    drawn = replace(intervention, words=tuple(rng.choice(others, count, replace=False).tolist()))
    # Words of other lengths hide other numbers of tokens; there is nothing closer.
    return drawn if chosen_keys(scene.layout, drawn).any() else None
