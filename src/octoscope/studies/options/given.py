"""What commands that open a policy and episodes can be told of them."""

from dataclasses import dataclass

from octoscope.studies.options.vocabulary import (
    Cameras,
    CheckpointStep,
    Device,
    Fields,
    GoalImage,
    NoCompilationCache,
    RandomWeights,
    Split,
    SwapRedBlue,
    Task,
    Turn,
    Window,
)


@dataclass(frozen=True)
class Given:
    """What every command that opens a policy and episodes can be told of them."""

    split: Split = None
    cameras: Cameras = ()
    turn: Turn = "none"
    swap_red_blue: SwapRedBlue = False
    observation: Fields = ()
    window: Window = None
    task: Task = None
    goal_image: GoalImage = ()
    checkpoint_step: CheckpointStep = None
    random_weights: RandomWeights = None
    device: Device = "auto"
    no_compilation_cache: NoCompilationCache = False
