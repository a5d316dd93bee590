"""What a shift of the picture by whole pixels does to the tokens of an encoder, and how well it can be undone.

A convolution commutes with shifts by its stride; what lies between is up to what was learnt. Reference: Zhang, "Making Convolutional
Networks Shift-Invariant Again", ICML 2019, https://arxiv.org/abs/1904.11486
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Int, UInt8
from octoscope.cnn.networks.graph import GraphNetwork
from octoscope.cnn.networks.layer_fields import layer_field
from octoscope.cnn.stems.encoder_variants import encode_frames
from octoscope.cnn.stems.ridge_regression import read_linearly


@dataclass(frozen=True, eq=False)
class ShiftResponse:
    """An encoder under shifts; arrays go by shift."""

    encoder: str
    # Pixels.
    shifts: tuple[int, ...]
    # Mean squared change of a token over that of two random tokens of the set: 0 unchanged, 1 as good as another token.
    change: Float[np.ndarray, " shift"]
    # R2 of the unshifted tokens from the shifted ones by interpolation between two neighbours: nothing is fitted. It may fall below 0.
    interpolated: Float[np.ndarray, " shift"]
    # R2 of the unshifted tokens from the same two neighbours by the best linear map of other episodes; the mean of both directions.
    mapped: Float[np.ndarray, " shift"]


def shift_response(
    network: GraphNetwork,
    frames: UInt8[np.ndarray, "frame height width 3"],
    *,
    episodes: Int[np.ndarray, " frame"],
    shifts: Sequence[int] = tuple(range(1, 17)),
    name: str = "",
) -> ShiftResponse:
    """Returns what shifts do, down and across alike, as means over both.

    The picture moves by `shift` pixels to the right or down; its first pixels are repeated behind it. Tokens that see the picture's edge
    before or after are left out.

    Args:
      network: An encoder.
      frames: RGB, 0..255.
      episodes: Which episode each frame is of.
      shifts: In pixels, 1 up to the encoder's stride.
      name: For tables; the network's own by default.

    Raises:
      ValueError: If a shift is outside 1..stride, or no token is free of the edge.

    >>> from octoscope.cnn.stems.encoder_variants import random_encoder
    >>> from octoscope.policies.octo.network.stems import PatchEncoder
    >>> patches = random_encoder(PatchEncoder(patch_size=16, num_features=8), (64, 64), seed=0, name="patches")
    >>> frames = np.random.default_rng(0).integers(0, 256, (60, 64, 64, 3)).astype(np.uint8)
    >>> result = shift_response(patches, frames, episodes=np.arange(60) % 6, shifts=[16])
    >>> [round(float(values[0]), 3) for values in (result.interpolated, result.mapped)]
    [1.0, 1.0]
    """
    field = layer_field(network, network.layers[-1].name, (frames.shape[1], frames.shape[2])).rows
    if not all(1 <= shift <= field.stride for shift in shifts):
        raise ValueError(f"`shifts` must be in 1..{field.stride}, the stride of {network.name}, got {tuple(shifts)}.")
    still = encode_frames(network, frames)
    first, last = _free_units(field.first, field.last, field.stride, still.shape[1], frames.shape[1])
    if last <= first:
        raise ValueError(f"Every token of {network.name} sees the edge of a picture of {frames.shape[1]} pixels.")
    inner = still[:, first:last, first:last]
    apart = 2 * inner.var(axis=(0, 1, 2)).sum()
    number = np.repeat(episodes, inner.shape[1] * inner.shape[2])
    rows = []
    for shift in shifts:
        parts = []
        for axis in (1, 2):
            moved = encode_frames(network, shifted(frames, shift, axis=axis))
            here = moved[:, first:last, first:last]
            after = np.roll(moved, -1, axis=axis)[:, first:last, first:last]
            part = shift / field.stride
            between = (1 - part) * here + part * after
            both = np.concatenate([here, after], axis=-1).reshape(len(number), -1)
            parts.append(
                (
                    ((here - inner) ** 2).sum(axis=-1).mean() / apart,
                    1 - 2 * ((between - inner) ** 2).sum(axis=-1).mean() / apart,
                    read_linearly(both, inner.reshape(len(number), -1), episodes=number).r2,
                )
            )
        rows.append(np.mean(parts, axis=0))
    change, interpolated, mapped = np.array(rows).T
    return ShiftResponse(name or network.name, tuple(shifts), change, interpolated, mapped)


def shifted(
    frames: UInt8[np.ndarray, "frame height width 3"], shift: int, *, axis: int
) -> UInt8[np.ndarray, "frame height width 3"]:
    """Returns frames moved down (axis 1) or right (axis 2) by whole pixels; the first row or column is repeated behind them.

    >>> shifted(np.arange(4, dtype=np.uint8).reshape(1, 1, 4, 1).repeat(3, -1), 1, axis=2)[0, 0, :, 0].tolist()
    [0, 0, 1, 2]
    """
    length = frames.shape[axis]
    return np.take(frames, np.maximum(np.arange(length) - shift, 0), axis=axis)


def _free_units(first: int, last: int, stride: int, units: int, pixels: int) -> tuple[int, int]:
    """Returns the range of units that see no edge, nor one of their neighbour's, whatever the shift up to a stride."""
    low = -(-(stride - first) // stride)
    high = min((pixels - 1 - last) // stride, units - 2)
    return low, high
