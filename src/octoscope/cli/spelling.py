"""Names as they are typed: one that no command has, or that it had once, ends in a sentence; selections may be typed with blanks."""

import re
from collections.abc import Sequence

from octoscope.cli.option_fields import OptionField
from octoscope.errors import SelectionError, nearest

_SELECTED = re.compile(r"all|[-\d:,]*\d[-\d:,]*|:", re.ASCII)
_ALIASES = ("help", "format", "output")
_FILTERS = {"filter": "filters"}
_COUNTED = {"steps": "max-steps"}
# Names that options had before 0.2, by command.
_BEFORE: dict[tuple[str, ...], dict[str, str]] = {
    ("ablate",): {"step": "steps"},
    ("maps",): {"step": "steps"},
    ("words",): {"head": "heads"},
    ("faithfulness",): _COUNTED,
    ("drop-tokens",): _COUNTED,
    ("language",): _COUNTED,
    ("report",): _COUNTED,
    ("cnn", "filters"): {**_FILTERS, "steps": "ascent-steps", "scale": "zoom", "image": "start"},
    ("cnn", "activations"): {**_FILTERS, "sanity": "stages"},
    ("cnn", "features"): _FILTERS,
    ("cnn", "compare"): {"method": "methods"},
    ("cnn", "gradcam"): {"method": "methods", "layer": "layers", "target": "targets", "dim": "dimensions"},
}
_GONE = {
    (("cnn", "gradcam"), "episodes"): "EPISODES is the second argument now: octoscope cnn gradcam POLICY EPISODES.",
    (("layout",), "brief"): "What --brief printed is the default now; --full prints a line for each token.",
}


def check_names(words: tuple[str, ...], typed: Sequence[str], fields: Sequence[OptionField]) -> None:
    """Refuses options that the command does not have.

    Raises:
      SelectionError: Naming the one that it has instead, or the nearest.
    """
    known = {field.flag.removeprefix("--"): field for field in fields if not field.positional}
    for argument in typed:
        name = argument.removeprefix("--").partition("=")[0].replace("_", "-")
        if not argument.startswith("--") or name in known or name in _ALIASES:
            continue
        if sentence := _GONE.get((words, name)):
            raise SelectionError(sentence)
        if now := _BEFORE.get(words, {}).get(name):
            raise SelectionError(f"--{name} is --{now} here: {known[now].help}")
        shown = name if len(name) <= len("no-compilation-cache") * 2 else f"{name[:40]}..."
        raise SelectionError(
            f"octoscope {' '.join(words)} has no option --{shown}.{nearest(f'--{name}', [f'--{each}' for each in known])} "
            f"octoscope {' '.join(words)} --help lists them."
        )


def joined_selections(typed: Sequence[str], fields: Sequence[OptionField]) -> list[str]:
    """Returns what was typed, with selections in one piece: "--steps 0 2 5" as "--steps 0,2,5"."""
    selecting = {field.flag for field in fields if field.selects}
    joined: list[str] = []
    selects = False
    for argument in typed:
        part = selects and bool(_SELECTED.fullmatch(argument))
        if part and joined[-1] not in selecting:
            joined[-1] += f",{argument}"
        else:
            joined.append(argument)
        selects = part or argument.replace("_", "-") in selecting
    return joined
