"""Who may look at whom, as data: a boolean matrix that hashes, compares and goes into JSON small."""

import base64
import functools
import zlib
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool


@dataclass(frozen=True)
class Rules:
    """For each query of a stack, the keys that it may look at, before padding is taken away."""

    # Queries, keys.
    shape: tuple[int, int]
    # One bit a cell, row after row, deflated, in base64: block rules of 700 tokens take 1 kB.
    bits: str

    @classmethod
    def of(cls, allowed: Bool[np.ndarray, "query key"]) -> "Rules":
        """Returns the rules that a matrix states.

        >>> Rules.of(np.tri(2, dtype=bool)).matrix.astype(int)
        array([[1, 0],
               [1, 1]])
        """
        queries, keys = allowed.shape
        return cls((queries, keys), base64.b64encode(zlib.compress(np.packbits(allowed).tobytes(), 9)).decode())

    @functools.cached_property
    def matrix(self) -> Bool[np.ndarray, "query key"]:
        """True where a query may look at a key. It is shared, and so cannot be written to.

        Raises:
          ValueError: If the bits are damaged, or not as many as the shape wants.
        """
        queries, keys = self.shape
        expected = -(-queries * keys // 8)
        try:
            # One byte more than is right is enough to tell that there is too much.
            bits = zlib.decompressobj().decompress(base64.b64decode(self.bits, validate=True), max(0, expected) + 1)
        except (zlib.error, ValueError) as error:
            raise ValueError(f"the rules of {queries} x {keys} tokens cannot be read ({error})") from error
        if min(queries, keys) < 0 or len(bits) != expected:
            raise ValueError(f"the rules of {queries} x {keys} tokens must be {expected} bytes, are {len(bits)}")
        matrix = np.unpackbits(np.frombuffer(bits, np.uint8), count=queries * keys).astype(bool).reshape(self.shape)
        matrix.flags.writeable = False
        return matrix
