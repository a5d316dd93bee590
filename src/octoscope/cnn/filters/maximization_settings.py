"""How filters are made visible: every knob of activation maximisation, and the presets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from octoscope.cnn.filters.transforms import Views
from octoscope.errors import SelectionError


@dataclass(frozen=True)
class MaximizationSettings:
    """Knobs of activation maximisation; what is 0 or False is left out.

    All regularisers act on the picture or its gradient. None touches the network's weights, which are fixed.
    """

    steps: int = 64
    # Adam divides each gradient by its usual size; sgd does not.
    optimizer: Literal["adam", "sgd"] = "adam"
    # Per step, in the parameters' units: normalised pixels, or the spectrum's.
    learning_rate: float = 0.05
    # Added to the gradient: this times the parameters.
    weight_decay: float = 0.0
    # How the picture is written down; see `picture_space`.
    space: Literal["pixel", "fourier"] = "fourier"
    # Fourier only: optimise in decorrelated colours.
    decorrelated: bool = True
    # Pixel only: levels of the noise to start from, each pixel a whole number, the upper end left out.
    start_levels: tuple[int, int] = (110, 146)
    # Fourier only: deviation of the spectrum to start from.
    start_deviation: float = 0.01
    # Blur the picture after every so many steps, with a Gaussian of so many pixels.
    blur_every: int = 0
    blur_sigma: float = 0.5
    # Bring the gradient of each picture (per unit of a 0..1 picture) to a root mean square of 1.
    normalize_gradient: bool = False
    # Shorten the gradient of each picture to this norm (per unit of a 0..1 picture, after normalisation).
    clip_gradient: float = 0.0
    # Weights of the penalties on a 0..1 picture: mean absolute difference of neighbours; mean square distance from mid-grey.
    total_variation: float = 0.0
    l2: float = 0.0
    # Pixel only: cut the picture back to 0..255 after each step.
    keep_in_range: bool = False
    views: Views = field(default_factory=Views)
    # Pixel only: sizes to go through, each `octave_scale` times the one before; every octave takes all steps.
    octaves: int = 1
    octave_scale: float = 1.4
    seed: int = 0
    # Filters optimised at once; what is fastest on this machine for 0. Pictures differ by rounding between chunk sizes.
    chunk: int = 0
    # Keep every how many steps' picture; 0 keeps none.
    snapshot_every: int = 0

    def check(self) -> None:
        """Checks what types cannot say.

        Raises:
          SelectionError: Naming the setting, its range and what came.
        """
        for name, least in (("steps", 1), ("octaves", 1), ("chunk", 0), ("snapshot_every", 0), ("blur_every", 0)):
            if getattr(self, name) < least:
                raise SelectionError(f"`{name}` must be at least {least}, got {getattr(self, name)}.")
        views = self.views
        if not (views.pad >= 0 and views.jitter >= 0 and views.rotate >= 0 and 0 <= views.scale < 1):
            raise SelectionError(
                "How far views are moved goes either way: `pad`, `jitter` and `rotate` must be at least 0, `scale` in 0..1 without 1; got "
                f"{views.pad}, {views.jitter}, {views.rotate} and {views.scale}."
            )
        if not (self.learning_rate > 0 and self.blur_sigma > 0 and self.octave_scale > 1):
            raise SelectionError(
                "`learning_rate` and `blur_sigma` must be above 0 and `octave_scale` above 1, got "
                f"{self.learning_rate}, {self.blur_sigma} and {self.octave_scale}."
            )
        if self.space == "fourier" and (self.octaves > 1 or self.keep_in_range):
            raise SelectionError(
                "`octaves` and `keep_in_range` are for `space` 'pixel': a spectrum grows all scales at once, and never leaves 0..255."
            )


# The setting that most published VGG16 pictures were made with.
CLASSIC = MaximizationSettings(steps=30, learning_rate=0.1, weight_decay=1e-6, space="pixel", start_levels=(150, 180))
# Chosen by looking at SqueezeNet: of 48 to 128 steps at rates of 0.03 and 0.05, more steps or a higher rate burn colours out, less leaves
# them grey.
CLEAR = MaximizationSettings(steps=64, views=Views(pad=8, jitter=8, rotate=5.0, scale=0.1))
# From a picture: what the layer sees in it, made more so.
DREAM = MaximizationSettings(
    steps=20,
    learning_rate=0.02,
    space="pixel",
    optimizer="sgd",
    normalize_gradient=True,
    keep_in_range=True,
    views=Views(jitter=16),
    octaves=4,
)
PRESETS: Mapping[str, MaximizationSettings] = {"clear": CLEAR, "classic": CLASSIC, "dream": DREAM}
