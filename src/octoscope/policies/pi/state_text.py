"""What pi0.5 is told: the instruction, and the state as whole numbers, in one text."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

_BINS = 256


class StateText(NamedTuple):
    """A text, and what in it is what."""

    text: str
    # From where to where it is the instruction, and from where on the state and the marks behind it.
    spoken: tuple[int, int]
    state: int


def state_text(instruction: str, state: Float32[np.ndarray, " number"]) -> StateText:
    """Returns the text of an instruction and a normalised state.

    Numbers of -1..1 fall into 256 bins; below -1 is -1, and 1 and above is 255.

    >>> state_text("put_it in", np.float32([-1.5, -1, 0, 1, 3])).text
    'Task: put it in, State: -1 0 128 255 255;\\nAction: '
    """
    words = instruction.strip().replace("_", " ").replace("\n", " ")
    bins = np.digitize(state, np.linspace(-1, 1, _BINS + 1)[:-1]) - 1
    front = "Task: "
    told = f"{front}{words}, State:"
    text = f"{told} {' '.join(map(str, bins.tolist()))};\nAction: "
    return StateText(text, (len(front), len(front) + len(words)), len(told))
