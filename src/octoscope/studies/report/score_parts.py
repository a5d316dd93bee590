"""The parts of a report that judge maps: faithfulness and the randomisation check."""

from collections.abc import Sequence

import numpy as np

from octoscope.faithfulness.methods import CONTROLS, method_label
from octoscope.faithfulness.randomized_weights import RandomizationTable
from octoscope.faithfulness.score_table import SCORES, FaithfulnessTable
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.intervals import FEWEST
from octoscope.runs.findings.kept_finding import FindingRequest
from octoscope.studies.faithfulness import faithfulness_request, sanity_request
from octoscope.studies.report.material import ReportMaterial
from octoscope.views.faithfulness_pictures import (
    faithfulness_curves_chart,
    faithfulness_maps_sheet,
    faithfulness_scores_chart,
)
from octoscope.views.report_content import ReportFigure, ReportPart, ReportTable

# From this rank correlation with the trained policy's on, a map of random weights is told as alike.
_ALIKE = 0.3
# Scores of where a map lies, which need masks.
_PLACES = ("mass ratio", "top-10 % IoU", "pointing game")


def faithfulness_settings(material: ReportMaterial) -> FaithfulnessSettings:
    """Returns how maps are scored: with fewer points than the command has."""
    return FaithfulnessSettings(steps=material.steps, points=5, path_points=4, seed=material.seed, batch=material.batch)


def sanity_settings(material: ReportMaterial) -> FaithfulnessSettings:
    """Returns how the maps of the randomisation check are made."""
    return FaithfulnessSettings(steps=1, path_points=4, seed=material.seed, batch=material.batch)


def faithfulness_finding(material: ReportMaterial) -> FindingRequest:
    """Returns the request for the scores of maps."""
    return faithfulness_request(
        material.folder,
        material.model,
        material.episodes,
        faithfulness_settings(material),
        given=material.options,
        progress=material.progress,
    )


def faithfulness_part(material: ReportMaterial) -> ReportPart:
    """Returns which maps tell what the action depends on."""
    table: FaithfulnessTable = material.finding(faithfulness_finding(material))
    return ReportPart(
        "faithfulness",
        "Which maps tell what the action depends on?",
        f"{table.steps} steps of {table.episodes} episodes. Patches are taken away or given back in the order of each "
        "map; a faithful map finds "
        "first what moves the action. " + " ".join(table.settings),
        _best(table),
        findings=_findings(table),
        figures=[
            ReportFigure(
                "faithfulness_scores",
                faithfulness_scores_chart(table),
                "Every score with its interval; blue: chance and a constant map.",
            ),
            ReportFigure(
                "faithfulness_curves",
                faithfulness_curves_chart(table),
                "Deletion and insertion, a panel for each method over random maps.",
            ),
            ReportFigure(
                "faithfulness_maps",
                faithfulness_maps_sheet(table),
                "Every method's map of one step, each on its own scale.",
            ),
        ],
        tables=_tables(table),
        shows="Which methods order patches by their effect on the action better than chance and better than one fixed "
        "map do, on this policy.",
        not_shows="Why the policy acts. Fills make pictures that it never saw; intervals of few episodes are wide, "
        f"and fewer than {FEWEST} have none.",
    )


def _known(table: FaithfulnessTable) -> list[str]:
    return [name for name in SCORES if any(not np.isnan(line.scores[name].mean) for line in table.methods)]


def _best(table: FaithfulnessTable) -> str:
    if table.episodes < FEWEST:
        return table.few
    judged = [line for line in table.methods if line.method not in CONTROLS]
    best = max(judged, key=lambda line: np.nan_to_num(line.scores["insertion AUC"].mean, nan=-np.inf))
    area, chance = best.scores["insertion AUC"], table.of("random").scores["insertion AUC"]
    meeting = "; the two intervals meet" if area.low <= chance.high else ""
    return (
        f"Best insertion area of {len(judged)} methods: {best.label}, {area.text(2)}; random maps get {chance.text(2)}{meeting}. The last "
        f"layer's attention gets {table.of('last layer').scores['insertion AUC'].text(2)}."
    )


