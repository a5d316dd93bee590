"""Tasks put into words, and words into tasks of one table-top."""

import numpy as np

from factory.tabletop.state import State, take
from factory.tabletop.tasks import PUSH, PUT_NEXT_TO, Task
from octoscope.array_typing import Int
from octoscope.embedded.instructions import FIRST_HELD_OUT, NOUNS, SIDES, TEMPLATES, TEMPLATES_PER_FAMILY, Meaning
from octoscope.embedded.table_names import COLOURS, FAMILIES, SHAPES
from octoscope.errors import ObservationError


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


def _find(kind: tuple[str, str], state: State) -> int:
    colour, shape = COLOURS.index(kind[0]), SHAPES.index(kind[1])
    found = np.flatnonzero((state.colour[0] == colour) & (state.shape[0] == shape))
    if not len(found):
        there = ", ".join(object_name(state, 0, index) for index in range(state.colour.shape[1]))
        raise ObservationError(f"`instruction` must name objects of the scene ({there}), got {' '.join(kind)!r}.")
    return int(found[0])
