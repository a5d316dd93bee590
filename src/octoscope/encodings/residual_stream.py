"""The residual stream of a stack in a run: its points by depth, and which of their rows are a token's."""

import numpy as np

from octoscope.array_typing import Int
from octoscope.errors import SelectionError, nearest
from octoscope.runs.run import Run
from octoscope.tokens.encoding_point import EncodingPoint

# What is captured for it.
STREAM_STAGES = ("input", "residual")


def stream_stacks(run: Run) -> tuple[str, ...]:
    """Returns the names of the stacks whose residual stream the run holds, in the order of the layout."""
    held = {point.stack for point in run.encoding_points if point.stage in STREAM_STAGES}
    return tuple(name for name in run.layout.stack_names if name in held)


def residual_points(run: Run, stack: str | None = None) -> dict[str, EncodingPoint]:
    """Returns the captured points of a stack's residual stream by depth, {"input": "blocks.input", "block 0": "blocks.0.residual"}.

    Args:
      run: A run with encodings.
      stack: Name of the stack; the first whose stream the run holds by default.

    Raises:
      SelectionError: If the run holds none.
    """
    stacks = stream_stacks(run)
    if not stacks:
        raise SelectionError(
            "The run holds no encodings of the residual stream. Capture them with --encodings blocks.input 'blocks.*.residual' "
            "(Octo), or the points that the policy has for it."
        )
    stack = stacks[0] if stack is None else stack
    if stack not in stacks:
        raise SelectionError(
            f"The run holds no residual stream of '{stack}'.{nearest(stack, stacks)} It holds: {', '.join(stacks)}."
        )
    points = [point for point in run.encoding_points if point.stack == stack]
    layers = {point.layer: point for point in points if point.stage == "residual" and point.layer is not None}
    depths = {f"block {layer}": layers[layer] for layer in sorted(layers)}
    start = next((point for point in points if point.stage == "input"), None)
    return depths if start is None else {"input": start, **depths}


def point_rows(run: Run, point: EncodingPoint, places: Int[np.ndarray, "*places"]) -> Int[np.ndarray, "*places"]:
    """Returns the rows of a stack's point that are these tokens.

    Raises:
      SelectionError: If a token is no query of the stack.
    """
    own = run.layout.places(run.layout.stack(point.stack).query_groups)
    rows = np.searchsorted(own, places).clip(0, len(own) - 1)
    if not np.array_equal(own[rows], places):
        raise SelectionError(f"The encodings of '{point.stack}' are of other tokens.")
    return rows


def holds_rows(run: Run, stack: str | None, group: str) -> bool:
    """Returns whether a group's tokens are queries of the stack."""
    return group in run.layout.stack(stack).query_groups
