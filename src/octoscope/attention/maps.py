"""Attention maps: a query row's weights cut into patch grids, each for the very frame that its tokens came from."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.attention.query import QueryRow
from octoscope.errors import SelectionError
from octoscope.runs.run import Run
from octoscope.tokens.attention_rules import attention_rule_mask
from octoscope.tokens.image_transform import Box
from octoscope.tokens.layout import TokenLayout, TokenSpan


@dataclass(frozen=True)
class AttentionMap:
    """What one query row gives to the patches of one camera at one timestep of the window, in one layer."""

    camera: str
    # Steps before the current one: 0 is now.
    steps_back: int
    # Step of the episode that the frame was recorded at.
    frame_step: int
    # RGB, 0..255, as recorded.
    frame: UInt8[np.ndarray, "height width 3"]
    # Raw weights; they sum to the share of this frame, not to 1.
    weights: Float[np.ndarray, "head row column"]
    # False where the query may not look.
    valid: Bool[np.ndarray, "row column"]
    # Where the patch grid lies on the frame: top, left, bottom, right in pixels.
    box: Box
    # True where the timestep is padded history.
    padded: bool


def attention_maps(
    run: Run, query: QueryRow, *, step: int, layer: int, camera: str | None = None
) -> tuple[AttentionMap, ...]:
    """Returns the maps of all timesteps of the window, oldest first, camera by camera.

    Args:
      run: The run.
      query: Whose attention.
      step: Step of the episode.
      layer: 0 is the first.
      camera: Only this one; all by default.

    Raises:
      SelectionError: If the step, layer or camera does not exist, or no token of the policy has a place in an image.
    """
    if not 0 <= layer < run.num_layers:
        raise SelectionError(f"`layer` must be in 0..{run.num_layers - 1} for {run.manifest['policy']}, got {layer}.")
    require_sight(run.layout, query)
    weights = query.weights(run, step=step)[layer]
    visible = visible_keys(run, query, step=step)
    frame_index, real = run.frame_index(step=step), run.timestep_pad_mask(step=step)
    maps: list[AttentionMap] = []
    for name, span in placed_spans(run.layout, camera):
        grid = span.source.grid
        assert grid is not None, "placed spans have a grid"
        timestep = span.timestep or 0
        maps.append(
            AttentionMap(
                camera=name,
                steps_back=run.layout.window - 1 - timestep,
                frame_step=int(frame_index[timestep]),
                frame=run.frame(name, time=int(frame_index[timestep])),
                weights=weights[:, span.start : span.stop].reshape(-1, *grid),
                valid=visible[span.start : span.stop].reshape(grid),
                box=run.transform(name).policy_box,
                padded=not real[timestep],
            )
        )
    return tuple(maps)


def placed_spans(layout: TokenLayout, camera: str | None = None) -> list[tuple[str, TokenSpan]]:
    """Returns the spans whose tokens are patches of an image, with the camera they show, camera by camera.

    Raises:
      SelectionError: If the camera does not exist, or none of its tokens (of any camera's, when None) has a place in the image.
    """
    cameras = layout.cameras if camera is None else (camera,)
    spans = [(name, span) for name in cameras for span in layout.image_spans(name)]
    placed = [(name, span) for name, span in spans if span.source.grid is not None]
    if not placed:
        raise SelectionError(
            f"No token of {camera or 'this policy'} has a place in the image (numbers have none, nor have learned tokens), "
            "so there is no map to draw. Shares and the layout tell where the attention goes."
        )
    return placed


def require_sight(layout: TokenLayout, query: QueryRow) -> None:
    """Refuses a query that the rules let see no image, like the words in front.

    Raises:
      SelectionError: If no patch may be looked at.
    """
    row = layout.select(query.group, timestep=-1)[query.positions[0]]
    allowed = attention_rule_mask(layout)[row]
    if not any(allowed[span.start : span.stop].any() for _, span in placed_spans(layout)):
        raise SelectionError(
            f"{query.label} may not look at any image: tokens in front of the timesteps see only each other. "
            "Ask for a readout, or for 'word:WORD' where the policy repeats the instruction."
        )


def visible_keys(run: Run, query: QueryRow, *, step: int) -> Bool[np.ndarray, " key"]:
    """Returns which keys the query may look at: allowed by the rules, and not padding."""
    row = run.layout.select(query.group, timestep=-1)[query.positions[0]]
    return attention_rule_mask(run.layout)[row] & ~run.token_pad(step=step)
