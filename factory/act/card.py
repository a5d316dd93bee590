"""The embedded ACT's model card, written from its scores: what it is, what it was trained on, what it can do, what it cannot."""

from collections.abc import Sequence
from typing import Any

from factory.act.losses import PLACE_WEIGHT
from factory.act.shape import ACT, KL_WEIGHT
from octoscope.faithfulness.score_table import SCORES

_HEAD = """# The embedded ACT

A small ACT of the table-top that picks up the one red object among three of other colours. It takes no words. It is here so that
pictures of a second family of policies can be made, and judged against exact object masks, on a machine without published weights.

- Files: a LeRobot policy folder (config.json, model.safetensors, both processors with their statistics), read by the reader that
  opens any other. **LeRobot itself cannot build its backbone**: `vision_backbone` is `{backbone}`, octoscope's own (the smallest
  that LeRobot takes, ResNet18, has 11 million parameters), and its last stage is dilated, which torchvision does for no basic block.
  All else is LeRobot's network.
- Shape: {backbone} (one basic block a stage, 8 to 64 channels, 16 pixels a cell) on the camera `primary` (128 x 128, 8 x 8 cells;
  **a cell sees {field} pixels a side around its middle, not only its own**); the hand's state (x, y, z, open); {encoder} encoder and
  {decoder} decoder layers, {heads} heads, width {width}; chunks of {chunk} actions (x, y, z, grip).
- Data: {pictures:,} simulated pictures (`factory.act.pictures`, seed 0) of noisy episodes of the scripted expert, each with the
  expert's next {chunk} actions from there.
- Training: {samples:,} samples, {hours:.1f} hours of computing on {machine}; AdamW, batch {batch}, moving average of the parameters.
  `python -m factory.act.make` trains one anew.{history}
- Losses: absolute and squared error of the chunk, through a conditional VAE (weight {kl:g} of its divergence); the paper has the
  absolute error alone. Besides, with weight {place:g}, the mean of the decoder's vectors was asked where in the picture the red object
  appears: **that the policy knows its place is in part taught**. Which tokens to look at for it, covering and success are not.
- Weights: {parameters:,} parameters that act, and {idle:,} of the VAE encoder, in bfloat16: {bytes:,} bytes. Scores are of these.
- Licence: MIT, like the rest. Not for: anything but these scenes, and no robot.
"""

_SCENES = """All on scenes that training never showed. "lifted": the red object is lifted within 30 steps. "chunks": whether the newest
chunk alone says what is done, or the mean of what the last four say about now. In brackets 95 % intervals."""

_COVERING = (
    """Covering an object at the first moment of {scenes} scenes, change of the chunk (normalised units, Euclidean):"""
)

_HEADS = """The first action's attention to the camera's cells, at the first moment of {scenes} scenes. Pointing: the largest cell touches
the red object. Mass: the share of the whole row that lies on it, each cell counted by how much of it the object covers. "by chance": a row
that is even over the cells."""

_MAPS = """`octoscope faithfulness` on the first moment of {scenes} scenes: each map's scores, mean and 95 % interval over scenes.
Pointing game: the largest cell touches the red object. Deletion and insertion: how far the chunk stays what it was while cells are
covered, and uncovered. The attention is the actions' to the camera's cells (`decoder.cross`)."""


def write_model_card(facts: dict[str, Any], scores: dict[str, Any]) -> str:
    """Returns the card.

    Args:
      facts: "pictures", "samples", "hours", "machine", "batch", "parameters", "idle", "bytes", "field", and "history": what else
        is to be said of this training, or "".
      scores: From `factory.act.scores`.
    """
    shape = {
        "backbone": ACT.backbone,
        "encoder": ACT.encoder_layers,
        "decoder": ACT.decoder_layers,
        "heads": ACT.heads,
        "width": ACT.dim_model,
        "chunk": ACT.chunk_size,
        "kl": KL_WEIGHT,
        "place": PLACE_WEIGHT,
    }
    covering = scores["covering"]
    parts = [
        _HEAD.format(**shape, **facts),
        "## Scores",
        _SCENES,
        _closed_loop(scores["closed_loop"]),
        "### What covering an object does",
        _COVERING.format(scenes=covering[0]["scenes"]),
        _table(
            ("fill", "red object", "another", "ratio"),
            [[row["fill"], _mean(row["red"], 2), _mean(row["other"], 2), f"{row['ratio']:.1f}"] for row in covering],
        ),
        "### Attention",
        _HEADS.format(scenes=scores["heads"][0]["scenes"]),
        _table(
            ("head", "pointing", "mass"),
            [[row["head"], _mean(row["pointing"], 3), _mean(row["mass"], 3)] for row in scores["heads"]],
        ),
    ]
    if scores["maps"]:
        parts += ["### Maps", _MAPS.format(scenes=scores["scenes"]), _maps(scores["maps"])]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _closed_loop(rows: Sequence[dict[str, Any]]) -> str:
    shares = ("lifted", "red_first", "other_first")
    return _table(
        ("chunks", "seed", "episodes", "lifted", "red touched first", "another touched first"),
        [
            [str(row["chunks"]), str(row["seed"]), str(row["episodes"]), *(_mean(row[share], 3) for share in shares)]
            for row in rows
        ],
    )


def _maps(rows: Sequence[dict[str, Any]]) -> str:
    names = [name for name in SCORES if any(name in row for row in rows)]
    cells = [[row["method"], *(_mean(row[name][:3], 2) if name in row else "-" for name in names)] for row in rows]
    return _table(("map", *(f"{name} ({SCORES[name][0]})" for name in names)), cells)


def _mean(values: Sequence[float], digits: int) -> str:
    """Returns "0.95 [0.91, 0.98]" of a mean and the ends of its interval."""
    mean, low, high = values
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
