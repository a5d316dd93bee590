"""Attention maps: a query row's weights cut into patch grids, each for the very frame that its tokens came from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.attention.query import QueryRow, find_query
from octoscope.errors import SelectionError
from octoscope.runs.run import Run
from octoscope.tokens.image_transform import Box, ImageTransform
from octoscope.tokens.layout import TokenLayout, TokenSpan
from octoscope.tokens.token_source import TokenSource


@dataclass(frozen=True, repr=False)
class AttentionMap:
    """What one query row gives to the patches of one camera at one timestep of the window, in one layer."""

    camera: str
    # Token group of the patches; one camera may have several.
    group: str
    # Other cameras that are stacked into the same patches: the weights are theirs as well, and are not to be added up.
    shared_with: tuple[str, ...]
    # Steps before the current one: 0 is now.
    steps_back: int
    # Step of the episode that the frame was recorded at.
    frame_step: int
    # RGB, 0..255, as recorded.
    frame: UInt8[np.ndarray, "height width 3"]
    # Raw weights; they sum to the share of this frame and of the padding around it, not to 1.
    weights: Float[np.ndarray, "head row column"]
    # False where the query may not look.
    valid: Bool[np.ndarray, "row column"]
    # Where the patch grid lies on the frame: top, left, bottom, right in pixels.
    box: Box
    # True where the timestep is padded history.
    padded: bool
    # Where the object that the instruction names is seen; None when the episode has no masks.
    named: Bool[np.ndarray, "height width"] | None = None
    # False where a patch lies on the padding around the frame alone, and shows nothing of the scene; None where all show some.
    shown: Bool[np.ndarray, "row column"] | None = None

    def __repr__(self) -> str:
        """Returns one line."""
        time = f"t-{self.steps_back}" if self.steps_back else "t"
        heads, rows, columns = self.weights.shape
        padded = ", padding" if self.padded else ""
        return f"AttentionMap of {self.camera} {time} (step {self.frame_step}{padded}): {heads} heads, {rows}x{columns} patches"

    @property
    def on_scene(self) -> Float[np.ndarray, "head patch"]:
        """The weights of the patches that show some of the frame."""
        return self.weights.reshape(len(self.weights), -1) if self.shown is None else self.weights[:, self.shown]


def attention_maps(
    run: Run, query: QueryRow | str | None = None, *, step: int, layer: int, camera: str | None = None
) -> tuple[AttentionMap, ...]:
    """Returns the maps of all timesteps of the window, oldest first, camera by camera.

    Args:
      run: The run.
      query: Whose attention: a row, or its name, as `find_query` takes it; the first readout by default.
      step: Step of the episode.
      layer: 0 is the first.
      camera: Only this one; all by default.

    Raises:
      SelectionError: If the step, layer or camera does not exist or was not captured, or no token of the policy has a place in an
        image.
    """
    run.check_layers([layer])
    query = find_query(run.layout, query)
    require_sight(run.layout, query, run.stack.name)
    return cut_maps(run, query, query.weights(run, step=step, layers=[layer])[0], step=step, camera=camera)


def cut_maps(
    run: Run, query: QueryRow, values: Float[np.ndarray, "head key"], *, step: int, camera: str | None = None
) -> tuple[AttentionMap, ...]:
    """Returns any values of the keys cut the same way: a query's attention, or what a method makes of it.

    Args:
      run: The run.
      query: Whose keys: they tell which patches it may look at.
      values: One for each key of the sequence.
      step: Step of the episode.
      camera: Only this one; all by default.

    Raises:
      SelectionError: If the step or camera does not exist or was not captured, or no token of the policy has a place in an image.
    """
    visible = visible_keys(run, query, step=step)
    frame_index, real = run.frame_index(step=step), run.timestep_pad_mask(step=step)
    maps: list[AttentionMap] = []
    for name, span in captured_spans(run.layout, run.key_groups, camera):
        grid = span.source.grid
        assert grid is not None, "placed spans have a grid"
        timestep = run.layout.time_of(span)
        maps.append(
            AttentionMap(
                camera=name,
                group=span.group,
                shared_with=tuple(other for other in span.source.cameras if other != name),
                steps_back=run.layout.window - 1 - timestep,
                frame_step=int(frame_index[timestep]),
                frame=run.frame(name, time=int(frame_index[timestep])),
                weights=values[:, span.start : span.stop].reshape(-1, *grid),
                valid=visible[span.start : span.stop].reshape(grid),
                box=grid_box(span.source, run.transform(name)),
                padded=not real[timestep],
                named=run.named_object(name, time=int(frame_index[timestep])),
                shown=None if span.source.scene is None else span.source.shows_scene(),
            )
        )
    return tuple(maps)


def placed_spans(layout: TokenLayout, camera: str | None = None) -> list[tuple[str, TokenSpan]]:
    """Returns the spans whose tokens are patches of an image, with the camera they show, camera by camera, oldest timestep first.

    A camera that two tokenizers look through has two spans at each timestep; patches that two cameras are stacked into are listed
    for both.

    Raises:
      SelectionError: If the camera does not exist, or none of its tokens (of any camera's, when None) has a place in the image.
    """
    cameras = layout.cameras if camera is None else (camera,)
    spans = [(name, span) for name in cameras for span in layout.image_spans(name)]
    placed = [(name, span) for name, span in spans if span.source.grid is not None]
    if not placed:
        raise SelectionError(
            f"No token of {camera or 'this policy'} has a place in a recorded image, so there is no map to draw"
            + "".join(f"; {line}" for line in unplaced_groups(layout))
            + ". Shares and the layout tell where the attention goes."
        )
    return placed


def captured_spans(
    layout: TokenLayout, key_groups: Sequence[str], camera: str | None = None
) -> list[tuple[str, TokenSpan]]:
    """Returns those of `placed_spans` whose keys are among the groups that a run holds.

    Raises:
      SelectionError: If there are none, or the camera does not exist.
    """
    placed = placed_spans(layout, camera)
    captured = [(name, span) for name, span in placed if span.group in key_groups]
    if not captured:
        groups = list(dict.fromkeys(span.group for _, span in placed))
        raise SelectionError(
            f"No attention to {', '.join(groups)} was captured, only to {', '.join(key_groups)}. "
            f"Capture it with --keys {' '.join(groups)}."
        )
    return captured


def unplaced_groups(layout: TokenLayout) -> list[str]:
    """Returns a line for each group of observations that no map can show, and why.

    >>> numbers = ("obs_proprio", 7, TokenSource("lowdim", ("proprio",)))
    >>> unplaced_groups(TokenLayout.assemble([], [numbers], window=2))
    ['obs_proprio: 7 numbers, which have no place in an image']
    """
    lines: list[str] = []
    for group in layout.groups:
        span = layout.find_spans(group)[0]
        source = span.source
        if source.kind == "lowdim":
            lines.append(f"{group}: {span.size} numbers, which have no place in an image")
        elif source.kind == "vector":
            lines.append(f"{group}: a vector, which has no place in an image")
        elif source.kind == "image" and source.grid is None:
            lines.append(
                f"{group}: {span.size} learned tokens of {'+'.join(source.cameras)}, which have no place in the image"
            )
        elif source.kind == "image" and not set(source.cameras) & set(layout.cameras):
            lines.append(f"{group}: patches of {'+'.join(source.cameras)}, of which no frame is recorded")
    return lines


def grid_box(source: TokenSource, transform: ImageTransform) -> Box:
    """Returns where a patch grid lies on the recorded frame: beyond its edge or short of it, where patches do not divide the image.

    >>> from octoscope.tokens.receptive_field import ReceptiveField
    >>> transform = ImageTransform.resize((100, 200), (100, 200))
    >>> grid_box(TokenSource("image", grid=(3, 6), receptive_field=ReceptiveField(32, 32, 15.5)), transform)
    (0.0, 0.0, 96.0, 192.0)
    """
    if source.receptive_field is None or source.grid is None:
        return transform.policy_box
    height, width = (
        float(count * stride) for count, stride in zip(source.grid, source.receptive_field.strides, strict=True)
    )
    return transform.to_recorded((0.0, 0.0, height, width))


def require_sight(layout: TokenLayout, query: QueryRow, stack: str | None = None) -> None:
    """Refuses a query that the rules let see no image, like the words in front.

    Raises:
      SelectionError: If no patch may be looked at.
    """
    allowed = query.allowed(layout, stack)
    placed = [span for _, span in placed_spans(layout)]
    looked_at = layout.stack(stack).key_groups
    if not any(span.group in looked_at for span in placed):
        others = [other.name for other in layout.stacks if {span.group for span in placed} & {*other.key_groups}]
        raise SelectionError(
            f"Nobody in the stack '{layout.stack(stack).name}' looks at an image, only at {', '.join(looked_at)}. Images are looked at "
            f"in: {', '.join(others) or 'none'}."
        )
    if not any(allowed[span.start : span.stop].any() for span in placed):
        raise SelectionError(
            f"{query.label} may not look at any image: tokens in front of the timesteps see only each other. "
            "Ask for a readout, or for 'word:WORD' where the policy repeats the instruction."
        )


def visible_keys(run: Run, query: QueryRow, *, step: int) -> Bool[np.ndarray, " key"]:
    """Returns which keys the query may look at: allowed by the rules, and not padding."""
    return query.allowed(run.layout, run.stack.name) & ~run.token_pad(step=step)
