"""`octoscope demo`: the embedded policy on an embedded episode."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from octoscope.cli.attend_command import Attend


@dataclass(frozen=True)
class Demo:
    """Show the whole way, from an episode to pictures and a film, with the policy and episodes inside the package.

    Example:

    octoscope demo
    """

    # Which of the embedded episodes, from 0.
    episode: int = 0
    # Words to use instead of the episode's instruction.
    instruction: str | None = None
    # Folder for the results; those of an earlier run there are replaced.
    output: Annotated[Path, arg(aliases=["-o"])] = Path("output/demo")

    def __call__(self) -> None:
        """Runs `octoscope attend demo demo`."""
        Attend("demo", "demo", self.episode, task=self.instruction, output=self.output, overwrite=True)()
