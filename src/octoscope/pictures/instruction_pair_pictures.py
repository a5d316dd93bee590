"""Two instructions side by side: where their words part, and where the difference arrives in the rest of the sequence."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.encodings.instruction_pair import GroupDifference, WordPairs
from octoscope.pictures.attention_sheet import describe_run
from octoscope.pictures.word_encoding_pictures import short_stage
from octoscope.render.color_scale import ColorScale
from octoscope.render.heat_panel import render_heat_panel
from octoscope.render.line_panel import Curve, render_line_panel
from octoscope.render.palette import QUIET_INK
from octoscope.render.panel_page import render_panel_page
from octoscope.render.path_panel import PATH_COLORS
from octoscope.runs.contents import stored_arrays
from octoscope.runs.run import Run

# What comes before the policy is the same for every copy.
_WAYS = ("T5", "policy")
_MOST_ACROSS = 5


def render_instruction_pair(
    first: Run, second: Run, pairs: Sequence[WordPairs], groups: Sequence[GroupDifference]
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws how far two instructions are apart: their words at each stage, then every token group after each layer.

    Grids: the distance between two words that stand for each other, over the mean distance between two different words of one instruction
    at that stage; 1 is as far apart as different words are, 0 is the same vector. Curves: the length of the difference over the mean length
    of the two, mean over the group's tokens and over steps; grey and dashed is what one step of time does to the same tokens.

    Args:
      first: The run of one instruction.
      second: That of the other.
      pairs: From `compare_words`, one for each copy of the instruction that is looked at.
      groups: From `group_differences`.
    """
    grids = [grid for index, pair in enumerate(pairs) for grid in _grids(pair, _WAYS if index == 0 else _WAYS[1:])]
    across = max(len(grids), min(len(groups), _MOST_ACROSS))
    # Curves begin a row of their own.
    grids += [np.full((1, 1, 3), 255, np.uint8)] * (-len(grids) % across)
    top = max(_top(group) for group in groups) if groups else 1.0
    curves = [
        render_line_panel(
            [
                Curve(group.from_step_to_step, "step to step", QUIET_INK, width=1.25, dashed=True),
                Curve(group.distance.mean(axis=0), "instruction", PATH_COLORS[1], width=2.0),
            ],
            steps=range(-1, len(group.stages) - 1),
            title=group.group,
            top=top,
            x_label="layer",
            label_width=76,
            width=300,
        )
        for group in groups
    ]
    alone = [", ".join(f"'{word}'" for word in words) or "none" for words in pairs[0].alone] if pairs else []
    apart = f"words without a counterpart: {alone[0]} of the first, {alone[1]} of the second; " if pairs else ""
    return render_panel_page(
        [*grids, *curves],
        title="Two instructions, the same pictures: where they part",
        subtitle=[
            *describe_run(first),
            f'beside: "{second.manifest["instruction"]}"',
            f"{apart}mean over {len(first.steps)} steps" if curves else apart,
            action_line(first, second),
        ],
        footnote="Grids: distance between the two words over the mean distance between two different words of one instruction at that "
        "stage: 1 is as far apart as different words are. Curves, on one scale: length of the difference over the mean length of the two, "
        "after each layer; -1 is before the first. Dashed: what one step of time does to the same tokens. A difference in an encoding "
        "need not be used: the change of the action is above.",
        columns=across,
    )


def action_line(first: Run, second: Run) -> str:
    """Returns the sentence on how far the actions of two runs are apart: the intervention beside the encodings."""
    a, b = (np.asarray(dict(stored_arrays(run.group))["actions"], np.float64) for run in (first, second))
    apart = np.linalg.norm((a - b)[:, 0], axis=-1)
    stepwise = np.linalg.norm(np.diff(a[:, 0], axis=0), axis=-1)
    beside = (
        f"; from one step to the next, noise included, it changes by {stepwise.mean():.2f}" if len(stepwise) else ""
    )
    changed = f"the other words, with the same noise, change the next normalised action by {apart.mean():.2f}"
    return f"{changed} (length, mean over steps){beside}"


def _top(group: GroupDifference) -> float:
    known = group.from_step_to_step[np.isfinite(group.from_step_to_step)]
    return max(float(group.distance.mean(axis=0).max()), float(known.max(initial=0.0)), 1e-6)


def _grids(pair: WordPairs, spaces: Sequence[str]) -> list[UInt8[np.ndarray, "height width 3"]]:
    top = max(float(np.nanmax(pair.distance)), 1e-6)
    panels = []
    for space in (space for space in dict.fromkeys(pair.spaces) if space in spaces):
        places = [place for place, other in enumerate(pair.spaces) if other == space]
        panels.append(
            render_heat_panel(
                pair.distance[places].T,
                title=f"{space}: {pair.copy}",
                row_labels=list(pair.labels),
                column_labels=[short_stage(pair.stages[place]) for place in places],
                row_name="",
                column_name="",
                scale=ColorScale(vmax=top, cmap="viridis"),
            )
        )
    return panels
