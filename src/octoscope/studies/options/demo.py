"""`octoscope demo`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from octoscope.studies.options.values import FigureFormat, Index, Scale


@dataclass(frozen=True)
class DemoOptions:
    """Show the whole way, from an episode to pictures and a film, with the policy and episodes inside the package.

    The object that the instruction names is outlined, from exact masks, and each title says how much attention it gets. With
    --instruction the same frames are run with both instructions, and sheets show both maps one above the other. With --policy act, an ACT
    that picks up the red object without any words: also where its attention goes (shares/), and what it does when the red object or a
    random place is covered (ablation/). Examples:

    octoscope demo --instruction "pick up the blue ball"
    octoscope demo --policy act -o output/demo_act
    """

    # 'octo', which is told what to do, or 'act', which takes no words.
    policy: Literal["octo", "act"] = "octo"
    # Which of the embedded episodes, from 0.
    episode: Index = 0
    # Other words for the same frames, for a policy that takes words.
    instruction: str | None = None
    # How weights become colours: 'even', multiples of even attention on a log scale, the frame in colour where there is less; 'linear';
    # 'log'; or 'tile', each tile stretched to its own largest weight.
    scale: Scale = "even"
    # Of the pictures: png, or svg or pdf with letters as letters and pictures embedded.
    figure_format: FigureFormat = "png"
    # Folder for the results; those of an earlier demo there are replaced.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output/demo")