def _findings(table: FaithfulnessTable) -> list[str]:
    if table.episodes < FEWEST:
        return [table.few]
    chance = table.of("random").scores
    found = [table.few] if table.few else []
    for name in ("insertion AUC", "Spearman"):
        beyond = [
            line.label
            for line in table.methods
            if line.method not in CONTROLS and line.scores[name].low > max(chance[name].high, chance[name].mean)
        ]
        if not np.isnan(chance[name].high):
            found.append(
                f"{name}: the interval lies above that of random maps for {', '.join(beyond) or 'no method'} "
                f"({len(beyond)} of {sum(line.method not in CONTROLS for line in table.methods)}; n = {chance[name].episodes} episodes)."
            )
    return found


def _tables(table: FaithfulnessTable) -> list[ReportTable]:
    places = [name for name in _known(table) if name in _PLACES]
    caption = "Where maps lie, for the object that the instruction names; pointing at it and telling what matters are two things."
    located = [_scores_table(table, places, caption)] if places else []
    return [_effects_table(table), *located, _meanings(table)]


def _effects_table(table: FaithfulnessTable) -> ReportTable:
    costs = [
        [str(line.gap or "-"), str(line.cost.forwards or "-"), str(line.cost.backwards or "-")]
        for line in table.methods
    ]
    scores = _scores_table(table, [name for name in _known(table) if name not in _PLACES])
    return ReportTable(
        [*scores.head, "completeness gap", "forwards", "backwards"],
        [[*row, *cost] for row, cost in zip(scores.rows, costs, strict=True)],
        "What goes with the action. Means over n episodes with 95 % intervals, the outer of Student's t and the studentised bootstrap; in "
        "the heads, which direction is better. Completeness gap: how far integrated gradients are from adding up to f(x) - f(b), mean and "
        "largest over steps. Passes are of one step of that method alone.",
    )


def _scores_table(table: FaithfulnessTable, names: Sequence[str], caption: str = "") -> ReportTable:
    rows = [[line.label, *(line.scores[name].text(2) for name in names)] for line in table.methods]
    return ReportTable(["method", *(f"{name} ({SCORES[name][0]})" for name in names)], rows, caption)


def _meanings(table: FaithfulnessTable) -> ReportTable:
    return ReportTable(["column", "what it is"], [[name, SCORES[name][1]] for name in _known(table)])


def sanity_finding(material: ReportMaterial) -> FindingRequest:
    """Returns the request for how alike maps stay under other weights."""
    return sanity_request(
        material.folder,
        material.model,
        material.episodes[0],
        sanity_settings(material),
        given=material.options,
        progress=material.progress,
    )


def sanity_part(material: ReportMaterial) -> ReportPart:
    """Returns whether maps change when the weights are drawn anew."""
    found: RandomizationTable = material.finding(sanity_finding(material))
    last = {method: row[-1] for method, row in zip(found.methods, found.similarity, strict=True)}
    alike = [f"{method_label(method)} ({value:.2f})" for method, value in last.items() if value > _ALIKE]
    rows = [
        [method_label(method), *("-" if np.isnan(value) else f"{value:.2f}" for value in row)]
        for method, row in zip(found.methods, found.similarity, strict=True)
    ]
    headline = f"With all weights drawn anew, maps still go with the trained policy's for: {', '.join(alike)}."
    return ReportPart(
        "sanity",
        "Do the maps depend on what was learnt?",
        "Weights are drawn anew from the action head down to the tokenizers, and the maps of one step are made again: "
        "rank correlation with the "
        "trained policy's maps, one draw of weights.",
        headline if alike else f"With all weights drawn anew, no method's map stays alike (all below {_ALIKE:g}).",
        tables=[
            ReportTable(
                ["method", *found.stages],
                rows,
                "Near 1: the map hardly depends on what was drawn anew so far. The last column: on nothing learnt.",
            )
        ],
        shows="Whether a map is made of the policy or of the picture alone: one that survives random weights shows "
        "the picture's edges, not the policy.",
        not_shows="That a map which does change is right. Attention does not change while only the head is drawn "
        "anew, since the head comes after it.",
    )
