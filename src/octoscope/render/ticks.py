"""Ticks: round numbers along an axis."""

import math


def round_ticks(low: float, high: float, *, most: int) -> list[float]:
    """Returns round numbers within a range, evenly apart: steps of 1, 2 or 5 times a power of ten.

    Args:
      low: Where the axis begins.
      high: Where it ends; an axis of no length has one tick.
      most: No more ticks than this; at least 2.

    >>> round_ticks(0.0, 0.43, most=4)
    [0.0, 0.2, 0.4]
    >>> round_ticks(0.0, 11.0, most=5)
    [0.0, 5.0, 10.0]
    >>> round_ticks(0.0, 0.0, most=5)
    [0.0]
    """
    if not high > low:
        return [low]
    power = math.floor(math.log10((high - low) / most)) - 1
    for exponent in range(power, power + 4):
        for factor in (1, 2, 5):
            step = factor * 10.0**exponent
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first + 1 <= most:
                # Rounding takes 3 * 0.1 back to 0.3.
                return [round(count * step, 12) for count in range(first, last + 1)]
    return [low, high]
