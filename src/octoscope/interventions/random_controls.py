"""Random regions of the same area, clear of the region itself: what an intervention of that size does wherever it falls."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.interventions.descriptions import CoverPatches, CoverPixels, Intervention, MaskKeys, Patches, Together
from octoscope.interventions.step_scene import StepScene
from octoscope.interventions.token_choice import check_patches
from octoscope.tokens.words import words_of_pieces

# A random place shares at most this part of the region: the named object must not be in its own control.
_MOST_SHARED = 0.05
# Of other words of which some are drawn.
_MOST_SETS = 1000


@dataclass(frozen=True)
class RandomControls:
    """The same intervention at random other places, no two alike."""

    interventions: Sequence[Intervention]
    # How many such places there are; None where nothing is random about a place: a whole camera, words.
    possible: int | None

    def note(self, asked: int) -> str:
        """Returns why there are fewer than asked for; "" where there are not."""
        few = self.possible is not None and self.possible < asked
        return f"only {self.possible} other places of its size are clear of it" if few else ""


def random_controls(
    scene: StepScene, intervention: Intervention, rng: np.random.Generator, *, count: int
) -> RandomControls:
    """Returns the intervention at random other places: the region shifted around the picture, with its area and its fill.

    Places share at most 5 % of the region, over the frames of the window; fewer come back where there are fewer. The shift wraps
    around, so a region may fall apart at the picture's edge. Masked words are replaced by as many other words, of those that the
    policy reads.

    Args:
      scene: The step.
      intervention: What is done.
      rng: Of the places.
      count: How many are wanted.
    """
    match intervention:
        case CoverPatches(camera, patches):
            return _moved_patches(scene, intervention, camera, patches, rng, count)
        case MaskKeys(camera=str() as camera, patches=patches) if patches is not None:
            return _moved_patches(scene, intervention, camera, patches, rng, count)
        case MaskKeys(words=words) if words is not None:
            return _other_words(scene, intervention, rng, count)
        case CoverPixels(mask=mask):
            return _moved_pixels(scene, intervention, rng, count) if mask.any() else RandomControls((), None)
        case Together(parts):
            found = [random_controls(scene, part, rng, count=count) for part in parts]
            if any(each.possible is None and not each.interventions for each in found):
                return RandomControls((), None)
            known = [each.possible for each in found if each.possible is not None]
            rows = zip(*(each.interventions for each in found), strict=False)
            return RandomControls([Together(row) for row in rows], min(known, default=None))
    return RandomControls((), None)


def shared_parts(region: Bool[np.ndarray, "time row column"]) -> Float[np.ndarray, "row column"]:
    """Returns, for each shift around the picture, the part of the region that is covered again by the shifted one.

    >>> shared_parts(np.array([[[True, True, False, False]]])).tolist()
    [[1.0, 0.5, 0.0, 0.5]]
    """
    spectrum = np.fft.fft2(region.astype(np.float64))
    shared = np.abs(np.rint(np.fft.ifft2((np.abs(spectrum) ** 2).sum(axis=0)).real))
    return shared / max(1, int(region.sum()))


def _clear_shifts(
    region: Bool[np.ndarray, "time row column"], rng: np.random.Generator, count: int
) -> tuple[list[tuple[int, int]], int]:
    """Returns shifts to places clear of the region, no two alike, and how many there are."""
    clear = shared_parts(region) <= _MOST_SHARED
    clear[0, 0] = False
    places = np.argwhere(clear)
    drawn = rng.permutation(len(places))[:count]
    return [(int(row), int(column)) for row, column in places[drawn]], len(places)


def _moved_patches(
    scene: StepScene,
    intervention: CoverPatches | MaskKeys,
    camera: str,
    patches: Patches,
    rng: np.random.Generator,
    count: int,
) -> RandomControls:
    cells = check_patches(patches, scene.layout.image_spans(camera)[-1].source.grid, camera)
    if cells.all() or not cells.any():
        return RandomControls((), None)
    shifts, possible = _clear_shifts(cells[None], rng, count)
    moved = [np.argwhere(np.roll(cells, shift, axis=(0, 1))).tolist() for shift in shifts]
    return RandomControls([replace(intervention, patches=tuple(map(tuple, places))) for places in moved], possible)


def _moved_pixels(scene: StepScene, intervention: CoverPixels, rng: np.random.Generator, count: int) -> RandomControls:
    mask = intervention.mask
    if mask.all():
        return RandomControls((), None)
    shown = [scene.frames[time] for time in scene.timesteps(intervention.timestep)]
    region = mask[None] if mask.ndim == 2 else mask[sorted({time for time in shown if time < len(mask)})]
    shifts, possible = _clear_shifts(region, rng, count)
    moved = [np.roll(mask, shift, axis=(-2, -1)) for shift in shifts]
    return RandomControls([replace(intervention, mask=one, name="random region") for one in moved], possible)


def _other_words(scene: StepScene, intervention: MaskKeys, rng: np.random.Generator, count: int) -> RandomControls:
    # Of the pieces that the policy reads: an instruction may be longer than its tokenizer allows.
    read = [word.text for word in words_of_pieces(scene.layout.instruction_pieces)]
    chosen = intervention.words or ()
    others = [word for word in dict.fromkeys(read) if word not in chosen]
    # Words of other lengths hide other numbers of tokens; there is nothing closer.
    sets = list(itertools.islice(itertools.combinations(others, len(chosen)), _MOST_SETS))
    drawn = [sets[place] for place in rng.permutation(len(sets))[:count]]
    return RandomControls([replace(intervention, words=words) for words in drawn], None)
