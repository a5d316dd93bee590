"""Places for labels along an axis, where some marks are closer to each other than a line of text is high."""

from collections.abc import Sequence


def label_places(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Returns places at least `gap` apart, in the order of `wanted` and as close to it as that allows.

    Args:
      wanted: Where the labelled things are, ascending.
      gap: The least distance between two labels.
      low: The first place allowed.
      high: The last place allowed; exceeded only where the labels cannot fit at all.

    >>> label_places([0.0, 1.0, 50.0], gap=10.0, low=0.0, high=100.0)
    [0.0, 10.0, 50.0]
    >>> label_places([50.0, 99.0, 100.0], gap=10.0, low=0.0, high=100.0)
    [50.0, 90.0, 100.0]
    """
    # Pool neighbours that collide into blocks, each centred on what its labels want; a block holds (first label, places wanted).
    blocks: list[list[float]] = []
    for place in wanted:
        blocks.append([place])
        while len(blocks) > 1 and _end(blocks[-2], gap, low, high) + gap > _start(blocks[-1], gap, low, high):
            last = blocks.pop()
            blocks[-1].extend(last)
    return [_start(block, gap, low, high) + gap * index for block in blocks for index in range(len(block))]


def _start(block: list[float], gap: float, low: float, high: float) -> float:
    extent = gap * (len(block) - 1)
    centred = sum(block) / len(block) - extent / 2
    return max(low, min(centred, high - extent))


def _end(block: list[float], gap: float, low: float, high: float) -> float:
    return _start(block, gap, low, high) + gap * (len(block) - 1)
