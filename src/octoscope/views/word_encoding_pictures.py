"""Words on their way through T5 and the policy: lengths, directions, likeness and paths."""

from collections.abc import Callable, Sequence

import numpy as np

from octoscope.array_typing import Float
from octoscope.encodings.principal_plane import fit_plane
from octoscope.encodings.word_measures import WordMeasures, measure_words
from octoscope.encodings.word_stages import Stage, WordStages
from octoscope.render.chart import PATH_COLORS, Chart, Grid, Panel, Path, Paths, Strip
from octoscope.render.color_scale import ColorScale
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import describe_run

_SHORT = {"embedding": "emb", "final": "fin", "projected": "proj", "placed": "pos", "normed": "norm"}
_COLORS = len(PATH_COLORS)
# What all words share leaves most cosines above 0.9: by their size alone such grids would be one colour.
_COSINE = ColorScale.cosines()
_COLORS_TOLD = "Cosines: red above 0, blue below, pale at 0, from -1 to 1; equal steps of colour are equal angles."
# Matrices in a row of the page.
_MOST_MATRICES = 6
# With more words, matrices have small cells without numbers.
_MOST_NUMBERED, _SMALL_CELL = 9, (16, 16)
# With so many stages, grids of two numbers stand side by side.
_TWO_IN_A_ROW = 14
# Spaces that hold a way, not a single place.
_WAYS = ("T5", "policy")


def word_stages_chart(run: Run, words: WordStages, *, spaces: Sequence[str] = _WAYS) -> Chart:
    """Returns what happens to each word at each stage: a grid of words by stages for each number, T5 at the left, the policy at the right.

    Length: of the vector. Cosine to the start: with the same word at the first stage of the grid. Movement: the step from the stage before,
    over the length there; the first stage has none and is hatched. Likeness: the mean cosine with all other words, as they are and after
    the mean of all words is taken away. Each grid has its own scale below it: lengths and movements from 0, cosines by their angle, pale
    at 0, from -1 to 1; where the mean word is taken away they are small, and their scale ends at the largest of the grid.

    Args:
      run: Where the words are from, for the title.
      words: From `word_stages`.
      spaces: Which of "T5" and "policy" are drawn: repeated words come from the same T5 as those in front.
    """
    raw, centred = measure_words(words), measure_words(words, centred=True)
    rows = [
        ("length", raw.norm, _from_zero),
        ("cosine to its start", raw.cosine_to_start, _of_cosines),
        ("movement / length before", raw.movement, _from_zero),
        ("mean cosine to others", raw.mean_cosine_to_others, _of_cosines),
        ("others, mean taken away", centred.mean_cosine_to_others, _around_zero),
    ]
    spaces = [space for space in words.spaces if space in spaces]
    panels = [
        _grid(raw, values, space, f"{space}: {title}", scale_of) for title, values, scale_of in rows for space in spaces
    ]
    return Chart(
        panels=panels,
        title=f"What happens to each word: {words.copy}",
        subtitle=[*describe_run(run), _common_line(raw)],
        footnote=f"{_legend(raw, spaces)} {_COLORS_TOLD} Encodings say what a word has become, not what the action depends on.",
        columns=2 * len(spaces) if sum(space in spaces for space in raw.spaces) <= _TWO_IN_A_ROW else len(spaces),
    )


def word_likeness_chart(run: Run, words: WordStages, *, spaces: Sequence[str] = _WAYS) -> Chart:
    """Returns the cosine between all words at up to six stages of T5 and six of the policy, on one scale from -1 to 1, by angle.

    Above as they are, below with the mean of all words at that stage taken away: what is left of a word when what all words share is gone.

    Args:
      run: Where the words are from, for the title.
      words: From `word_stages`.
      spaces: Which of "T5" and "policy" are drawn: repeated words come from the same T5 as those in front.
    """
    panels: list[Panel] = []
    breaks: list[int] = []
    shown = [space for space in words.spaces if space in spaces]
    for centred in (False, True):
        measures = measure_words(words, centred=centred)
        for space in shown:
            places = _spread([place for place, other in enumerate(measures.spaces) if other == space], _MOST_MATRICES)
            breaks.append(len(panels))
            panels += [_matrix(measures, place) for place in places]
    breaks.append(len(panels))
    panels.append(Strip(_COSINE, "cosine, the same scale in every grid: equal steps of colour are equal angles"))
    return Chart(
        panels=panels,
        title=f"How alike the words are: {words.copy}",
        subtitle=[*describe_run(run), _common_line(measure_words(words))],
        footnote="Cosine between word encodings. First T5, then the policy, as they are; then both again with the mean of all words "
        f"at that stage taken away: unrelated words then have {-1 / max(len(words.words) - 1, 1):.2f} on average. {_COLORS_TOLD}",
        breaks=breaks,
    )


