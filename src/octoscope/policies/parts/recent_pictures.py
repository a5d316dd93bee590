"""What the vision encoder made of the last few frames: where one camera is covered, the others' frames are the same."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from octoscope.policies.parts.flow import AnyArray

# Of a step as it is and of what is done to it, of up to four cameras. A frame takes a few megabytes.
_KEPT = 8

Frame = Float[AnyArray, "height width 3"]
Tokens = Float[Array, "token embed"]


class RecentPictures:
    """The tokens of frames, by the frames' own numbers: whoever changes a frame in place gets other tokens."""

    def __init__(self, see: Callable[[Frame | None], Tokens]) -> None:
        """Keeps nothing yet.

        Args:
          see: Makes the tokens of a frame, or of a camera that is missing.
        """
        self._see = see
        self._kept: list[tuple[np.ndarray | None, Tokens]] = []

    def of(self, frame: Frame | None) -> Tokens:
        """Returns the tokens of a frame, computed unless they are at hand."""
        for at, (kept, tokens) in enumerate(self._kept):
            if (kept is None and frame is None) or (
                kept is not None and frame is not None and np.array_equal(kept, frame)
            ):
                self._kept.append(self._kept.pop(at))
                return tokens
        tokens = self._see(frame)
        self._kept = [*self._kept[1 - _KEPT :], (None if frame is None else np.array(frame), tokens)]
        return tokens
