"""Names in the order that people mean: numbers in them count as numbers."""

import re


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Returns a key for `sorted`; HDF5 and folders give names by the alphabet.

    >>> sorted(["demo_10", "demo_2", "demo_0"], key=natural_key)
    ['demo_0', 'demo_2', 'demo_10']
    """
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
