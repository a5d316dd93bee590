"""What an instruction asks for: its verb and its object, as plain words tell them."""

import functools
import re
from collections.abc import Sequence

from octoscope.embedded.instructions import read_instruction
from octoscope.embedded.table_names import TABLE_DATASETS
from octoscope.errors import ObservationError

NO_WORDS = "(no words)"
VERB, OBJECT, OTHER = "verb", "object", "other"
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
    told = list(zip(words, kinds_of_words(words), strict=True))
    verb = next((word for word, kind in told if kind == VERB), NO_WORDS)
    return verb, " ".join(word for word, kind in told if kind == OBJECT) or NO_WORDS


def kinds_of_words(words: Sequence[str]) -> list[str]:
    """Returns of each word whether it is the verb, of the object, or another.

    >>> kinds_of_words(["Please", "pick", "up", "the", "red", "cup", "from", "the", "rack"])
    ['other', 'verb', 'other', 'other', 'object', 'object', 'other', 'other', 'other']
    """
    plain = [word.casefold() for word in words]
    kinds = [OTHER] * len(plain)
    verb = next((place for place, word in enumerate(plain) if word not in _FILLERS), None)
    if verb is None:
        return kinds
    kinds[verb] = VERB
    first = verb + 1
    while first < len(plain) and plain[first] in (*_PARTICLES, *_ARTICLES):
        first += 1
    end = next((place for place in range(first, len(plain)) if plain[place] in _ENDS), len(plain))
    kinds[first:end] = [OBJECT] * (end - first)
    return kinds
