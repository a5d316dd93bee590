"""What an option means, said beside its type where more than one command has it: `seed: Seed = 0`."""

from dataclasses import dataclass
from enum import Enum


class Topic(Enum):
    """The headings under which help and the table of options show them."""

    TAKES = "What it takes"
    LOOKED_AT = "What is looked at"
    WORDS = "Words and FiLM (--parts words film)"
    IMAGE = "Patches (--parts image)"
    STEM = "Convolutions in front (--parts stem)"
    OF_RUNS = "When a run is given"
    HOW = "How"
    OPENED = "How policy and episodes are opened"
    SPREAD = "Who does the episodes"
    PICTURES = "Pictures"
    RESULTS = "Results"


@dataclass(frozen=True)
class Meaning:
    """One meaning over all commands; what holds for one command alone is the comment over its field, and is shown behind it."""

    # Sentences.
    text: str
    topic: Topic = Topic.HOW
    # What stands for its value: "N".
    value: str = ""
