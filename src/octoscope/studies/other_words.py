"""A demo episode asked for something else: the same frames, other words, and the mask of what they name."""

import dataclasses

import numpy as np

from octoscope.embedded.instructions import read_instruction
from octoscope.embedded.table_names import COLOURS, SHAPES
from octoscope.episodes.episode import Episode
from octoscope.errors import ObservationError


def objects_in(episode: Episode) -> list[tuple[str, str]]:
    """Returns colour and shape of each object of a table-top episode, in the order of their ids; none for other episodes."""
    if "object_color" not in episode.extras:
        return []
    colors, shapes = episode.extras["object_color"][0], episode.extras["object_shape"][0]
    return [(COLOURS[int(color)], SHAPES[int(shape)]) for color, shape in zip(colors, shapes, strict=True)]


def with_words(episode: Episode, instruction: str) -> tuple[Episode, str]:
    """Returns the episode with another instruction, and a sentence on what is outlined ("" where that is clear).

    The named object is found by reading the words as the table-top's templates do. Words that name no object of the scene may be
    asked all the same: then nothing is outlined, and so nothing is in the episodes of other datasets.
    """
    extras = {
        name: array for name, array in episode.extras.items() if name not in ("target_id", "reference_id", "success")
    }
    kinds = objects_in(episode)
    remark = ""
    if not kinds:
        return dataclasses.replace(episode, instruction=instruction, extras=extras), remark
    try:
        target = read_instruction(instruction).target
        if target in kinds:
            extras["target_id"] = np.full(len(episode), kinds.index(target) + 1, np.uint8)
        else:
            there = ", ".join(" ".join(kind) for kind in kinds)
            remark = f"Nothing is outlined: the scene has no {' '.join(target)}. It has: {there}."
    except ObservationError:
        remark = (
            "Nothing is outlined: the words are none of the table-top's instructions, and the policy may not know them."
        )
    return dataclasses.replace(episode, instruction=instruction, extras=extras), remark
