"""`octoscope repeat`: what can be typed."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from octoscope.studies.options.vocabulary import OutputOrBeside, Overwrite


@dataclass(frozen=True)
class RepeatOptions:
    """Make results again, with all options that their recipe.toml holds.

    Every command leaves a recipe.toml beside its results; paths in it are as they were typed, so repeat where you typed them. What was
    computed before is read where it lies, unless --overwrite asks for it anew. Example:

    octoscope repeat output/recipe.toml -o again
    """

    # The recipe, or the folder that it lies in.
    recipe: Positional[Path]
    overwrite: Overwrite = False
    # By default the one of the recipe.
    output: OutputOrBeside = None
