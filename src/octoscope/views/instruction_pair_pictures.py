"""Two instructions side by side: where their words part, and where the difference arrives in the rest of the sequence."""

from collections.abc import Sequence

import numpy as np

from octoscope.encodings.instruction_pair import GroupDifference, WordPairs
from octoscope.interventions.effects import action_change
from octoscope.render.chart import PATH_COLORS, Chart, Curve, Grid, Lines
from octoscope.render.color_scale import ColorScale
from octoscope.render.palette import QUIET_INK
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import describe_run
from octoscope.views.word_encoding_pictures import short_stage

# What comes before the policy is the same for every copy.
_WAYS = ("T5", "policy")


def instruction_pair_chart(
    first: Run,
    second: Run,
    pairs: Sequence[WordPairs],
    groups: Sequence[GroupDifference],
    *,
    other_noise: Run | None = None,
) -> Chart:
    """Returns how far two instructions are apart: their words at each stage, then every token group after each layer.

    Grids, all on one scale: the distance between two words that stand for each other, over the mean distance between two different words of
    one instruction at that stage; 1 is as far apart as different words are, 0 is the same vector. Curves: the length of the difference over
    the mean length of the two, mean over the group's tokens and over steps; grey and dashed is what one step of time does to them.

    Args:
      first: The run of one instruction.
      second: That of the other.
      pairs: From `compare_words`, one for each copy of the instruction that is looked at.
      groups: From `group_differences`.
      other_noise: The first instruction again under another seed, for the noise floor of the action.
    """
    highest = max([float(np.nanmax(pair.distance, initial=0.0)) for pair in pairs] or [0.0])
    scale = ColorScale(vmax=max(highest, 1e-6), cmap="viridis")
    grids = [
        grid for index, pair in enumerate(pairs) for grid in _grids(pair, _WAYS if index == 0 else _WAYS[1:], scale)
    ]
    top = max(_top(group) for group in groups) if groups else 1.0
    curves = [
        Lines(
            [
                Curve(group.from_step_to_step, "step to step", QUIET_INK, dashed=True, dots=False),
                Curve(group.distance.mean(axis=0), "instruction", PATH_COLORS[1]),
            ],
            at=[depth_name(stage) for stage in group.stages],
            title=group.group,
            top=top,
            width=320,
            height=200,
        )
        for group in groups
    ]
    alone = [", ".join(f"'{word}'" for word in words) or "none" for words in pairs[0].alone] if pairs else []
    apart = f"words without a counterpart: {alone[0]} of the first, {alone[1]} of the second; " if pairs else ""
    return Chart(
        panels=[*grids, *curves],
        title="Two instructions, the same pictures: where they part",
        subtitle=[
            *describe_run(first),
            f'beside: "{second.manifest["instruction"]}"',
            f"{apart}mean over {len(first.steps)} steps" if curves else apart,
            action_line(first, second, other_noise=other_noise),
        ],
        footnote="Grids, on one scale: distance between the two words over the mean distance between two different words of one "
        "instruction at that stage: 1 is as far apart as different words are. Curves, on one scale: length of the difference over "
        "the mean length of the two, before the first layer (input) and after each. Dashed: what one step of time does to the same "
        "tokens. A difference in an encoding need not be used: the change of actions is above.",
        # Curves begin a line of their own.
        breaks=[len(grids)] if curves else [],
    )


def action_line(first: Run, second: Run, *, other_noise: Run | None = None) -> str:
    """Returns the sentence on how far the actions of two runs are apart: the intervention beside the encodings.

    Args:
      first: The run of one instruction.
      second: That of the other, under the same noise.
      other_noise: The first instruction again under another seed: what noise alone does, the floor.
    """
    told = (
        f"the other words, with the same noise, change actions by {_change(first, second):.2f} (root mean square over the chunk and its "
        "dimensions, normalised; mean over steps)"
    )
    if other_noise is None:
        return f"{told}; what other noise does is not known here: give a run of another --seed as --other-noise"
    return f"{told}; other noise with the same words, one draw a step, by {_change(first, other_noise):.2f}"


def _change(first: Run, second: Run) -> float:
    """Returns `action_change` between the chunks of two runs, mean over steps; dimensions that are never carried out do not count."""
    a, b = (run.read("actions").astype(np.float64) for run in (first, second))
    moves = np.ones(a.shape[-1], bool)
    if first.holds("actions_robot"):
        robot = first.read("actions_robot").astype(np.float64)
        moves = np.arange(a.shape[-1]) < robot.shape[-1]
        # A dimension that the dataset never moves comes out as its mean, whatever the policy says.
        still = np.ptp(robot, axis=(0, 1)) == 0
        if not still.all():
            moves[: robot.shape[-1]] &= ~still
    sizes = [action_change(before[:, moves], after[:, moves]) for before, after in zip(a, b, strict=True)]
    return float(np.mean(sizes))


def _top(group: GroupDifference) -> float:
    known = group.from_step_to_step[np.isfinite(group.from_step_to_step)]
    return max(float(group.distance.mean(axis=0).max()), float(known.max(initial=0.0)), 1e-6)


def depth_name(stage: str) -> str:
    """Returns how a stage of the stream is written everywhere: "input", "layer 0".

    >>> depth_name("input"), depth_name("0")
    ('input', 'layer 0')
    """
    return f"layer {stage}" if stage.isdigit() else stage


def _grids(pair: WordPairs, spaces: Sequence[str], scale: ColorScale) -> list[Grid]:
    panels = []
    for space in (space for space in dict.fromkeys(pair.spaces) if space in spaces):
        places = [place for place, other in enumerate(pair.spaces) if other == space]
        panels.append(
            Grid(
                pair.distance[places].T,
                title=f"{space}: {pair.copy}",
                row_labels=list(pair.labels),
                column_labels=[short_stage(pair.stages[place]) for place in places],
                row_name="",
                column_name="",
                scale=scale,
            )
        )
    return panels


render_instruction_pair = drawn(instruction_pair_chart)
