"""Class activation maps on paper: the picture, and each map laid over it where its units see."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.cnn.activation_maps.activation_maps import ActivationMap
from octoscope.cnn.filters.filter_results import layer_title
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.layer_fields import layer_field
from octoscope.cnn.networks.network import Layer
from octoscope.render.color_scale import ColorScale
from octoscope.render.lettering import short_number
from octoscope.render.overlay import Box, render_overlay
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet

FOOTNOTE = (
    "Brighter: the layer speaks for the score there (magma, from 0 to the number beside the tile; every tile has a scale of its own, so "
    "tiles cannot be compared by brightness). The picture is shown grey. Each cell stands where its unit's receptive field is centred; "
    "a unit sees more than its cell; where the picture is pale no unit is centred. Values below 0 are drawn as 0, as in all these methods. "
    "No map proves what the score depends on."
)


def render_cam_sheet(
    network: GraphNetwork,
    picture: UInt8[np.ndarray, "height width 3"],
    rows: Sequence[Sequence[ActivationMap]],
    *,
    smooth: bool = False,
    tile_size: int = 224,
    notes: Sequence[str] = (),
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Returns a sheet with one row per score and layer and one tile per method.

    Args:
      network: That the maps were made of.
      picture: As the network took it.
      rows: Maps of one score each; at least one.
      smooth: Interpolate between units instead of filling cells.
      tile_size: Pixels of a tile's longer side.
      notes: More lines under the title.
    """
    drawn = []
    # The title names the layer; rows do only where they differ in it.
    several = len({maps[0].explained.layer.name for maps in rows}) > 1
    for maps in rows:
        explained = maps[0].explained
        tiles = [PictureTile("picture", picture, f"score {explained.value:.3g}")]
        tiles += [
            PictureTile(
                cam.method,
                overlay_map(network, picture, cam.heat, explained.layer, smooth=smooth, size=tile_size),
                _scale(cam.heat),
            )
            for cam in maps
        ]
        layer = f"{layer_title(explained.layer)}: " if several else ""
        drawn.append(PictureRow(f"{layer}{explained.title}", tiles))
    first = rows[0][0].explained
    layers = ", ".join(dict.fromkeys(layer_title(maps[0].explained.layer) for maps in rows))
    costs = "; ".join(f"{cam.method}: {cam.cost}" for cam in rows[0])
    more = list(dict.fromkeys(maps[0].explained.note for maps in rows if maps[0].explained.note))
    return render_picture_sheet(
        drawn,
        title=f"Class activation maps: {first.network}, layer {layers}",
        subtitle=[costs, *notes, *(f"{first.network}: {note}." for note in more)],
        tile_size=tile_size,
        footnote=FOOTNOTE,
    )


def overlay_map(
    network: GraphNetwork,
    picture: UInt8[np.ndarray, "height width 3"],
    heat: Float[np.ndarray, "row column"],
    layer: Layer,
    *,
    smooth: bool = False,
    size: int | None = None,
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Returns a layer's map over the picture, each unit's cell on the middle of what it sees."""
    scale = ColorScale.spanning([heat])
    return render_overlay(
        picture, heat, scale=scale, box=_map_box(network, layer, picture, heat), smooth=smooth, size=size
    )


def _map_box(
    network: GraphNetwork,
    layer: Layer,
    picture: UInt8[np.ndarray, "height width 3"],
    heat: Float[np.ndarray, "row column"],
) -> Box | None:
    """Returns where a layer's map lies on the picture; None (all of it) behind a global pool."""
    field = layer_field(network, layer.name, (picture.shape[0], picture.shape[1]))
    return None if field.whole else field.grid_box((heat.shape[0], heat.shape[1]))


def _scale(heat: Float[np.ndarray, "row column"]) -> str:
    top = float(heat.max())
    return f"0 to {short_number(top)}" if top > 0 else "all zero"
