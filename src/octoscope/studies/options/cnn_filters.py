"""`octoscope cnn filters`: what can be typed."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from octoscope.studies.options.stored import StoredPictures
from octoscope.studies.options.values import Between, NotNegative, Positive
from octoscope.studies.options.vocabulary import (
    OF_OBJECTIVE,
    Camera,
    FigureFormat,
    Filters,
    Gif,
    LayerIfAny,
    Network,
    Output,
    Overwrite,
    SeedOrNone,
)


@dataclass(frozen=True)
class Knobs:
    """What to change in the preset."""

    # Steps of the ascent.
    ascent_steps: Positive | None = None
    # How far the picture goes in a step.
    learning_rate: Annotated[float | None, Between(0, 1e6, above=True)] = None
    # Adam divides each gradient by its usual size; sgd does not.
    optimizer: Literal["adam", "sgd"] | None = None
    # Pulls the picture towards grey: added to the gradient, this times the picture.
    weight_decay: Annotated[float | None, Between(0, 1e6)] = None
    # How pictures are written down while they are optimised.
    space: Literal["pixel", "fourier"] | None = None
    seed: SeedOrNone = None
    # Blur the picture after every so many steps.
    blur_every: NotNegative | None = None
    # Width of that blur, in pixels.
    blur_sigma: Annotated[float | None, Between(0, 1000, above=True)] = None
    # Shorten each picture's gradient to this norm.
    clip_gradient: Annotated[float | None, Between(0, 1e9)] = None
    # Bring each picture's gradient to a root mean square of 1.
    normalize_gradient: bool | None = None
    # Weight of the penalty on differences of neighbouring pixels.
    total_variation: Annotated[float | None, Between(0, 1e9)] = None
    # Weight of the penalty on the distance from mid-grey.
    l2: Annotated[float | None, Between(0, 1e9)] = None
    # Change of view before each step: a grey rim of so many pixels around the picture.
    pad: Annotated[int | None, Between(0, 1024)] = None
    # Change of view before each step: a shift of up to so many pixels.
    jitter: Annotated[int | None, Between(0, 1024)] = None
    # Change of view before each step: a turn of up to so many degrees.
    rotate: Annotated[float | None, Between(0, 180)] = None
    # Change of view before each step: larger or smaller by up to this share.
    zoom: Annotated[float | None, Between(0, 0.99)] = None
    # Sizes that the picture goes through, from small to large, with all steps in each; for --space pixel.
    octaves: Annotated[int | None, Between(1, 16)] = None
    # Each size is so many times the one before.
    octave_scale: Annotated[float | None, Between(1, 16, above=True)] = None
    # Filters optimised at once.
    chunk: Annotated[int | None, Between(1, 4096)] = None


@dataclass(frozen=True)
class CnnFiltersOptions:
    """Make pictures that filters of a layer answer strongly to: every filter asked for, on one labelled sheet.

    Writes filters.png, filters/, filters.json and, with --gif, filters.gif. Ctrl-C keeps what is there. Example:

    octoscope cnn filters vgg16 --layer 2 --filters 1,21,54 -o out
    """

    network: Network
    layer: LayerIfAny = None
    filters: Filters = "0:16"
    # Several layers at once: 2:1,21,54 10:7,10,69 17:4,8,9 24:4,17,22.
    select: tuple[str, ...] = ()
    # Its image encoder is the network; the first by default.
    camera: Camera = None
    # 'clear' to see what a filter wants; 'classic' to repeat published pictures; 'dream' to begin with --start.
    preset: Literal["clear", "classic", "dream"] = "clear"
    # The mean of its map, its middle unit, or the sum of all filters of a layer in one picture.
    objective: Annotated[Literal["mean", "neuron", "sum"], OF_OBJECTIVE] = "mean"
    # A picture to start from instead of noise.
    start: Path | None = None
    # Height and width of the pictures; the network's own by default.
    size: Annotated[int | None, Between(16, 4096)] = None
    knobs: Knobs = field(default_factory=Knobs)
    # It shows how the pictures grew.
    gif: Gif = False
    stored: StoredPictures = field(default_factory=StoredPictures)
    figure_format: FigureFormat = "png"
    overwrite: Overwrite = False
    output: Output = Path("output")

    def unused(self) -> dict[str, str]:
        """Returns the options that would change nothing beside the others, and why."""
        knobs, unused = self.knobs, dict[str, str]()
        if self.select:
            unused["filters"] = "--select names the filters of each layer."
        if knobs.octaves == 1 or (knobs.octaves is None and self.preset != "dream"):
            unused["octave_scale"] = "there is one octave; --octaves gives more."
        if self.start is None:
            unused |= dict.fromkeys(("turn", "swap_red_blue"), "it is of the picture that --start names.")
        if not knobs.blur_every:
            unused["blur_sigma"] = "nothing is blurred without --blur-every."
        return unused
