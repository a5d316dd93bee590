"""What a token could tell of the pixels of its patch: colour, edges, and where in the patch an object lies."""

import numpy as np

from octoscope.array_typing import Float, Int, UInt8

# A patch whose edges are weaker than this (mean squared difference of neighbouring grey levels) has no direction to tell.
_FLAT = 4.0
# An object has a place in a patch where it covers neither nearly nothing nor nearly all of it.
_LEAST, _MOST = 0.05, 0.95


def patch_targets(
    frames: UInt8[np.ndarray, "frame height width 3"],
    *,
    patch: int,
    masks: Int[np.ndarray, "frame height width"] | None = None,
    objects: int = 0,
) -> dict[str, Float[np.ndarray, "frame row column _"]]:
    """Returns ground truth for each patch, NaN where a question does not arise.

    * "colour": mean red, green and blue, 0..255.
    * "edge strength": root mean square difference of neighbouring grey levels.
    * "edge direction": cosine and sine of twice the angle of the strongest gradient, times how much it prevails (structure tensor, Bigun &
      Granlund, 1987); where there are edges.
    * "place in picture": row and column of the patch.
    * "object in patch": centre of the object's pixels within the patch, down and across, -0.5..0.5; where one object covers part of it.

    Args:
      frames: RGB, 0..255.
      patch: Pixels of a patch's side, a divisor of both sides of the frames.
      masks: For each pixel 0 for background, 1..objects for objects, more for other things.
      objects: How many objects there are.

    >>> targets = patch_targets(np.zeros((2, 32, 32, 3), np.uint8), patch=16)
    >>> {name: values.shape[-1] for name, values in targets.items()}
    {'colour': 3, 'edge strength': 1, 'edge direction': 2, 'place in picture': 2}
    """
    grey = frames.astype(np.float64).mean(axis=-1)
    down, across = np.diff(grey, axis=1, append=grey[:, -1:]), np.diff(grey, axis=2, append=grey[:, :, -1:])
    squares = [_patch_mean(part[..., None], patch) for part in (down**2, across**2, down * across)]
    energy = squares[0] + squares[1]
    direction = np.concatenate([squares[1] - squares[0], 2 * squares[2]], axis=-1) / np.maximum(energy, 1e-12)
    grid = energy.shape[1:3]
    places = np.stack(np.meshgrid(*(np.arange(count) for count in grid), indexing="ij"), axis=-1)
    targets = {
        "colour": _patch_mean(frames.astype(np.float64), patch),
        "edge strength": np.sqrt(energy),
        "edge direction": np.where(energy > _FLAT, direction, np.nan),
        "place in picture": np.broadcast_to(places, (len(frames), *places.shape)).astype(np.float64),
    }
    if masks is not None and objects:
        targets["object in patch"] = _object_places(masks, patch, objects)
    return targets


def patch_pixels(
    frames: UInt8[np.ndarray, "frame height width 3"], *, patch: int
) -> Float[np.ndarray, "frame row column pixel"]:
    """Returns the raw pixels of each patch: all that any patch embedding, however it was trained, can pass on linearly.

    >>> patch_pixels(np.zeros((2, 32, 32, 3), np.uint8), patch=16).shape
    (2, 2, 2, 768)
    """
    cells = np.moveaxis(_cells(frames.astype(np.float64), patch), 3, 2)
    return cells.reshape(*cells.shape[:3], -1)


def field_pixels(
    frames: UInt8[np.ndarray, "frame height width 3"], *, patch: int
) -> Float[np.ndarray, "frame row column pixel"]:
    """Returns the pixels of twice the patch's side, centred on the patch's first pixel as Octo's stem is, at half resolution.

    As many numbers as `patch_pixels`, over the stem's receptive field: what a linear map would make of the wider view alone. Beyond the
    picture's edge is mid-grey, as in the stem.

    >>> field_pixels(np.zeros((2, 32, 32, 3), np.uint8), patch=16).shape
    (2, 2, 2, 768)
    """
    half = _patch_mean(frames.astype(np.float64), 2)
    side = patch // 2
    padded = np.pad(half, ((0, 0), (side, 0), (side, 0), (0, 0)), constant_values=127.5)
    rows, columns = half.shape[1] // side, half.shape[2] // side
    windows = [
        padded[:, r * side : (r + 2) * side, c * side : (c + 2) * side].reshape(len(frames), -1)
        for r in range(rows)
        for c in range(columns)
    ]
    return np.stack(windows, axis=1).reshape(len(frames), rows, columns, -1)


def _patch_mean(
    values: Float[np.ndarray, "frame height width channel"], patch: int
) -> Float[np.ndarray, "frame row column channel"]:
    return _cells(values, patch).mean(axis=(2, 4))


def _cells(
    values: Float[np.ndarray, "frame height width channel"], patch: int
) -> Float[np.ndarray, "frame row down column across channel"]:
    frames, height, width, channels = values.shape
    return values.reshape(frames, height // patch, patch, width // patch, patch, channels)


def _object_places(
    masks: Int[np.ndarray, "frame height width"], patch: int, objects: int
) -> Float[np.ndarray, "frame row column 2"]:
    # Of several objects in a patch, the one that covers most.
    inside = np.stack([masks == number for number in range(1, objects + 1)], axis=-1).astype(np.float64)
    covers = _patch_mean(inside, patch)
    offset = (
        (np.arange(masks.shape[1]) % patch + 0.5) / patch - 0.5,
        (np.arange(masks.shape[2]) % patch + 0.5) / patch - 0.5,
    )
    sums = [_patch_mean(inside * along, patch) for along in (offset[0][:, None, None], offset[1][:, None])]
    centres = np.stack(sums, axis=-2) / np.maximum(covers, 1e-12)[..., None, :]
    largest = covers.argmax(axis=-1)[..., None]
    part = np.take_along_axis(covers, largest, axis=-1)
    chosen = np.take_along_axis(centres, largest[..., None, :], axis=-1)[..., 0]
    return np.where((part >= _LEAST) & (part <= _MOST), chosen, np.nan)
