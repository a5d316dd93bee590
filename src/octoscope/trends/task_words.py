"""What an instruction asks for: its verb and its object, as plain words tell them."""

import functools
import re

from octoscope.embedded.instructions import read_instruction
from octoscope.embedded.table_names import TABLE_DATASETS
from octoscope.errors import ObservationError

NO_WORDS = "(no words)"
_FILLERS = ("please", "now", "then", "just", "go", "and")
_ARTICLES = ("the", "a", "an", "some", "all")
# What comes after the object.
_ENDS = (
    "on",
    "onto",
    "in",
    "into",
    "inside",
    "to",
    "toward",
    "towards",
    "from",
    "off",
    "of",
    "out",
    "up",
    "down",
    "left",
    "right",
)
_ENDS += (
    "next",
    "beside",
    "besides",
    "near",
    "by",
    "behind",
    "under",
    "over",
    "at",
    "with",
    "which",
    "that",
    "and",
    "then",
    "so",
)
_ENDS += ("away", "back", "between", "through", "across", "around", "against", "vertical", "upright")
_PARTICLES = ("up", "down", "off", "out", "over", "away")
RULE = (
    "Tasks are instructions without regard to case, blanks and final dots. The verb is the first word, but for 'please' and the like; the "
    "object is what follows it, without particle and article, up to the next preposition. Of the embedded table-top, whose words have a "
    "grammar, verb and object are what that says."
)


def task_of(instruction: str) -> str:
    """Returns what tells tasks apart.

    >>> task_of(" Put  the cup in the sink.")
    'put the cup in the sink'
    """
    return " ".join(instruction.casefold().split()).rstrip(".!") or NO_WORDS


@functools.lru_cache(maxsize=4096)
def verb_and_object(instruction: str, dataset: str) -> tuple[str, str]:
    """Returns what is done, and to what.

    >>> verb_and_object("Please pick up the big red cup from the drying rack", "bridge_dataset")
    ('pick', 'big red cup')
    >>> verb_and_object("grab the red box", "tabletop_red")
    ('pick_up', 'red cube')
    """
    if dataset in TABLE_DATASETS:
        try:
            meaning = read_instruction(instruction)
        except ObservationError:
            pass
        else:
            return meaning.family, " ".join(meaning.target)
    words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", task_of(instruction)) if instruction.strip() else []
    while words and words[0] in _FILLERS:
        words.pop(0)
    if not words:
        return NO_WORDS, NO_WORDS
    verb, rest = words[0], words[1:]
    while rest and rest[0] in (*_PARTICLES, *_ARTICLES):
        rest.pop(0)
    end = next((place for place, word in enumerate(rest) if word in _ENDS), len(rest))
    return verb, " ".join(rest[:end]) or NO_WORDS
