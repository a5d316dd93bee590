"""What was last read from a run, kept in memory: the pictures of one step ask for the same arrays again and again."""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np


class RecentReads:
    """Arrays by name and index, the latest ones up to a size in bytes; read-only, because many share them."""

    def __init__(self, read: Callable[[str, int | None], np.ndarray], *, most_bytes: int = 32 * 2**20) -> None:
        """Starts empty.

        Args:
          read: Gives an array that is not kept.
          most_bytes: Of all arrays kept; a larger array is read anew each time.
        """
        self._read, self._most_bytes = read, most_bytes
        self._kept: OrderedDict[tuple[str, int | None], np.ndarray] = OrderedDict()

    def __call__(self, name: str, index: int | None = None) -> np.ndarray:
        """Returns entry `index` of the array `name`, or all of it.

        >>> reads = RecentReads(lambda name, index: np.full(2, index))
        >>> reads("actions", 3) is reads("actions", 3)
        True
        """
        key = name, index
        # Taken out and put in anew, so that what is asked for often stays; another thread may have dropped it meanwhile.
        found = self._kept.pop(key, None)
        if found is not None:
            self._kept[key] = found
            return found
        found = self._read(name, index)
        found.flags.writeable = False
        if found.nbytes <= self._most_bytes:
            self._kept[key] = found
            while sum(array.nbytes for array in list(self._kept.values())) > self._most_bytes:
                self._kept.popitem(last=False)
        return found
