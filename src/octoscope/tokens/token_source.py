"""What the tokens of one group were made from: words, patches of a camera, numbers."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from octoscope.array_typing import Bool
from octoscope.tokens.receptive_field import ReceptiveField

# "lowdim": each token is one number; "vector": one token made of a whole vector, such as a state or a latent.
TokenKind = Literal["language", "image", "lowdim", "vector", "readout", "mixed"]


@dataclass(frozen=True)
class TokenSource:
    """What the tokens of one group were made from."""

    kind: TokenKind
    # Observation or task keys that were read, in the order they were stacked: ("image_primary",).
    inputs: tuple[str, ...] = ()
    # Task keys stacked behind them as goal images.
    goal_inputs: tuple[str, ...] = ()
    # Rows and columns of the patch grid, row-major; None when a token has no place in the image.
    grid: tuple[int, int] | None = None
    # What one token of the grid sees of the policy's image, where the encoder can say it.
    receptive_field: ReceptiveField | None = None
    # The prefix group whose tokens are repeated here (`obs_task_language` repeats `task_language`).
    repeats: str | None = None
    # How many numbers each of `inputs` gave, where a token is a number.
    input_sizes: tuple[int, ...] = ()
    # Rows and columns of the grid (top, left, bottom, right) whose cells show some of a frame, where the others lie on the padding around
    # it alone; None where all do.
    scene: tuple[int, int, int, int] | None = None

    @property
    def cameras(self) -> tuple[str, ...]:
        """Camera names behind `inputs`: "image_primary" is camera "primary"."""
        return tuple(camera_of(key) for key in self.inputs) if self.kind == "image" else ()

    def shows_scene(self) -> Bool[np.ndarray, "row column"]:
        """Returns which cells of the grid show some of the recorded frame; the others show padding.

        >>> TokenSource("image", grid=(2, 2), scene=(1, 0, 2, 2)).shows_scene().astype(int)
        array([[0, 0],
               [1, 1]])
        """
        cells = np.zeros(self.grid or (0, 0), bool)
        top, left, bottom, right = self.scene or (0, 0, *cells.shape)
        cells[top:bottom, left:right] = True
        return cells

    def number_name(self, position: int) -> str | None:
        """Returns which number the token at `position` stands for: "proprio[3]"; None where a token is no number.

        >>> TokenSource("lowdim", ("force", "proprio"), input_sizes=(3, 7)).number_name(4)
        'proprio[1]'
        """
        for key, size in zip(self.inputs, self.input_sizes, strict=False):
            if position < size:
                return f"{key}[{position}]"
            position -= size
        return None


def camera_of(observation_key: str) -> str:
    """Returns the camera's name for an observation key.

    >>> camera_of("image_primary"), camera_of("depth_wrist")
    ('primary', 'depth_wrist')
    """
    return observation_key.removeprefix("image_")
