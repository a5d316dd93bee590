"""What one unit of a convolutional encoder sees of the image, from the kernels, strides and paddings."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that reach unit (row, column): `size` wide, centred on `first_center + stride * (row, column)`.

    A unit's cell in the patch grid is `stride` pixels wide and starts at `stride * row`. The two are not concentric: Octo's
    SmallStem16 pads symmetrically, so a token sees 31 pixels centred on the top-left pixel of its own 16-pixel cell.
    """

    # Pixels along each axis.
    size: int
    # Pixels between neighbouring units.
    stride: int
    # Pixel index (0 is the first pixel's centre) that unit 0 is centred on.
    first_center: float
    # Pixels between neighbouring units of a row, where it is not `stride`: for an oblong image that is squashed into a square grid.
    column_stride: int | None = None

    @property
    def strides(self) -> tuple[int, int]:
        """Pixels between neighbouring units of a column, and of a row."""
        return (self.stride, self.stride if self.column_stride is None else self.column_stride)


def receptive_field(layers: Iterable[tuple[int, int, int]]) -> ReceptiveField:
    """Returns the receptive field after layers of (kernel, stride, padding at the start), first layer first.

    Reference: Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.
    https://distill.pub/2019/computing-receptive-fields

    >>> receptive_field([(3, 2, 1)] * 4)
    ReceptiveField(size=31, stride=16, first_center=0.0, column_stride=None)
    >>> receptive_field([(16, 16, 0)])
    ReceptiveField(size=16, stride=16, first_center=7.5, column_stride=None)
    """
    size, stride, center = 1, 1, 0.0
    for kernel, layer_stride, padding in layers:
        center += stride * ((kernel - 1) / 2 - padding)
        size += (kernel - 1) * stride
        stride *= layer_stride
    return ReceptiveField(size, stride, center)
