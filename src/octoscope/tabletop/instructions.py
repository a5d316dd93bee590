"""Words for tasks and tasks from words: eight ways to say each family, the last two kept out of training.

The held-out ways are new sentences of known words: no word occurs in them that training never shows.
"""

import re
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Int
from octoscope.errors import ObservationError
from octoscope.tabletop.state import COLOURS, SHAPES, State, take
from octoscope.tabletop.tasks import FAMILIES, PUSH, PUT_NEXT_TO, Task

# {target} and {reference} stand for a colour and a noun, {side} for left or right; in the order of FAMILIES.
TEMPLATES = (
    (
        "pick up the {target}",
        "grab the {target}",
        "lift the {target}",
        "take the {target}",
        "please lift up the {target}",
        "pick the {target} off the table",
        "grab the {target} off the table",
        "please take the {target}",
    ),
    (
        "push the {target} to the {side}",
        "slide the {target} {side}",
        "push the {target} {side}",
        "move the {target} to the {side}",
        "shove the {target} to the {side} side",
        "please push the {target} to the {side}",
        "slide the {target} to the {side}",
        "please move the {target} to the {side} side",
    ),
    (
        "put the {target} next to the {reference}",
        "place the {target} beside the {reference}",
        "move the {target} next to the {reference}",
        "set the {target} by the {reference}",
        "bring the {target} to the {reference}",
        "please put the {target} near the {reference}",
        "place the {target} near the {reference}",
        "set the {target} beside the {reference}",
    ),
)
TEMPLATES_PER_FAMILY = 8
# Templates from this one on are never drawn for training.
FIRST_HELD_OUT = 6
# All nouns for each shape, in the order of SHAPES.
NOUNS = (("cube", "block", "box"), ("ball", "sphere"), ("cylinder", "can"), ("pyramid", "cone"))
SIDES = {-1: "left", 1: "right"}


@dataclass(frozen=True)
class Meaning:
    """What an instruction says, apart from any scene; None where its family has no such part."""

    # One of FAMILIES.
    family: str
    # Colour and shape, one each of COLOURS and SHAPES.
    target: tuple[str, str]
    reference: tuple[str, str] | None = None
    # -1 left, +1 right.
    direction: int | None = None


def write_instructions(rng: np.random.Generator, state: State, task: Task, *, held_out: bool = False) -> list[str]:
    """Returns one instruction per task, template and nouns drawn at random.

    Args:
      rng: Source of randomness.
      state: The table-tops, for the objects' colours and shapes.
      task: The tasks to put into words.
      held_out: Whether to draw from the templates kept out of training instead of the others.
    """
    templates = draw_templates(rng, len(task), held_out=held_out)
    return [_write(rng, take(state, slice(row, row + 1)), task, row, int(templates[row])) for row in range(len(task))]


def draw_templates(rng: np.random.Generator, count: int, *, held_out: bool = False) -> Int[np.ndarray, " batch"]:
    """Draws `count` template numbers, all from the training templates or all from the held-out ones."""
    return rng.integers(*((FIRST_HELD_OUT, TEMPLATES_PER_FAMILY) if held_out else (0, FIRST_HELD_OUT)), size=count)


def read_instruction(instruction: str) -> Meaning:
    """Returns what an instruction means.

    Raises:
      ObservationError: If no template fits.

    >>> read_instruction("push the blue can to the left")
    Meaning(family='push', target=('blue', 'cylinder'), reference=None, direction=-1)
    """
    for family, templates in zip(FAMILIES, TEMPLATES, strict=True):
        for template in templates:
            if found := re.fullmatch(_pattern(template), instruction):
                return _meaning(family, found.groupdict())
    raise ObservationError(
        f"`instruction` must be worded like 'pick up the red cube', 'push the red cube left' or 'put the red cube next "
        f"to the blue ball', with colours {', '.join(COLOURS)} and shapes {', '.join(SHAPES)}; got {instruction!r}."
    )


def bind_meaning(meaning: Meaning, state: State) -> Task:
    """Returns the task that `meaning` poses on a single table-top (a state with batch 1).

    Raises:
      ObservationError: If the table-top lacks a named object.
    """
    target = _find(meaning.target, state)
    # A family without reference still carries one, which must only differ from the target.
    reference = _find(meaning.reference, state) if meaning.reference else (target + 1) % state.colour.shape[1]
    numbers = (FAMILIES.index(meaning.family), target, reference, meaning.direction or 1)
    return Task(*(np.array([number]) for number in numbers))


def object_name(state: State, row: int, index: int) -> str:
    """Returns colour and shape of one object, such as "red cube"."""
    return f"{COLOURS[state.colour[row, index]]} {SHAPES[state.shape[row, index]]}"


def word_list() -> list[str]:
    """Returns every word that occurs in instructions, sorted.

    >>> len(word_list())
    40
    """
    fixed = " ".join(re.sub(r"{\w+}", " ", template) for templates in TEMPLATES for template in templates)
    nouns = [noun for nouns in NOUNS for noun in nouns]
    return sorted({*fixed.split(), *COLOURS, *nouns, *SIDES.values()})


def _write(rng: np.random.Generator, state: State, task: Task, row: int, template: int) -> str:
    """Puts task `row` into words; `state` holds only its table-top."""
    family = int(task.family[row])
    parts = {"target": _name_freely(rng, state, int(task.target[row]))}
    if family == PUT_NEXT_TO:
        parts["reference"] = _name_freely(rng, state, int(task.reference[row]))
    if family == PUSH:
        parts["side"] = SIDES[int(task.direction[row])]
    return TEMPLATES[family][template].format(**parts)


def _name_freely(rng: np.random.Generator, state: State, index: int) -> str:
    nouns = NOUNS[state.shape[0, index]]
    return f"{COLOURS[state.colour[0, index]]} {nouns[rng.integers(len(nouns))]}"


def _pattern(template: str) -> str:
    colours, nouns = "|".join(COLOURS), "|".join(noun for nouns in NOUNS for noun in nouns)
    parts = {part: f"(?P<{part}>(?:{colours}) (?:{nouns}))" for part in ("target", "reference")}
    return template.format(**parts, side=f"(?P<side>{'|'.join(SIDES.values())})")


def _meaning(family: str, parts: dict[str, str]) -> Meaning:
    direction = next((number for number, side in SIDES.items() if side == parts.get("side")), None)
    reference = _kind(parts["reference"]) if "reference" in parts else None
    return Meaning(family, _kind(parts["target"]), reference, direction)


def _kind(name: str) -> tuple[str, str]:
    colour, noun = name.split()
    return colour, next(shape for shape, nouns in zip(SHAPES, NOUNS, strict=True) if noun in nouns)


def _find(kind: tuple[str, str], state: State) -> int:
    colour, shape = COLOURS.index(kind[0]), SHAPES.index(kind[1])
    found = np.flatnonzero((state.colour[0] == colour) & (state.shape[0] == shape))
    if not len(found):
        there = ", ".join(object_name(state, 0, index) for index in range(state.colour.shape[1]))
        raise ObservationError(f"`instruction` must name objects of the scene ({there}), got {' '.join(kind)!r}.")
    return int(found[0])
