"""The embedded policy's model card, written from its scores: what it is, what it was trained on, what it can do, what it cannot."""

from collections.abc import Sequence
from typing import Any

_HEAD = """# The embedded policy

A small Octo of the table-top: the same classes, layout and checkpoint files as the published models, scaled down. It is here so that
every picture of octoscope can be made, and judged against exact object masks, on a machine without published weights.

- Shape: 4 layers, 4 heads, width 128, window 2; cameras `primary` (128 x 128, 8 x 8 patches) and `wrist` (64 x 64, 4 x 4 patches) through
  SmallStem16; a two-layer T5-style encoder with a list of 40 words; repeated words; a diffusion head for chunks of 4 actions.
- Data: {pairs:,} pairs of simulated pictures (`factory.tabletop`, seed 0): four objects on a table, in at least half of the scenes two of
  one colour; and {visited:,} pairs of where an earlier state of the policy went by itself. Every time a picture is drawn it gets a fresh
  instruction and the scripted expert's actions for it.
- Training: {samples:,} examples, {hours:.1f} hours of computing on {machine}; AdamW, batch {batch}, moving average of the parameters.
  `python -m factory.demo.make` trains one anew, by default on a million examples and more. This one:
{stages}
- Losses: the diffusion loss, and from the readout the same actions by squared error. {auxiliary}
- Weights: {parameters:,} parameters in float16.
- Licence: MIT, like the rest. Not for: anything but these scenes, and no robot.
"""

_AUXILIARY = """Besides, image tokens were asked which patch holds the object
  to go to, and the readout for the state of hand and objects: **pointing is in part taught**. Occlusion, switching words and success
  are not. {compared}"""


def write_model_card(
    facts: dict[str, Any], scores: dict[str, Any], *, compared: Sequence[tuple[str, dict[str, Any]]] = ()
) -> str:
    """Returns the card.

    Args:
      facts: What the first part says: "pairs", "visited", "samples", "stages" (a line for each part of the training), "hours", "machine",
        "batch", "parameters".
      scores: From `factory.demo.scores.make`.
      compared: Other policies by name, such as one trained without auxiliary losses, with their scores.
    """
    beside = (
        "Below stand two short runs, equally long: with these questions and without."
        if compared
        else "It has not yet been trained without."
    )
    auxiliary = _AUXILIARY.format(compared=beside)
    listed = "\n".join(f"  {number}. {stage}" for number, stage in enumerate(facts["stages"], 1))
    head = _HEAD.format(**{**facts, "stages": listed}, auxiliary=auxiliary)
    parts = [head, "## Scores", _SCENES, _closed_loop(scores["closed_loop"])]
    parts += ["### Attention", _POINTING, _pointing(scores["pointing"])]
    parts += ["The same with held-out wording:", _pointing(scores["pointing_held_out_wording"])]
    parts += [_effects(scores)]
    for name, others in compared:
        parts += [f"### {name}", _pointing(others["pointing"]), _effects(others)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


_SCENES = """All on scenes, noise and wordings that training never showed. The policy acts by the mean of what its last four chunks say
about now. "named goal" is reached when the instruction that was given is done within 30 steps; with a wrong instruction, "original goal"
is the one of the instruction that was replaced."""

_POINTING = """The readout's attention to the patches of the present primary frame, at the first step of an episode. Pointing: the
largest patch touches the named object. Mass: the part of the map on patches, each counted by how much of it the object covers. The best
head was chosen on other scenes. In brackets 95 % intervals over n scenes."""


def _closed_loop(rows: Sequence[dict[str, Any]]) -> str:
    columns = (
        "setting",
        "family",
        "seed",
        "episodes",
        "named_goal",
        "original_goal",
        "named_touched_first",
        "other_touched_first",
    )
    return _table(columns, [[_cell(row[column]) for column in columns] for row in rows])


def _pointing(rows: Sequence[dict[str, Any]]) -> str:
    return _table(
        ("scenes", "map", "pointing", "mass"),
        [
            [
                row["scenes"],
                row["map"],
                f"{row['pointing']:.3f} [{row['interval'][0]:.3f}, {row['interval'][1]:.3f}, n = {row['count']}]",
                f"{row['mass']:.3f}",
            ]
            for row in rows
        ],
    )


def _effects(scores: dict[str, Any]) -> str:
    switch = scores["switch"]
    lines = [
        f"Other words on the same frame: the best head ({scores['best_head']}) moves to the newly named object in "
        f"{switch['follows']:.1%}, and stays with the old one in {switch['stays']:.1%}.",
        "Covering an object in both cameras, same noise, change of the action chunk (normalised units, Euclidean):",
    ]
    rows = [
        [
            row["fill"],
            *(
                f"{row[kind]:.2f} [{row[f'{kind}_interval'][0]:.2f}, {row[f'{kind}_interval'][1]:.2f}, n = {row['count']}]"
                for kind in ("target", "distractor")
            ),
            f"{row['ratio']:.1f}",
        ]
        for row in scores["occlusion"]
    ]
    return "\n\n".join([*lines, _table(("fill", "named object", "distractor", "ratio"), rows)])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(column.replace("_", " ") for column in columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
