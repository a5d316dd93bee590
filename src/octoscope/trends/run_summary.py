"""The summary of one run: a few numbers for each step, layer and head, from which everything about many runs is computed.

A step's weights are read once and forgotten; a summary of 50 steps, 12 layers and 12 heads takes about half a megabyte.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Float32
from octoscope.attention.query import step_blocks
from octoscope.runs.run import Run
from octoscope.tokens.layout import TokenLayout
from octoscope.trends.group_measures import CurrentFrame, GroupMeasures, current_frames
from octoscope.trends.motion import Motion, read_motion

# Raised whenever measures change, so that summaries of another octoscope are made anew.
FORMAT = 2


@dataclass(frozen=True)
class QueryGroup:
    """The heads of one stack, as one group of tokens looks through them."""

    stack: str
    # Of tokens: "readout_action". Of words, padding is left out; of several tokens, measures are the mean over them.
    group: str
    layers: tuple[int, ...]
    heads: int

    @property
    def size(self) -> int:
        """Layers times heads."""
        return len(self.layers) * self.heads


@dataclass(frozen=True)
class RunSummary:
    """A run in numbers; whatever a head does not have is NaN."""

    policy: str
    # SHA-256 of the policy's parameters; "" where the run does not say.
    policy_sha256: str
    episode: str
    episode_sha256: str
    dataset: str
    instruction: str
    # Steps of the episode that the run holds, and of the whole episode.
    steps: tuple[int, ...]
    episode_length: int
    # Per step: whether some timestep of the window is padded history.
    padded: tuple[bool, ...]
    motion: Motion
    groups: tuple[QueryGroup, ...]
    measures: tuple[str, ...]
    # Heads of all groups, group by group, layer by layer.
    values: Float32[np.ndarray, "step cell measure"]
    # What even attention gives; NaN where that means nothing.
    even: Float32[np.ndarray, "step group measure"]
    # What the episode's mean map gives at each step, of measures that a fixed map need not keep; NaN for all others.
    template: Float32[np.ndarray, "step cell measure"]

    @property
    def heads(self) -> tuple[tuple[str, str, int, int], ...]:
        """Stack, query group, layer and head of each entry of the axis of heads."""
        return tuple(
            (group.stack, group.group, layer, head)
            for group in self.groups
            for layer in group.layers
            for head in range(group.heads)
        )


def summarize(run: Run) -> RunSummary:
    """Returns the summary of a run, over every stack and query group that it holds.

    Raises:
      RunError: If what is read is damaged.
    """
    parts: list[tuple[str, str, _GroupValues]] = []
    for stack in run.stacks:
        looked = run.of_stack(stack.name)
        frames = list(current_frames(looked))
        parts += [
            (stack.name, group, _group_values(looked, group, frames))
            for group in looked.query_groups
            if _rows(run.layout, group)
        ]
    measures = tuple(dict.fromkeys(name for _, _, part in parts for name in part.names))
    manifest = run.manifest
    pads = [not run.timestep_pad_mask(step=step).all() for step in run.steps]
    return RunSummary(
        policy=manifest["policy"],
        policy_sha256=str(manifest.get("policy_sha256", "")),
        episode=manifest["episode"],
        episode_sha256=str(manifest.get("episode_sha256", "")),
        dataset=manifest["dataset"],
        instruction=manifest["instruction"] or "",
        steps=run.steps,
        episode_length=int(manifest["episode_length"]),
        padded=tuple(bool(pad) for pad in pads),
        motion=read_motion(run),
        groups=tuple(
            QueryGroup(stack, group, run.of_stack(stack).layers, run.of_stack(stack).num_heads)
            for stack, group, _ in parts
        ),
        measures=measures,
        values=np.concatenate([_under(measures, part.names, part.values) for _, _, part in parts], axis=1),
        even=np.stack([_under(measures, part.names, part.even) for _, _, part in parts], axis=1),
        template=np.concatenate([_under(measures, part.names, part.template) for _, _, part in parts], axis=1),
    )


@dataclass(frozen=True)
class _GroupValues:
    names: tuple[str, ...]
    values: Float[np.ndarray, "step cell measure"]
    even: Float[np.ndarray, "step measure"]
    template: Float[np.ndarray, "step cell measure"]


def _group_values(run: Run, group: str, frames: Sequence[CurrentFrame]) -> _GroupValues:
    rows = _rows(run.layout, group)
    measures = GroupMeasures(run, group, rows, frames)
    for block in step_blocks(run, group, run.steps):
        weights = run.attention_over(group, steps=block, rows=rows, layers=run.layers)
        measures.add(block, weights)
    return _GroupValues(*measures.finish())


def _rows(layout: TokenLayout, group: str) -> list[int]:
    """Returns which tokens of a group are looked at: all, but for padding of words, whose rows are nobody's."""
    span = layout.find_spans(group, timestep=-1)[0]
    pieces = layout.pieces_of(span)
    if pieces is None:
        return list(range(span.size))
    return [place for place, piece in enumerate(pieces) if piece.kind not in ("padding", "special")]


def _under(
    measures: Sequence[str], names: Sequence[str], values: Float[np.ndarray, "... measure"]
) -> Float32[np.ndarray, "... all_measures"]:
    """Returns values in the columns of all measures, NaN in those that are not theirs."""
    wide = np.full((*values.shape[:-1], len(measures)), np.nan, np.float32)
    wide[..., [measures.index(name) for name in names]] = values
    return wide