def word_paths_chart(run: Run, words: WordStages, *, spaces: Sequence[str] = _WAYS) -> Chart:
    """Returns the way of each word through the plane in which words vary most: in T5 above, in the policy below.

    Left: the encodings as they are. Right: the mean of all words at each stage taken away, so that what all words do together is gone. A
    plane is fitted to all words at all stages of its panel; how much of the variance it holds stands under it.

    Args:
      run: Where the words are from, for the title.
      words: From `word_stages`.
      spaces: Which of "T5" and "policy" are drawn: repeated words come from the same T5 as those in front.
    """
    panels: list[Panel] = []
    for space in (space for space in words.spaces if space in spaces):
        for centred in (False, True):
            panels.append(
                _paths(words, words.of_space(space), f"{space}{': mean word taken away' if centred else ''}", centred)
            )
    return Chart(
        panels=panels,
        title=f"The way of each word: {words.copy}",
        subtitle=describe_run(run),
        footnote="Ring: first stage. Large dot: last. Small dots: the stages between, in order"
        + (f"; squares and dashes: from the {_COLORS + 1}th word on. " if len(words.words) > _COLORS else ". ")
        + "Both axes of a panel to one scale. "
        "What is near in the plane can be far apart outside it: the part of the variance that it holds stands below. "
        f"{_legend(measure_words(words), spaces)}",
        columns=2,
    )


render_word_stages = drawn(word_stages_chart)
render_word_likeness = drawn(word_likeness_chart)
render_word_paths = drawn(word_paths_chart)


def _grid(
    measures: WordMeasures,
    values: Float[np.ndarray, "stage token"],
    space: str,
    title: str,
    scale_of: Callable[[Float[np.ndarray, "..."]], ColorScale],
) -> Grid:
    places = [place for place, other in enumerate(measures.spaces) if other == space]
    part = values[places].T
    return Grid(
        part,
        title=title,
        row_labels=list(measures.words),
        column_labels=[short_stage(measures.stages[place]) for place in places],
        row_name="",
        column_name="",
        scale=scale_of(part),
    )


def _from_zero(values: Float[np.ndarray, "..."]) -> ColorScale:
    return ColorScale.spanning([values], cmap="viridis")


def _of_cosines(values: Float[np.ndarray, "..."]) -> ColorScale:
    return _COSINE


def _around_zero(values: Float[np.ndarray, "..."]) -> ColorScale:
    return ColorScale.around_zero([values])


def _matrix(measures: WordMeasures, place: int) -> Grid:
    words = list(measures.words)
    kind = ", mean taken away" if measures.centred else ""
    return Grid(
        measures.cosine[place],
        title=f"{measures.spaces[place]} {measures.stages[place]}{kind}",
        row_labels=words,
        column_labels=words,
        row_name="",
        column_name="",
        scale=_COSINE,
        numbers=len(words) <= _MOST_NUMBERED,
        cell_size=None if len(words) <= _MOST_NUMBERED else _SMALL_CELL,
        bar=False,
    )


def _paths(words: WordStages, stages: Sequence[Stage], title: str, centred: bool) -> Paths:
    vectors = [stage.encodings - stage.encodings.mean(axis=0) * centred for stage in stages]
    plane = fit_plane(vectors)
    placed = np.stack([plane.place(part) for part in vectors])
    paths = [
        Path(placed[:, index], word, PATH_COLORS[index % _COLORS], square=index % (2 * _COLORS) >= _COLORS)
        for index, word in enumerate(words.words)
    ]
    return Paths(
        paths,
        # Paths around one middle go all ways: no place is that of a stage.
        stages=None if centred else [short_stage(stage.name) for stage in stages],
        title=title,
        x_label=f"across: {plane.explained[0]:.0%} of the variance",
        y_label=f"up: {plane.explained[1]:.0%}",
    )


def short_stage(name: str) -> str:
    """Returns the name of a stage as it stands over a column.

    >>> short_stage("embedding"), short_stage("layer 3")
    ('emb', '3')
    """
    return _SHORT.get(name, name.removeprefix("layer "))


def _legend(measures: WordMeasures, spaces: Sequence[str]) -> str:
    pairs = zip(measures.stages, measures.spaces, strict=True)
    used = dict.fromkeys(stage for stage, space in pairs if space in spaces)
    names = {
        "emb": "embedding",
        "fin": "after T5's last norm",
        "proj": "projected to the policy's width",
        "pos": "with its position",
    }
    told = [f"{short}: {names[short]}" for short in names if any(short_stage(stage) == short for stage in used)]
    return f"{'; '.join(told)}; numbers: after that layer." if told else "Numbers: after that layer."


def _common_line(measures: WordMeasures) -> str:
    told = []
    for space in dict.fromkeys(space for space in measures.spaces if space in _WAYS):
        places = [place for place, other in enumerate(measures.spaces) if other == space]
        parts = ", ".join(f"{short_stage(measures.stages[place])}: {measures.common[place]:.0%}" for place in places)
        told.append(f"{space}: {parts}")
    return f"part of the squared length that all words have in common: {'; '.join(told)}"


def _spread(places: Sequence[int], most: int) -> list[int]:
    """Returns at most so many of the places, the first and the last among them, evenly spread."""
    if len(places) <= most:
        return list(places)
    return [places[round(index * (len(places) - 1) / (most - 1))] for index in range(most)]
