"""What less contrast did to actions, with the policy as it is and with its encoders' norms held; without jax."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, UInt8


@dataclass(frozen=True, eq=False)
class ContrastResponse:
    """What less contrast in all cameras and frames of the window does to the action chunk."""

    policy: str
    note: str
    frames: tuple[str, ...]
    # What each picture's distance from mid-grey was multiplied by.
    factors: tuple[float, ...]
    # Root mean square change of the pixels, in levels of 0..255.
    pixel_change: Float[np.ndarray, "frame factor"]
    # `action_change` under the same noise: with the policy as it is, ...
    as_is: Float[np.ndarray, "frame factor"]
    # ... with each encoder's first norm held at its statistics on the unchanged pictures, ...
    norm_held: Float[np.ndarray, "frame factor"]
    # ... with all norms of each encoder held, ...
    all_held: Float[np.ndarray, "frame factor"]
    # ... and, as a control, with random pixel noise of the same `pixel_change` instead.
    pixel_noise: Float[np.ndarray, "frame factor"]
    # `action_change` of other noise in the action head, nothing changed.
    noise: Float[np.ndarray, "frame draw"]
    # The first camera's frame of the first step, as it is and under each factor.
    pictures: tuple[UInt8[np.ndarray, "height width 3"], ...]
