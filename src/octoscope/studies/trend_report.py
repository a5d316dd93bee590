"""The page of a trend: what was planned, what was found, the pictures behind each claim, and what n could have shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from octoscope.intervals import FEWEST
from octoscope.runs.collection import Collection
from octoscope.studies.trend_album import TrendAlbum
from octoscope.studies.trend_findings import findings_part
from octoscope.trends import head_clusters, outcome_prediction, task_words
from octoscope.trends.episode_table import EpisodeTable
from octoscope.trends.group_measures import meaning_of
from octoscope.trends.head_clusters import HeadClusters
from octoscope.trends.outcome_prediction import OutcomePrediction
from octoscope.trends.phases import PhaseRule
from octoscope.trends.trend import RATE, Trend
from octoscope.views.report_content import Report, ReportFigure, ReportPart, ReportTable
from octoscope.views.trend_pictures import claim, clusters_chart, differences_chart, effect_grids_chart

_ROWS = 15
_MOST_FAILED = 5
_LEAST = 1e-6
_HEAD = (
    "difference of",
    "where",
    "difference (95 % interval)",
    "effect size",
    "q",
    "n",
    "smallest n could show",
    "shuffled, 95 %",
    "even",
    "fixed map",
    "random weights",
)
_CAVEATS = (
    "Attention is not importance: a difference here says where weights lie, not that the action depends on it. Pair it with `octoscope "
    "ablate` and `faithfulness`.",
    "Open loop: frames and history are the recorded ones, whatever the policy does.",
    "Tasks differ in their pictures as well as in their words. Only random weights on the same episodes tell what pictures do alone.",
    "Measures of one row hang together (shares sum to 1), and neighbouring heads do: one difference may appear under several names.",
    "The fixed map is each episode's own mean map. It binds differences between phases; between episodes it is shown only.",
)


@dataclass(frozen=True, eq=False)
class TrendMaterial:
    """All that a page is made of."""

    trend: Trend
    # Whether the named object gets more weight; None where no mask tells.
    named: Trend | None
    table: EpisodeTable
    rule: PhaseRule | None
    # Another rule's sentence, how many differences are found under it, and what part of those found here.
    sensitivity: tuple[tuple[str, int, float], ...]
    clusters: tuple[HeadClusters, ...]
    predictions: tuple[OutcomePrediction, ...]
    random_given: bool
    # Where findings of other kinds may lie.
    folders: tuple[Path, ...]
    # That the runs are of.
    collections: tuple[Collection, ...] = ()


def trend_report(material: TrendMaterial) -> Report:
    """Returns the page."""
    trend, table = material.trend, material.table
    policies = ", ".join(dict.fromkeys(label.policy for label in table.labels))
    parts, album = [_plan(material)], TrendAlbum(table, material.rule)
    if material.named is not None:
        title = "Does the object that the words name get more weight?"
        parts.append(_differences(album, material.named, "named", title))
    parts.append(_differences(album, trend, "differences", f"What differs by {trend.by}?"))
    parts += [album.part()] if album.figures else []
    others = (_sensitivity(material), _predictions(material), _clusters(material), findings_part(material.folders))
    parts += [part for part in others if part is not None]
    return Report(
        f"What the heads of {policies} do, by {trend.by}",
        trend.no_verdict,
        _provenance(material),
        parts,
        _CAVEATS,
        subtitle=f"{len(table.labels)} runs of {len(table.tasks)} tasks. {trend.question[:1].upper()}{trend.question[1:]}",
    )


def _units(trend: Trend) -> int:
    return int(trend.tasks.max(initial=0))


def _provenance(material: TrendMaterial) -> list[tuple[str, str]]:
    table = material.table
    datasets = ", ".join(dict.fromkeys(label.dataset for label in table.labels))
    tasks = list(table.tasks)
    return [
        ("policies", ", ".join(dict.fromkeys(f"{label.policy} ({label.policy_key[:12]})" for label in table.labels))),
        ("datasets", datasets),
        ("runs", f"{len(table.labels)}, from {table.labels[0].path} to {table.labels[-1].path}"),
        *(("collection", _told_collection(collection)) for collection in material.collections),
        ("tasks", f"{len(tasks)}: {'; '.join(tasks[:6])}{'; ...' if len(tasks) > 6 else ''}"),
        ("octoscope", version("octoscope")),
    ]


def _told_collection(collection: Collection) -> str:
    """Returns which episodes of a collection are in the numbers, and which could not be run."""
    failures, asked = collection.failures(), len(collection.episodes)
    told = f"{collection.folder}: {asked - len(failures)} of {asked} episodes"
    if not failures:
        return told
    named = "; ".join(
        f"episode {failure.index}: {failure.sentence.splitlines()[0]}" for failure in failures[:_MOST_FAILED]
    )
    more = f"; and {len(failures) - _MOST_FAILED} more" if len(failures) > _MOST_FAILED else ""
    return f"{told}; {len(failures)} could not be run and are in no number ({named}{more})"


def _plan(material: TrendMaterial) -> ReportPart:
    trend = material.trend
    controls = [
        "Shuffled labels: 200 times by default; level and others change places task by task, or tasks change their level.",
        "Even attention: the same difference where every visible key gets the same weight, such as of words that are more.",
        "Fixed map: the same difference where each step has the episode's mean map; binding between phases.",
        "Random weights: the same difference under the same network with weights drawn anew, on the same episodes; "
        + (
            "given."
            if material.random_given
            else "NOT GIVEN: what follows may be the pictures' doing alone. Give such runs with --random."
        ),
    ]
    return ReportPart(
        "plan",
        "What was planned",
        f"Question: {trend.question} Hypothesis for each level, head and measure: the difference is not 0.",
        findings=[
            "Unit: the episode nested in its task. Each task is the mean of its episodes, and everything is over tasks.",
            "p: two-sided, of normal scores of the tasks, never below what shuffled labels could give. Intervals: the outer ends of "
            "Student's t and a studentised hierarchical bootstrap, tasks first, then their episodes.",
            f"Correction: Benjamini-Hochberg at {RATE:g} over all {trend.tested} differences that were tested: levels, layers, heads and "
            f"measures together. Below {FEWEST} tasks there is no verdict, and what does not vary is not tested.",
            "Found is: q at most 0.05, an interval without 0, and the difference is still there, with its sign, once each binding "
            "control is taken away.",
            *controls,
            "Steps whose window holds padded history are left out, where there are others.",
            task_words.RULE,
            *([material.rule.sentence()] if material.rule else []),
        ],
    )


def _differences(album: TrendAlbum, trend: Trend, name: str, title: str) -> ReportPart:
    shown = [int(at) for at in trend.order[:_ROWS]]
    links = [album.link(trend, at) for at in shown]
    found = int(trend.found.sum())
    charts = (
        [ReportFigure(f"{name}-chart", differences_chart(trend), "The largest differences, as effect sizes.")]
        if shown
        else []
    )
    grids = effect_grids_chart(trend)
    charts += (
        [ReportFigure(f"{name}-grids", grids, "Effect sizes of what was found, over layers and heads.")]
        if grids
        else []
    )
    measures = dict.fromkeys(trend.measures[trend.measure[at]] for at in shown)
    return ReportPart(
        name,
        title,
        f"{trend.question[:1].upper()}{trend.question[1:]} {trend.tested} differences were tested.",
        headline=_headline(trend, found),
        findings=[_luck(trend), _reach(trend), *_meanings(measures)],
        figures=charts,
        tables=[
            *([ReportTable(_HEAD, [_row(trend, at) for at in shown], _caption(trend, shown), links)] if shown else []),
            *_other_claims(album, trend, shown),
        ],
        shows="Where weights differ, by how much, and how sure that is for other tasks like these.",
        not_shows="That the action depends on it, or why it differs.",
    )


def _meanings(measures: Iterable[str]) -> list[str]:
    """Returns what measures are, those of one meaning together."""
    names: dict[str, list[str]] = {}
    for measure in measures:
        names.setdefault(meaning_of(measure), []).append(measure)
    return [f"{'; '.join(each)}: {meaning}." for meaning, each in names.items()]


def _other_claims(album: TrendAlbum, trend: Trend, shown: Sequence[int]) -> list[ReportTable]:
    """Returns all else that was found, folded; each claim leads to its pictures, which are small."""
    others = [int(at) for at in trend.order if trend.found[at] and int(at) not in set(shown)]
    if not others:
        return []
    links = [album.link(trend, at, small=True) for at in others]
    rows = [_row(trend, at)[:6] for at in others]
    head = _HEAD[:6]
    return [ReportTable(head, rows, f"The other {len(others)} that were found", links, folded=True)]


def _headline(trend: Trend, found: int) -> str:
    if not trend.tested:
        return f"No verdict, nothing found. {trend.no_verdict} {_reach(trend)}"
    first = f" The largest: {claim(trend, int(trend.order[0]))}." if found else f" Nothing was found. {_reach(trend)}"
    return f"{found} of {trend.tested} differences were found.{first}"


def _luck(trend: Trend) -> str:
    if np.isnan(trend.shuffled_rate):
        return "Labels were not shuffled, or nothing could be tested."
    return f"With shuffled labels anything would have passed the correction in {100 * trend.shuffled_rate:.1f} % of the tables."


def _reach(trend: Trend) -> str:
    """Returns the smallest effect that so many tasks could have shown."""
    effects = trend.smallest / np.where(trend.effect == 0, np.nan, np.abs(trend.estimate / trend.effect))
    known = effects[np.isfinite(effects)]
    if not len(known):
        return "What n could have shown is not known: nothing varies between tasks."
    verdict = "" if trend.tested else f", if there were a verdict below {FEWEST} tasks"
    unit = "episodes" if trend.by == "task" else "tasks"
    return (
        f"With {_units(trend)} {unit}, a difference of {np.median(known):.1f} standard deviations between {unit} would have been shown "
        f"with a chance of 80 %{verdict}; smaller ones may be there."
    )


def _caption(trend: Trend, shown: Sequence[int]) -> str:
    kind = "those found first" if trend.found.any() else "none was found; the largest"
    return f"{len(shown)} of {len(trend.estimate)} differences, {kind}; all are in the tables beside this page. n: units (episodes)."


def _row(trend: Trend, at: int) -> list[str]:
    stack, group, layer, head = trend.cells[trend.cell[at]]

    def told(value: float) -> str:
        # What rounding alone leaves is nothing.
        return "-" if np.isnan(value) else f"{value if abs(value) >= _LEAST else 0:.3g}"

    return [
        f"{trend.levels[trend.contrast[at]]}: {trend.measures[trend.measure[at]]}",
        _where(trend, (stack, group, layer, head)),
        f"{told(float(trend.estimate[at]))} ({told(float(trend.low[at]))}..{told(float(trend.high[at]))})",
        *(told(float(values[at])) for values in (trend.effect, trend.q)),
        f"{trend.tasks[at]} ({trend.episodes[at]})",
        *(
            told(float(values[at]))
            for values in (trend.smallest, trend.shuffled, trend.even, trend.template, trend.random)
        ),
    ]


def _where(trend: Trend, cell: tuple[str, str, int, int]) -> str:
    """Returns "layer 2 head 3", with what looks and the stack where there are several."""
    stack, group, layer, head = cell
    several_groups, several_stacks = (len({other[place] for other in trend.cells}) > 1 for place in (1, 0))
    return (
        f"layer {layer} head {head}"
        + (f" of {group}" if several_groups else "")
        + (f" in {stack}" if several_stacks else "")
    )


def _sensitivity(material: TrendMaterial) -> ReportPart | None:
    if not material.sensitivity:
        return None
    base = int(material.trend.found.sum())
    rows = [
        [rule.split(": ", 1)[1].split(". Of actions")[0], str(count), "-" if np.isnan(kept) else f"{100 * kept:.0f} %"]
        for rule, count, kept in material.sensitivity
    ]
    return ReportPart(
        "sensitivity",
        "How much hangs on how phases are cut?",
        f"The same with each number of the rule lower and higher. Under the rule itself {base} differences were found.",
        tables=[ReportTable(["rule", "found", "of those found above"], rows)],
    )


def _predictions(material: TrendMaterial) -> ReportPart | None:
    if material.trend.by != "outcome":
        return None
    lead = outcome_prediction.RULE
    if not material.predictions:
        return ReportPart(
            "prediction",
            "Does attention tell success in new tasks?",
            lead,
            missing="fewer than two tasks have both outcomes.",
        )
    rows = [
        [each.predictor, f"{each.area:.2f}", f"({each.low:.2f}..{each.high:.2f})", str(each.tasks)]
        for each in material.predictions
    ]
    return ReportPart(
        "prediction",
        "Does attention tell success in new tasks?",
        lead,
        tables=[ReportTable(["predictor", "area", "95 % interval", "tasks"], rows)],
    )


def _clusters(material: TrendMaterial) -> ReportPart | None:
    if not material.clusters:
        return None
    rows = [
        [f"{each.group}, cluster {number}", str(int((each.cluster == number).sum())), likeness]
        for each in material.clusters
        for number, likeness in enumerate(each.likeness)
    ]
    return ReportPart(
        "clusters",
        "Which heads behave alike?",
        head_clusters.RULE,
        figures=[ReportFigure("clusters-chart", clusters_chart(material.clusters), "The cluster of each head.")],
        tables=[ReportTable(["cluster", "heads", "like (in standard deviations over heads)"], rows)],
    )
