"""What commands that open a policy and episodes can be told of them."""

from dataclasses import dataclass

from octoscope.policies.device_names import Device
from octoscope.studies.options.values import Cameras, Fields, NotNegative, Positive, Seed, Turn


@dataclass(frozen=True)
class Given:
    """What every command that opens a policy and episodes can be told of them."""

    # Split of the dataset; 'train' where it exists.
    split: str | None = None
    # Recorded image of each camera, where it cannot be told: primary=image_0.
    cameras: Cameras = ()
    # For frames stored upside down: 'flip' reverses rows, '180' rows and columns.
    turn: Turn = "none"
    # For frames stored with red and blue exchanged.
    swap_red_blue: bool = False
    # Recorded field of each other observation, where it cannot be told: proprio=state; proprio=none leaves it out.
    observation: Fields = ()
    # Timesteps of history; as many as in training by default.
    window: Positive | None = None
    # Words to use instead of the episode's instruction.
    task: str | None = None
    # A picture of the goal, for the primary camera, or NAME=FILE per camera.
    goal_image: tuple[str, ...] = ()
    # Training step of the parameters; the latest by default.
    checkpoint_step: NotNegative | None = None
    # Draw all weights anew from this seed, as if nothing had been learnt: a control.
    random_weights: Seed | None = None
    # What the policy runs on; a GPU where there is one, by default.
    device: Device = "auto"
    # Compile anew at every start, instead of keeping compiled programs in the user's cache folder.
    no_compilation_cache: bool = False
