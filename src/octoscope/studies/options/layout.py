"""`octoscope layout`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path

from octoscope.studies.options.vocabulary import (
    Cameras,
    CheckpointStep,
    Device,
    Episode,
    EpisodesIfAny,
    Fields,
    FigureFormat,
    Full,
    GoalImage,
    NoCompilationCache,
    Output,
    Overwrite,
    Policy,
    RandomWeights,
    Split,
    Step,
    SwapRedBlue,
    Task,
    Turn,
    Window,
)


@dataclass(frozen=True)
class LayoutOptions:
    """Show what every token of a policy's sequence is, and who may look at whom.

    Prints a table of the token groups (--full: of all tokens) and writes token_matrix.png. With EPISODES the cameras, words and padding are
    those of a step of an episode; without, those of the policy's example. Example:

    octoscope layout hf://rail-berkeley/octo-small-1.5 data/bridge_dataset --step 0
    """

    checkpoint: Policy
    episodes: EpisodesIfAny = None
    # One here.
    episode: Episode = "0"
    split: Split = None
    step: Step = None
    cameras: Cameras = ()
    turn: Turn = "none"
    swap_red_blue: SwapRedBlue = False
    observation: Fields = ()
    window: Window = None
    task: Task = None
    goal_image: GoalImage = ()
    # A line for each token; else one for each group and timestep.
    full: Full = False
    checkpoint_step: CheckpointStep = None
    random_weights: RandomWeights = None
    device: Device = "auto"
    no_compilation_cache: NoCompilationCache = False
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    output: Output = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        unused = {"random_weights": "what tokens are depends on no weight."}
        if self.episodes is not None:
            return unused
        names = ("episode", "split", "step", "cameras", "turn", "swap_red_blue", "observation", "window", "goal_image")
        return unused | dict.fromkeys(names, "without EPISODES the policy's own example batch is shown.")
