"""Heat over a scene: the one blend that overlays and colour bars share, so that the bar can be read against the tiles.

The map, less its darkest colour, is added like light to a grey, dimmed scene, and the scene fades in proportion to the value: at the
lowest value only the scene shows, at the highest only the map. Mixing the two by an alpha instead would darken a bright scene at low
values (the maps start dark), so that a little attention would look like less than none.

A map of two directions starts in its middle: at 0 only the scene shows, and from a third of either end on only the map.
"""

import functools
from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.render.color_scale import DIVERGING_MAPS, LEVELS, ColorScale, color_table

# Up to this the blend gets lighter, over any scene and in every map, as the value rises (within 0.6 of a unit of CIE L*).
_SCENE_BRIGHTNESS = 0.5
# Lifts the darker half of the scene, which would be lost at that brightness.
_SCENE_GAMMA = 0.75


@functools.lru_cache(maxsize=16)
def blend_table(cmap: str) -> UInt8[np.ndarray, "256 256 3"]:
    """Returns the colour of each level of a map (first axis) over each grey of a scene (second axis).

    >>> table = blend_table("magma")
    >>> table[0, 200].tolist(), table[-1, 200].tolist()
    ([106, 106, 106], [252, 253, 191])
    """
    if cmap in DIVERGING_MAPS:
        return _two_way_table(cmap)
    fading = 1.0 - np.linspace(0.0, 1.0, LEVELS)
    scene = fading[:, None, None] * 255 * _SCENE_BRIGHTNESS * np.linspace(0.0, 1.0, 256)[None, :, None] ** _SCENE_GAMMA
    # Where a map starts in a colour (viridis: purple), that colour would tint the whole scene: it fades in instead.
    colors = color_table(cmap)
    light = colors - fading[:, None] * colors[0]
    table = np.rint(np.clip(light[:, None, :] + scene, 0, 255)).astype(np.uint8)
    table.flags.writeable = False
    return table


def _two_way_table(cmap: str) -> UInt8[np.ndarray, "256 256 3"]:
    colors = color_table(cmap).astype(np.float64)[:, None, :]
    strength = np.minimum(1.0, 3.0 * np.abs(np.linspace(-1.0, 1.0, LEVELS)))[:, None, None]
    scene = 255 * _SCENE_BRIGHTNESS * np.linspace(0.0, 1.0, 256)[None, :, None] ** _SCENE_GAMMA
    table = np.rint(strength * colors + (1.0 - strength) * scene).astype(np.uint8)
    table.flags.writeable = False
    return table


def blend_heat(
    values: Float[np.ndarray, "height width"], scene: UInt8[np.ndarray, "height width"], *, scale: ColorScale
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the values as light over a grey scene.

    Args:
      values: One value a pixel; where it is NaN the colour means nothing and must be drawn over.
      scene: The grey of the frame, 0..255, not yet dimmed.
      scale: From value to colour.

    >>> blend_heat(np.array([[0.0, 1.0]]), np.uint8([[200, 200]]), scale=ColorScale(vmax=1.0)).tolist()
    [[[106, 106, 106], [252, 253, 191]]]
    """
    return blend_levels(scale.levels(values), scene, scale=scale)


def blend_levels(
    levels: UInt8[np.ndarray, "height width"], scene: UInt8[np.ndarray, "height width"], *, scale: ColorScale
) -> UInt8[np.ndarray, "height width 3"]:
    """Does the work of `blend_heat` on rows of the colour table, see `ColorScale.levels`.

    >>> blend_levels(np.uint8([[0, 255]]), np.uint8([[200, 200]]), scale=ColorScale(vmax=1.0)).tolist()
    [[[106, 106, 106], [252, 253, 191]]]
    """
    return blend_beside(levels, scene, [], scale=scale)


def blend_beside(
    levels: UInt8[np.ndarray, "height width"],
    scene: UInt8[np.ndarray, "height width"],
    others: Sequence[tuple[Bool[np.ndarray, "height width"], UInt8[np.ndarray, "height width 3"]]],
    *,
    scale: ColorScale,
) -> UInt8[np.ndarray, "height width 3"]:
    """Does the work of `blend_levels`, but takes other pictures where their masks say so; the last one wins.

    >>> others = [(np.array([[True, False]]), np.full((1, 2, 3), 7, np.uint8))]
    >>> blend_beside(np.uint8([[0, 255]]), np.uint8([[200, 200]]), others, scale=ColorScale(vmax=1.0)).tolist()
    [[[7, 7, 7], [252, 253, 191]]]
    """
    # All colours in one list and one look-up a pixel: each `np.where` over three channels takes longer than that.
    table = blend_table(scale.cmap)
    colors = [table.reshape(-1, 3)]
    places = levels.astype(np.int32) * table.shape[1] + scene
    start = len(colors[0])
    for mask, picture in others:
        np.copyto(places, np.arange(start, start + mask.size, dtype=np.int32).reshape(mask.shape), where=mask)
        colors.append(picture.reshape(-1, 3))
        start += mask.size
    return (np.concatenate(colors) if others else colors[0]).take(places, axis=0)
