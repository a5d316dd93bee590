"""The receptive fields of one token's units, layer by layer, drawn on the picture beside the patch that the token stands for."""

import numpy as np
from PIL import Image, ImageDraw

from octoscope.array_typing import UInt8
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.layer_fields import layer_field
from octoscope.cnn.networks.network import note_lines
from octoscope.errors import SelectionError
from octoscope.render.color_scale import color_table
from octoscope.render.palette import MARK
from octoscope.render.photo import resize_photo
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet

_TILE = 420
_NOTE = (
    "Left: frames, from dark to bright: all pixels that can reach the unit of each layer that lies on the token, cut off at the "
    "picture's edge. Blue: the token's own patch, the cell that maps of attention are drawn on. Right: what the token can see, and its "
    "patch, larger. The fields are from kernels, strides and paddings; norms over the whole map besides let every pixel in, by what "
    "they do to means and deviations."
)


def render_nested_fields(
    network: GraphNetwork, picture: UInt8[np.ndarray, "height width 3"], token: tuple[int, int]
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Returns the picture with the fields of a token and of the convolutions' and pools' units beneath it.

    Args:
      network: An image encoder.
      picture: RGB, 0..255.
      token: Row and column in the last layer.

    Raises:
      SelectionError: If there is no such token.

    >>> from octoscope.cnn.stems.encoder_variants import random_encoder
    >>> from octoscope.policies.octo.network.stems import PatchEncoder
    >>> patches = random_encoder(PatchEncoder(patch_size=16, num_features=8), (64, 64), seed=0, name="patches")
    >>> render_nested_fields(patches, np.full((64, 64, 3), 99, np.uint8), (1, 1)).shape[2]
    3
    """
    size = (picture.shape[0], picture.shape[1])
    last = network.layers[-1]
    stride = layer_field(network, last.name, size).rows.stride
    grid = (size[0] // stride, size[1] // stride)
    if not (0 <= token[0] < grid[0] and 0 <= token[1] < grid[1]):
        raise SelectionError(
            f"`token` must be in 0..{grid[0] - 1} and 0..{grid[1] - 1} for {network.name}, got {token}."
        )
    own = (token[0] * stride, token[1] * stride, (token[0] + 1) * stride, (token[1] + 1) * stride)
    boxes: dict[tuple[int, int, int, int], str] = {}
    for layer in network.layers:
        field = layer_field(network, layer.name, size)
        if layer.kind in ("conv", "max_pool"):
            unit = (token[0] * stride // field.rows.stride, token[1] * stride // field.columns.stride)
            box = field.box(unit, size)
            # Layers that see the same have one frame, named after the first of them.
            boxes.setdefault(box, f"{layer.name} {field.rows.size} x {field.columns.size}")
    whole = next(reversed(boxes)) if boxes else own
    top, left = min(whole[0], own[0]), min(whole[1], own[1])
    bottom, right = max(whole[2], own[2]), max(whole[3], own[3])
    pad = 4
    crop = (max(top - pad, 0), max(left - pad, 0), min(bottom + pad, size[0]), min(right + pad, size[1]))
    tiles = [
        PictureTile("picture", _framed(picture, (0, 0, *size), boxes, own)),
        PictureTile("what the token can see", _framed(picture, crop, boxes, own)),
    ]
    field = layer_field(network, last.name, size)
    own_middle = (stride - 1) / 2
    off = own_middle - field.rows.first_center
    lines = [
        f"Token at row {token[0]}, column {token[1]} of {grid[0]} x {grid[1]}: sees {field.rows.size} x {field.columns.size} pixels; "
        f"its patch has {stride} x {stride}. The field is centred {_off(off)}.",
        "Fields: " + ", ".join(boxes.values()) + " pixels.",
    ]
    lines += note_lines(network)
    title = f"What a token can see: {network.name}"
    return render_picture_sheet([PictureRow("", tiles)], title=title, subtitle=lines, tile_size=_TILE, footnote=_NOTE)


def _off(pixels: float) -> str:
    if pixels == 0:
        return "on the middle of the patch"
    where = "up and to the left" if pixels > 0 else "down and to the right"
    return f"{abs(pixels):g} pixels {where} of the middle of the patch"


def _framed(
    picture: UInt8[np.ndarray, "height width 3"],
    crop: tuple[int, int, int, int],
    boxes: dict[tuple[int, int, int, int], str],
    own: tuple[int, int, int, int],
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    part = picture[crop[0] : crop[2], crop[1] : crop[3]]
    whole = max(1, _TILE // max(part.shape[:2]))
    image = resize_photo(part, _TILE) if whole == 1 else part.repeat(whole, axis=0).repeat(whole, axis=1)
    canvas = Image.fromarray(np.ascontiguousarray(image))
    draw = ImageDraw.Draw(canvas)
    scale = image.shape[0] / part.shape[0]

    def frame(box: tuple[int, int, int, int], color: tuple[int, int, int], width: int) -> None:
        top, left, bottom, right = ((edge - crop[place % 2]) * scale for place, edge in enumerate(box))
        draw.rectangle((left, top, right - 1, bottom - 1), outline=color, width=width)

    shades = color_table("inferno")[np.linspace(110, 250, len(boxes)).astype(int)]
    for box, shade in zip(boxes, shades.tolist(), strict=True):
        frame(box, tuple(shade), 2)
    frame(own, MARK, 3)
    return np.asarray(canvas)
