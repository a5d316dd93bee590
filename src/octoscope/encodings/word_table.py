"""What was measured of words, as a table to compute with and as sentences to read."""

from collections.abc import Sequence

import numpy as np

from octoscope.encodings.instruction_pair import GroupDifference, WordPairs
from octoscope.encodings.word_measures import Merge, WordMeasures, measure_words, merging_words
from octoscope.encodings.word_stages import WordStages
from octoscope.runs.column_table import ColumnTable

_SHOWN = 4


def word_table(copies: Sequence[WordStages]) -> ColumnTable:
    """Returns a row for each copy, word and stage: length, cosines, movement.

    >>> from octoscope.encodings.word_stages import Stage
    >>> words = WordStages(("red", "cube"), (Stage("embedding", "T5", "", np.eye(2)),), "words in front")
    >>> print(word_table([words]).to_csv().splitlines()[1])
    words in front,red,T5,embedding,1,1,nan,0,-1
    """
    rows: list[tuple[str | float, ...]] = []
    for words in copies:
        raw, centred = measure_words(words), measure_words(words, centred=True)
        for place, stage in enumerate(words.stages):
            for index, word in enumerate(words.words):
                figures = (
                    raw.norm[place, index],
                    raw.cosine_to_start[place, index],
                    raw.movement[place, index],
                    raw.mean_cosine_to_others[place, index],
                    centred.mean_cosine_to_others[place, index],
                )
                rows.append((words.copy, word, stage.space, stage.name, *(float(figure) for figure in figures)))
    names = (
        "copy",
        "word",
        "space",
        "stage",
        "norm",
        "cosine_to_start",
        "movement",
        "cosine_to_others",
        "centred_cosine_to_others",
    )
    return ColumnTable({name: [row[place] for row in rows] for place, name in enumerate(names)})


def word_sentences(words: WordStages, *, threshold: float, skip: Sequence[str] = ()) -> list[str]:
    """Returns what the figures of one copy say, a sentence each.

    Args:
      words: From `word_stages`.
      threshold: From which cosine on two words count as merged.
      skip: Spaces to say nothing of, such as "T5" for the repeated words, which come from the same T5.
    """
    raw, centred = measure_words(words), measure_words(words, centred=True)
    sentences = []
    for space in (space for space in words.spaces if len(words.of_space(space)) > 1 and space not in skip):
        places = [place for place, other in enumerate(raw.spaces) if other == space]
        first, last = places[0], places[-1]
        sentences.append(
            f"{space}, {words.copy}: all words have {raw.common[first]:.1%} of their squared length in common at '{raw.stages[first]}' "
            f"and {raw.common[last]:.1%} at '{raw.stages[last]}'. Their mean cosine goes from {_pairs(raw, first):.3f} "
            f"to {_pairs(raw, last):.3f}."
        )
        end = raw.cosine_to_start[last]
        most, least = (int(place) for place in (np.nanargmin(end), np.nanargmax(end)))
        sentences.append(
            f"{space}, {words.copy}: '{raw.words[most]}' turns farthest from its start (cosine {end[most]:.2f}), "
            f"'{raw.words[least]}' least ({end[least]:.2f})."
        )
        merges = [merge for merge in merging_words(raw, threshold=threshold) if merge.space == space]
        sentences.append(f"{space}, {words.copy}: {_merge_sentence(merges, len(raw.words), threshold)}")
        alike = [merge for merge in merging_words(centred, threshold=-1.0) if merge.space == space][:_SHOWN]
        if alike:
            named = ", ".join(f"{merge.first} and {merge.second} ({merge.cosine:.2f})" for merge in alike)
            sentences.append(
                f"{space}, {words.copy}: with the mean word taken away, the most alike at '{raw.stages[last]}' are {named}, where "
                f"unrelated words have {-1 / (len(raw.words) - 1):.2f} on average."
            )
    return sentences


def pair_sentences(pairs: Sequence[WordPairs], groups: Sequence[GroupDifference]) -> list[str]:
    """Returns what two instructions side by side say, a sentence each."""
    sentences = []
    for pair in pairs:
        for space in (space for space in dict.fromkeys(pair.spaces) if pair.spaces.count(space) > 1):
            if space == "T5" and pair is not pairs[0]:
                # All copies come from the same T5.
                continue
            places = [place for place, other in enumerate(pair.spaces) if other == space]
            same = np.array([first == second for first, second in pair.pairs])
            for kind, chosen in (("words that differ", ~same), ("words that are the same", same)):
                if chosen.any():
                    first, last = (float(pair.distance[place][chosen].mean()) for place in (places[0], places[-1]))
                    sentences.append(
                        f"{space}, {pair.copy}: {kind} ({', '.join(np.array(pair.labels)[chosen])}) are {first:.2f} apart at "
                        f"'{pair.stages[places[0]]}' and {last:.2f} at '{pair.stages[places[-1]]}', where 1 is the mean distance between "
                        "different words of one instruction."
                    )
    for group in groups:
        by_layer = ", ".join(
            f"{_depth(stage)}: {value:.2f}"
            for stage, value in zip(group.stages, group.distance.mean(axis=0), strict=True)
        )
        stepwise = group.from_step_to_step[-1]
        beside = "" if np.isnan(stepwise) else f"; one step of time makes {stepwise:.2f} after the last"
        sentences.append(f"{group.group} under the two instructions, relative difference by depth: {by_layer}{beside}.")
    return sentences


def _depth(stage: str) -> str:
    return f"layer {stage}" if stage.isdigit() else stage


def _pairs(measures: WordMeasures, place: int) -> float:
    rows, columns = np.triu_indices(len(measures.words), k=1)
    return float(measures.cosine[place][rows, columns].mean()) if len(rows) else float("nan")


def _merge_sentence(merges: Sequence[Merge], words: int, threshold: float) -> str:
    total = words * (words - 1) // 2
    if not merges:
        return f"no pair of words ends with a cosine of {threshold:g} or more."
    named = ", ".join(
        f"{merge.first} and {merge.second} ({merge.cosine:.3f}, since '{merge.stage}')" for merge in merges[:_SHOWN]
    )
    more = f", and {len(merges) - _SHOWN} more" if len(merges) > _SHOWN else ""
    return f"{len(merges)} of {total} pairs of words end with a cosine of {threshold:g} or more: {named}{more}."
