"""Frames of one camera that are decoded when they are indexed, so that memory follows what is asked for.

A `Frames` stands wherever an array (time, height, width, 3) of uint8 stands: it has `shape`, `dtype`, `len`, indexing and
iteration, and `np.asarray` decodes all of it. What was decoded last is kept, up to `CACHE_BYTES`.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike

from octoscope.array_typing import Int, UInt8

# An episode of 160 frames of 256 x 256 stays decoded; of 720p about a dozen frames do.
CACHE_BYTES = 32 * 2**20

# What an array can be asked that changes nothing in it; asked of frames, all of them are decoded.
_ASKED_OF_ARRAYS = frozenset(
    {"all", "any", "argmax", "argmin", "max", "mean", "min", "std", "sum", "var"}
    | {"astype", "copy", "flatten", "ravel", "reshape", "swapaxes", "take", "tobytes", "tolist", "transpose"}
)

# Decodes the frames from the first position up to, not including, the second.
ReadFrames = Callable[[int, int], UInt8[np.ndarray, "frame height width 3"]]


class Frames(NDArrayOperatorsMixin):
    """The frames of one camera of an episode, RGB, 0..255, as recorded; indexed like an array, decoded when indexed.

    Every index gives an array of its own: changing it changes nothing here.

    >>> frames = Frames(lambda start, stop: np.full((stop - start, 4, 6, 3), start, np.uint8), shape=(300, 4, 6, 3))
    >>> frames.shape, frames[7].shape, int(frames[7].max()), frames[10:20:5, :2].shape
    ((300, 4, 6, 3), (4, 6, 3), 7, (2, 2, 6, 3))
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self, read: ReadFrames, *, shape: tuple[int, int, int, int], block: int = 1, cache_bytes: int = CACHE_BYTES
    ) -> None:
        """Takes what decodes; nothing is decoded yet.

        Args:
          read: Called with two positions within one block.
          shape: (time, height, width, 3).
          block: Frames that are stored, and so read, together; the first block begins at frame 0.
          cache_bytes: Decoded frames are kept up to so many bytes, and always the last block.
        """
        if len(shape) != 4 or shape[3] != 3 or block < 1:
            raise ValueError(
                f"`shape` must be (time, height, width, 3), got {shape}, in blocks of 1 or more, got {block}."
            )
        self.shape = shape
        self._read = read
        self._block = block
        self._cache_bytes = cache_bytes
        self._decoded: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many numbers all frames are."""
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        """Bytes that all frames take when decoded."""
        return self.size

    def __len__(self) -> int:
        """Returns the number of frames."""
        return self.shape[0]

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        """Yields one frame after another."""
        return (self[time] for time in range(len(self)))

    def __repr__(self) -> str:
        """Says what it is without decoding anything."""
        return f"Frames(shape={self.shape})"

    def __getitem__(self, index: Any) -> np.ndarray:
        """Returns what the same index of an array would, decoding only the frames in it.

        Raises:
          IndexError: If there is no such frame.
          EpisodeError: If a frame cannot be decoded.
        """
        first, *rest = index if isinstance(index, tuple) else (index,)
        times, place = self._frames_of(first)
        if times is None:
            return np.asarray(self)[index]
        decoded = np.empty((len(times), *self.shape[1:]), self.dtype)
        for position, time in enumerate(times):
            decoded[position] = self._frame(int(time))
        return decoded[(place, *rest)]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """Decodes all frames into one array, which is what `np.asarray(frames)` does."""
        if copy is False:
            raise ValueError("`copy` must not be False: frames are decoded into an array of their own.")
        decoded = np.empty(self.shape, self.dtype)
        for time in range(len(self)):
            decoded[time] = self._frame(time)
        return decoded if dtype is None else decoded.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Calculates with all frames: `frames / 255`, `frames == others`."""
        return getattr(ufunc, method)(
            *[np.asarray(value) if isinstance(value, Frames) else value for value in inputs], **options
        )

    def __getattr__(self, name: str) -> Any:
        """Returns the method of that name of the array of all frames."""
        if name in _ASKED_OF_ARRAYS:
            return getattr(np.asarray(self), name)
        raise AttributeError(f"frames have no '{name}'; np.asarray(frames) decodes all of them into an array.")

    def __getstate__(self) -> dict[str, Any]:
        """Returns what another process needs to read the same frames."""
        return {**vars(self), "_decoded": OrderedDict(), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Takes what another process sent."""
        vars(self).update(state, _lock=threading.Lock())

    def _frames_of(self, index: Any) -> tuple[np.ndarray | None, Any]:
        """Returns which frames an index of the first axis needs, and that index into just these; None for all of them."""
        if isinstance(index, slice):
            times = np.arange(len(self))[index]
            # Forwards, whichever way they were asked for: a video decodes in that direction only.
            return np.sort(times), slice(None, None, 1 if index.step is None or index.step > 0 else -1)
        if index is None or index is Ellipsis or isinstance(index, bool | np.bool_):
            return None, None
        times: Int[np.ndarray, ...] = np.asarray(index)
        if times.dtype == bool:
            if times.shape != self.shape[:1]:
                return None, None
            times = np.flatnonzero(times)
        elif times.dtype.kind not in "iu":
            if times.size:
                raise IndexError(f"frames are indexed by whole numbers, slices and masks, got {index!r}.")
            times = times.astype(np.int64)
        if times.size and not (-len(self) <= times.min() and times.max() < len(self)):
            raise IndexError(f"frame {index} is not among the {len(self)} frames.")
        needed, place = np.unique(times % max(1, len(self)), return_inverse=True)
        return needed, int(place.item()) if times.ndim == 0 else place.reshape(times.shape)

    def _frame(self, time: int) -> UInt8[np.ndarray, "height width 3"]:
        number = time // self._block
        with self._lock:
            if number not in self._decoded:
                start = number * self._block
                self._decoded[number] = self._read(start, min(start + self._block, len(self)))
            self._decoded.move_to_end(number)
            nbytes = sum(block.nbytes for block in self._decoded.values())
            while nbytes > self._cache_bytes and len(self._decoded) > 1:
                nbytes -= self._decoded.popitem(last=False)[1].nbytes
            return self._decoded[number][time - number * self._block]
