"""Cells: the patches of every camera in one row, each over the whole window. What a map scores, and what is taken away."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from octoscope.array_typing import Bool, Float, Int
from octoscope.errors import SelectionError
from octoscope.interventions.apply import apply_intervention, cell_pixels
from octoscope.interventions.descriptions import CoverPatches, Together
from octoscope.interventions.step_scene import StepScene
from octoscope.interventions.usual import named_object_masks
from octoscope.policies.inputs import PolicyInputs
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_source import TokenSource

# Hides the patches' tokens from everyone, instead of painting over their pixels.
KEYS = "keys"


@dataclass(frozen=True)
class Cells:
    """All patches that show some of an image: camera by camera, row by row. One cell is a patch at every timestep of the window.

    Patches on the padding around a frame are none: nothing can be taken away there.
    """

    layout: TokenLayout

    @functools.cached_property
    def sources(self) -> dict[str, TokenSource]:
        """What each camera's patches were made from; of two tokenizers on one camera, the first.

        Raises:
          SelectionError: If no token has a place in an image.
        """
        found: dict[str, TokenSource] = {}
        for camera in self.layout.cameras:
            placed = [span for span in self.layout.image_spans(camera) if span.source.grid is not None]
            found |= {camera: placed[0].source} if placed else {}
        if not found:
            raise SelectionError("No token of this policy has a place in a recorded image, so no map can be scored.")
        return found

    def __len__(self) -> int:
        """Returns the number of cells of all cameras."""
        return sum(int(self.shown(camera).sum()) for camera in self.sources)

    def grid(self, camera: str) -> tuple[int, int]:
        """Returns rows and columns of a camera's cells."""
        grid = self.sources[camera].grid
        assert grid is not None, "sources have a grid"
        return grid

    def shown(self, camera: str) -> Bool[np.ndarray, "row column"]:
        """Returns which places of a camera's grid are cells."""
        return self.sources[camera].shows_scene()

    def fit(self, layout: TokenLayout) -> bool:
        """Whether a layout has the same cells at the same places, such as that of another instruction."""
        other = Cells(layout)
        return other.sources == self.sources and np.array_equal(other.keys(), self.keys())

    def of(self, camera: str) -> slice:
        """Returns where a camera's cells lie in the row."""
        start = 0
        for name in self.sources:
            size = int(self.shown(name).sum())
            if name == camera:
                return slice(start, start + size)
            start += size
        raise SelectionError(f"There are no cells of '{camera}', only of {', '.join(self.sources)}.")

    def picture(self, values: Float[np.ndarray, " cell"], camera: str) -> Float[np.ndarray, "row column"]:
        """Returns a camera's cells as a grid; NaN on padding."""
        picture = np.full(self.grid(camera), np.nan, values.dtype)
        picture[self.shown(camera)] = values[self.of(camera)]
        return picture

    def mask(self, chosen: Bool[np.ndarray, " cell"], camera: str) -> Bool[np.ndarray, "row column"]:
        """Returns chosen cells of a camera as a grid; False on padding."""
        picture = np.zeros(self.grid(camera), bool)
        picture[self.shown(camera)] = chosen[self.of(camera)]
        return picture

    def keys(self) -> Int[np.ndarray, "cell window"]:
        """Returns the places in the sequence of each cell's tokens, oldest timestep first.

        >>> image = ("obs_primary", 2, TokenSource("image", ("image_primary",), grid=(1, 2)))
        >>> Cells(TokenLayout.assemble([], [image], window=2)).keys()
        array([[0, 2],
               [1, 3]])
        """
        rows = []
        for camera, source in self.sources.items():
            spans = [span for span in self.layout.image_spans(camera) if span.source == source]
            places = np.stack([np.arange(span.start, span.stop) for span in spans], axis=1)
            rows.append(places[self.shown(camera).ravel()])
        return np.concatenate(rows)

    def gathered(self, per_key: Float[np.ndarray, "*batch key"]) -> Float[np.ndarray, "*batch cell"]:
        """Returns the sum over the window of what each cell's tokens got."""
        return per_key[..., self.keys()].sum(axis=-1)

    def gathered_pixels(self, scene: StepScene, pixels: dict[str, np.ndarray]) -> Float[np.ndarray, " cell"]:
        """Returns the sum over each cell's pixels, over the window.

        Args:
          scene: The step.
          pixels: (window, height, width) by camera.
        """
        sums = []
        for camera, source in self.sources.items():
            transform = scene.padding_transform(camera)
            total = pixels[camera].astype(np.float64).sum(axis=0)
            for row, column in np.argwhere(self.shown(camera)):
                one = np.zeros(self.grid(camera), bool)
                one[row, column] = True
                sums.append(total[cell_pixels(source, total.shape, one, transform=transform)].sum())
        return np.array(sums)

    def without(self, scene: StepScene, removed: Bool[np.ndarray, " cell"], how: str) -> PolicyInputs:
        """Returns the inputs of a step with cells taken away.

        Args:
          scene: The step.
          removed: Which.
          how: A fill, or KEYS.
        """
        if not removed.any():
            return scene.inputs
        if how == KEYS:
            # The scene's sequence may be longer than the first one's, behind the pictures: by its words.
            hidden = np.zeros((scene.layout.size, scene.layout.size), bool)
            hidden[:, self.keys()[removed].ravel()] = True
            return replace(scene.inputs, hidden=hidden)
        covers = []
        for camera in self.sources:
            places = np.argwhere(self.shown(camera))[removed[self.of(camera)]]
            patches = tuple((int(row), int(column)) for row, column in places)
            covers += [CoverPatches(camera, patches, how)] if patches else []
        return apply_intervention(scene, Together(covers))

    def coverage(self, scene: StepScene, camera: str) -> Float[np.ndarray, " cell"] | None:
        """Returns the part of each cell of a camera's current frame that the named object covers; None without masks.

        Cells of other cameras are NaN.
        """
        masks = named_object_masks(scene.episode, camera)
        if masks is None or camera not in self.sources:
            return None
        mask, grid = masks[scene.frames[-1]], self.grid(camera)
        # On the policy's image, nearest pixel by half-pixel centres.
        size = scene.images(camera).shape[1:3]
        places = [((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(size, mask.shape, strict=True)]
        seen = mask[np.ix_(*places)]
        found, transform = np.full(len(self), np.nan), scene.padding_transform(camera)
        values = found[self.of(camera)]
        for index, (row, column) in enumerate(np.argwhere(self.shown(camera))):
            one = np.zeros(grid, bool)
            one[row, column] = True
            pixels = cell_pixels(self.sources[camera], size, one, transform=transform)
            # A frame of fewer pixels than the policy's may have none whose centre lies in a cell.
            values[index] = seen[pixels].sum() / max(1, pixels.sum())
        return found
