"""Attention over the frame it was paid to: exact cells with a grid, or a smooth view, both at the true place."""

import dataclasses
import functools
from typing import Any

import numpy as np

from octoscope.array_typing import Bool, Float, Int, UInt8
from octoscope.render.blend import blend_beside
from octoscope.render.color_scale import ColorScale, has_data
from octoscope.render.hatching import hatch_image
from octoscope.render.photo import gray_scene, resize_photo

# Top, left, bottom, right, in pixels of an image; edges, so the whole image is (0, 0, height, width).
Box = tuple[float | int, float | int, float | int, float | int]

_GRID_GRAY = 120
_GRID_STRENGTH = 0.25
# Below this many pixels a cell, lines would hide a sixth of it and more.
_SMALLEST_CELL_WITH_GRID = 7.0


def render_overlay(
    image: UInt8[np.ndarray, "height width 3"],
    heat: Float[np.ndarray, "row column"],
    *,
    scale: ColorScale,
    box: Box | None = None,
    size: int | None = None,
    smooth: bool = False,
    valid: Bool[np.ndarray, "row column"] | None = None,
    grid: bool = True,
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Draws the values of a patch grid over the frame that the patches were cut from.

    * Colour is the value on `scale`, and nothing else is coloured: the frame itself is shown grey and dimmed. It shines through
      where values are low and has vanished at the top of the scale; `render_color_bar` uses the same blend. On a scale that is
      clear below its lower end, the frame is shown as recorded where values are lower.
    * Grey hatching marks cells without data: NaN, infinite, or not `valid`. Masked is not zero.
    * Fine lines are the borders of the patches. They are left out in the smooth view, and where a cell is under 7 pixels.
    * What lies outside `box` is washed out to white: the policy never saw it. Cells outside the frame are cut off.

    The picture does not show whether the values matter to what the policy does, nor where inside a patch the information is.

    Args:
      image: The frame as recorded, RGB, 0..255.
      heat: One value a patch, first row at the top; any shape of grid, on any shape of image.
      scale: From value to colour; values above `scale.vmax` take its last colour.
      box: Where the patch grid lies, in pixels of `image`; the whole frame by default. A letterboxed grid reaches beyond it.
      size: Pixels of the drawn picture's longer side; as recorded by default.
      smooth: Interpolate linearly between the centres of the patches, instead of filling each patch with its value.
      valid: False where the patch was masked, so that its value means nothing.
      grid: Draw the lines between patches.

    Raises:
      ValueError: If `box` has no area, or `size` is below 1.

    >>> frame = np.full((64, 64, 3), 200, np.uint8)
    >>> heat = np.zeros((16, 16)); heat[3, 8] = 0.2
    >>> overlay = render_overlay(frame, heat, scale=ColorScale(vmax=0.2), size=256)
    >>> overlay.shape, overlay[56, 136].tolist(), overlay[120, 40].tolist()
    ((256, 256, 3), [252, 253, 191], [106, 106, 106])
    """
    photo = resize_photo(image, size)
    drawn_box = None if box is None else scaled_box(box, image.shape[:2], photo.shape[:2])
    scene = gray_scene(photo)
    return overlay_scene(scene, heat, scale=scale, box=drawn_box, smooth=smooth, valid=valid, grid=grid, photo=photo)


def scaled_box(box: Box, recorded: tuple[int, ...], drawn: tuple[int, ...]) -> Box:
    """Returns the same box in pixels of the drawn picture.

    Args:
      box: In pixels of the recorded image.
      recorded: Height and width of the recorded image.
      drawn: Height and width of the drawn picture.

    >>> scaled_box((0, 8, 64, 56), (64, 64), (256, 256))
    (0.0, 32.0, 256.0, 224.0)
    """
    vertical, horizontal = drawn[0] / recorded[0], drawn[1] / recorded[1]
    return box[0] * vertical, box[1] * horizontal, box[2] * vertical, box[3] * horizontal


def overlay_scene(
    scene: UInt8[np.ndarray, "height width"],
    heat: Float[np.ndarray, "row column"],
    *,
    scale: ColorScale,
    box: Box | None = None,
    smooth: bool = False,
    valid: Bool[np.ndarray, "row column"] | None = None,
    grid: bool = True,
    photo: UInt8[np.ndarray, "height width 3"] | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """Does the work of `render_overlay` on a grey scene of the final size, which many tiles of a sheet share.

    Args:
      scene: The frame's grey, 0..255, already at the size of the picture.
      heat: See `render_overlay`.
      scale: See `render_overlay`.
      box: In pixels of `scene`.
      smooth: See `render_overlay`.
      valid: See `render_overlay`.
      grid: See `render_overlay`.
      photo: The frame in colour, at the same size, for a scale that is clear below.

    >>> overlay_scene(np.zeros((32, 48), np.uint8), np.ones((2, 3)), scale=ColorScale(vmax=1.0)).shape
    (32, 48, 3)
    """
    top, left, bottom, right = box or (0.0, 0.0, float(scene.shape[0]), float(scene.shape[1]))
    if not (top < bottom and left < right):
        raise ValueError(f"`box` must be (top, left, bottom, right) with an area, got {box}.")
    known = has_data(heat) if valid is None else has_data(heat) & valid
    rows = _Axis.along(scene.shape[0], low=top, high=bottom, cells=heat.shape[0])
    columns = _Axis.along(scene.shape[1], low=left, high=right, cells=heat.shape[1])
    # Colours are found cell by cell where all pixels of a cell have one.
    if smooth:
        pixels = _interpolated(heat, known, rows, columns)
        levels, clear = scale.levels(pixels), scale.clear(pixels)
    else:
        levels, clear = rows.spread(scale.levels(heat), columns), rows.spread(scale.clear(heat), columns)
    others: list[tuple[np.ndarray, np.ndarray]] = []
    if scale.clear_below and photo is not None:
        others.append((clear, photo))
    if not known.all():
        others.append((rows.spread(~known, columns), hatch_image(*scene.shape)))
    picture = blend_beside(levels, scene, others, scale=scale)
    if grid and not smooth and min(rows.cell_size, columns.cell_size) >= _SMALLEST_CELL_WITH_GRID:
        plain = picture[rows.starts_cell]
        picture[:, columns.starts_cell] = _mixed(picture[:, columns.starts_cell], _GRID_GRAY, _GRID_STRENGTH)
        # Where lines cross, they are drawn once.
        picture[rows.starts_cell] = _mixed(plain, _GRID_GRAY, _GRID_STRENGTH)
    if not (rows.inside.all() and columns.inside.all()):
        # What lies outside is four bands.
        _wash(picture, scene, (~rows.inside, slice(None)))
        _wash(picture, scene, (slice(None), ~columns.inside))
    return picture


@dataclasses.dataclass(frozen=True)
class _Axis:
    """Where the pixels of one image axis fall on the cells of a grid."""

    # Pixels a cell.
    cell_size: float
    # Position of each pixel's centre in cells: 0 is the first cell's outer edge, 0.5 its centre.
    position: Float[np.ndarray, " pixel"]
    # The cell each pixel lies in; the nearest one for pixels outside the grid.
    cell: Int[np.ndarray, " pixel"]
    # Whether the pixel lies on the grid at all.
    inside: Bool[np.ndarray, " pixel"]
    # Whether the pixel is the first of a cell that follows another.
    starts_cell: Bool[np.ndarray, " pixel"]

    @classmethod
    @functools.lru_cache(maxsize=64)
    def along(cls, pixels: int, *, low: float, high: float, cells: int) -> "_Axis":
        position = (np.arange(pixels) + 0.5 - low) / (high - low) * cells
        cell = np.clip(np.floor(position).astype(np.int64), 0, cells - 1)
        return cls(
            cell_size=(high - low) / cells,
            position=position,
            cell=cell,
            inside=(position >= 0) & (position < cells),
            starts_cell=np.diff(cell, prepend=cell[:1]) > 0,
        )

    def spread(self, cells: np.ndarray, columns: "_Axis") -> np.ndarray:
        """Returns the value of each pixel's cell; `self` are the rows."""
        return cells[self.cell].take(columns.cell, axis=1)


def _interpolated(
    heat: Float[np.ndarray, "row column"], known: Bool[np.ndarray, "row column"], rows: _Axis, columns: _Axis
) -> Float[np.ndarray, "height width"]:
    # A cell without data must not pull its neighbours down as a zero would: known cells share its weight.
    weight = _bilinear(known.astype(np.float32), rows, columns)
    total = _bilinear(np.where(known, heat, 0.0).astype(np.float32), rows, columns)
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 1e-6)


def _bilinear(
    values: Float[np.ndarray, "row column"], rows: _Axis, columns: _Axis
) -> Float[np.ndarray, "height width"]:
    return _linear_weights(rows, values.shape[0]) @ values @ _linear_weights(columns, values.shape[1]).T


def _linear_weights(axis: _Axis, cells: int) -> Float[np.ndarray, "pixel cell"]:
    # Half-pixel centres: a cell's value holds at its centre, and outside the outermost centres it stays constant.
    centre = np.clip(axis.position - 0.5, 0.0, cells - 1.0)
    return np.maximum(0.0, 1.0 - np.abs(centre[:, None] - np.arange(cells))).astype(np.float32)


def _wash(picture: UInt8[np.ndarray, "height width 3"], scene: UInt8[np.ndarray, "height width"], where: Any) -> None:
    picture[where] = _mixed(scene[where], 255, 0.6)[..., None]


def _mixed(picture: UInt8[np.ndarray, "*axes"], gray: int, strength: float) -> UInt8[np.ndarray, "*axes"]:
    return np.rint(picture * np.float32(1.0 - strength) + np.float32(gray * strength)).astype(np.uint8)
