"""The colour scale: which colour a value has, the same for every tile that shares it."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, Literal

import cmap as color_maps
import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.errors import nearest
from octoscope.render.palette import HATCH_DARK, rgb_array

# Lightness rises steadily from dark to bright in each of these, so more always looks like more.
UNIFORM_MAPS = ("magma", "inferno", "plasma", "viridis", "cividis", "rocket", "mako", "batlow")
# For signed values, pale at 0 and darker evenly on both sides.
DIVERGING_MAPS = ("vik", "broc")
_UNEVEN_MAPS = ("jet", "rainbow", "hsv", "gist_rainbow", "nipy_spectral", "turbo", "gist_ncar")
LEVELS = 256
# Most cosines lie above 0.5, and the ends alone would not tell where.
_COSINE_TICKS = (-1.0, -0.5, 0.0, 0.5, 0.9, 1.0)


@functools.lru_cache(maxsize=16)
def color_table(cmap: str) -> UInt8[np.ndarray, "256 3"]:
    """Returns the colours of a map from lowest to highest, RGB 0..255.

    >>> color_table("magma")[[0, -1]].tolist()
    [[0, 0, 4], [252, 253, 191]]
    """
    table = np.rint(np.asarray(color_maps.Colormap(cmap).lut(LEVELS))[:, :3] * 255).astype(np.uint8)
    table.flags.writeable = False
    return table


@dataclasses.dataclass(frozen=True, kw_only=True)
class ColorScale:
    """The way from a value to a colour, fixed for a sheet or a whole film.

    A value above `vmax` takes the colour of `vmax`, and the colour bar then ends in a mark ">"; a value below `vmin` likewise
    in a mark "<". Neither happens with a scale made by `ColorScale.spanning`.

    Raises:
      ValueError: If the range is empty or not finite, the map is not perceptually uniform, a diverging one is not centred on 0, a
        logarithmic one does not begin above 0, or one of angles is not of cosines, -1 to 1.

    >>> ColorScale(vmax=0.2).colors(np.array([0.0, 0.2, 0.3])).tolist()
    [[0, 0, 4], [252, 253, 191], [252, 253, 191]]
    >>> ColorScale(vmin=0.01, vmax=1.0, spacing="log").value_at(np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [0.01, 0.1, 1.0]
    >>> ColorScale.cosines().fraction_of(np.array([-1.0, 0.0, 0.5, 1.0])).round(3).tolist()
    [0.0, 0.5, 0.667, 1.0]
    """

    # The value of the darkest colour.
    vmin: float = 0.0
    # The value of the brightest colour.
    vmax: float
    # One of UNIFORM_MAPS; of signed values one of DIVERGING_MAPS, with `vmin` at minus `vmax`.
    cmap: str = "magma"
    # Whether equal steps of colour are equal differences, equal ratios, or, of cosines, equal angles.
    spacing: Literal["linear", "log", "angle"] = "linear"
    # Whether a tile shows its frame as recorded where a value lies below `vmin`, instead of the lowest colour.
    clear_below: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be read off a colour bar."""
        if not (np.isfinite(self.vmin) and np.isfinite(self.vmax) and self.vmin < self.vmax):
            raise ValueError(f"`vmin` must be finite and below `vmax`, got vmin={self.vmin}, vmax={self.vmax}.")
        if self.spacing == "log" and self.vmin <= 0.0:
            raise ValueError(f"`vmin` must be above 0 on a logarithmic scale, got {self.vmin}.")
        if self.spacing == "angle" and (self.vmin, self.vmax) != (-1.0, 1.0):
            raise ValueError(
                f"A scale of angles must be of cosines, vmin=-1 and vmax=1, got vmin={self.vmin}, vmax={self.vmax}."
            )
        _check_map(self.cmap)
        if self.cmap in DIVERGING_MAPS and self.vmin != -self.vmax:
            raise ValueError(
                f"The diverging map '{self.cmap}' has its middle at 0: `vmin` must be {-self.vmax}, got {self.vmin}. Take "
                "`ColorScale.around_zero`."
            )

    @classmethod
    def around_zero(cls, values: Iterable[Float[np.ndarray, "..."]], *, cmap: str = "vik") -> "ColorScale":
        """Returns the scale of signed values whose middle is 0 and whose ends hold the largest size in all arrays.

        Args:
          values: Every array that will be drawn with this scale; NaN and infinite entries are skipped. Where all are 0, it ends at 1.
          cmap: One of DIVERGING_MAPS.

        >>> ColorScale.around_zero([np.array([0.1, -0.4])])
        ColorScale(vmin=-0.4, vmax=0.4, cmap='vik', spacing='linear', clear_below=False)
        """
        sizes = [float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in values]
        top = max(sizes, default=0.0) or 1.0
        return cls(vmin=-top, vmax=top, cmap=cmap)

    @classmethod
    def cosines(cls, *, cmap: str = "vik") -> "ColorScale":
        """Returns the scale of cosines by their angle: 0 in the middle, and what is nearly parallel, as vectors often are, told apart.

        >>> ColorScale.cosines().levels(np.array([0.9, 0.99])).tolist()
        [218, 244]
        """
        return cls(vmin=-1.0, vmax=1.0, cmap=cmap, spacing="angle")

    @classmethod
    def spanning(cls, values: Iterable[Float[np.ndarray, "..."]], *, cmap: str = "magma") -> "ColorScale":
        """Returns the scale from 0 (or the lowest value, if negative) to the highest value of all arrays.

        Args:
          values: Every array that will be drawn with this scale; NaN and infinite entries are skipped. Where no value is above
            0, as in an empty selection, the scale ends at 1.
          cmap: One of UNIFORM_MAPS.

        >>> ColorScale.spanning([np.array([0.1, np.nan]), np.array([0.3])])
        ColorScale(vmin=0.0, vmax=0.3, cmap='magma', spacing='linear', clear_below=False)
        """
        finite = [array[np.isfinite(array)] for array in values]
        lows = [float(array.min()) for array in finite if array.size]
        highs = [float(array.max()) for array in finite if array.size]
        vmin, vmax = min([0.0, *lows]), max([0.0, *highs])
        return cls(vmin=vmin, vmax=vmax if vmax > 0.0 else 1.0, cmap=cmap)

    def levels(self, values: Float[np.ndarray, "*axes"]) -> UInt8[np.ndarray, "*axes"]:
        """Returns the row of the colour table for each value, 0..255; where `has_data` is False the row means nothing.

        >>> ColorScale(vmax=1.0).levels(np.array([0.0, 0.5, 1.0])).tolist()
        [0, 128, 255]
        """
        fractions = np.clip(np.nan_to_num(self.fraction_of(values.astype(np.float32))), 0.0, 1.0)
        return np.rint(fractions * (LEVELS - 1)).astype(np.uint8)

    def fraction_of(self, values: Float[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
        """Returns where on the scale values stand: 0 at its lower end, 1 at its upper; what is not above 0 has no logarithm: -inf."""
        if self.spacing == "linear":
            return (values - self.vmin) / (self.vmax - self.vmin)
        if self.spacing == "angle":
            # Rounding leaves the cosine of a vector with itself a little above 1.
            return 1.0 - np.arccos(np.clip(values, -1.0, 1.0)) / np.pi
        logs = np.log(values / self.vmin, out=np.full(values.shape, -np.inf, values.dtype), where=~(values <= 0.0))
        return logs / np.log(self.vmax / self.vmin)

    def value_at(self, fractions: Float[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
        """Returns the values that stand at places on the scale."""
        if self.spacing == "linear":
            return self.vmin + (self.vmax - self.vmin) * fractions
        if self.spacing == "angle":
            return np.cos(np.pi * (1.0 - fractions))
        return self.vmin * (self.vmax / self.vmin) ** fractions

    @property
    def ticks(self) -> tuple[float, ...]:
        """The values that are written beside the colours: the ends, and 0 where it is in the middle.

        >>> ColorScale(vmax=0.2).ticks, ColorScale.around_zero([np.array([3.0])]).ticks
        ((0.0, 0.2), (-3.0, 0.0, 3.0))
        """
        if self.spacing == "angle":
            return _COSINE_TICKS
        return (self.vmin, 0.0, self.vmax) if self.vmin == -self.vmax else (self.vmin, self.vmax)

    def clear(self, values: Float[np.ndarray, "*axes"]) -> Bool[np.ndarray, "*axes"]:
        """Returns where a tile shows its frame as recorded."""
        return (values < self.vmin) & self.clear_below

    def colors(self, values: Float[np.ndarray, "*axes"]) -> UInt8[np.ndarray, "*axes 3"]:
        """Returns the RGB colour of each value; flat grey, which no map holds, where there is no data.

        >>> ColorScale(vmax=1.0).colors(np.array([np.nan])).tolist()
        [[138, 141, 146]]
        """
        colors = color_table(self.cmap)[self.levels(values)]
        return np.where(has_data(values)[..., None], colors, rgb_array(HATCH_DARK))

    def tops_out(self, values: Float[np.ndarray, "..."]) -> bool:
        """Returns whether some value lies above `vmax`, so that its colour understates it.

        >>> ColorScale(vmax=0.2).tops_out(np.array([0.1, 0.3]))
        True
        """
        # One level of slack, relative to the range: a float16 value may round above the float64 maximum it came from.
        return bool((self.fraction_of(values[has_data(values)]) > 1.0 + 1.0 / LEVELS).any())

    def bottoms_out(self, values: Float[np.ndarray, "..."]) -> bool:
        """Returns whether some value lies below `vmin`, so that its colour overstates it.

        >>> ColorScale(vmin=0.1, vmax=0.2).bottoms_out(np.array([0.0]))
        True
        """
        return bool((self.fraction_of(values[has_data(values)]) < -1.0 / LEVELS).any())


def has_data(values: Float[np.ndarray, "*axes"]) -> Bool[np.ndarray, "*axes"]:
    """Returns which values are numbers: NaN means never measured, and an infinite logit means masked.

    >>> has_data(np.array([0.0, np.nan, -np.inf])).tolist()
    [True, False, False]
    """
    return np.isfinite(values)


def _check_map(name: Any) -> None:
    if name in (*UNIFORM_MAPS, *DIVERGING_MAPS):
        return
    known = ", ".join((*UNIFORM_MAPS, *DIVERGING_MAPS))
    if str(name).lower() in _UNEVEN_MAPS:
        raise ValueError(
            f"`cmap` must be perceptually uniform, got '{name}': its lightness goes up and down, so it draws edges where "
            f"the data has none and its maximum is not its brightest colour. Take one of {known}."
        )
    raise ValueError(f"`cmap` must be one of {known}, got '{name}'.{nearest(str(name), UNIFORM_MAPS)}")
