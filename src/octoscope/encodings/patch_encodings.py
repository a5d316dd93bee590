"""The encodings of a camera's patches in a run, by depth: from what goes into the first block to what comes out of the last."""

from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, Int
from octoscope.encodings.residual_stream import holds_rows, point_rows, residual_points, stream_stacks
from octoscope.errors import SelectionError
from octoscope.runs.run import Run
from octoscope.tokens.image_transform import Box
from octoscope.tokens.layout import TokenSpan


@dataclass(frozen=True, eq=False)
class PatchEncodings:
    """All patch encodings of one camera in one run."""

    camera: str
    # Token group of the patches.
    group: str
    # "input", then "block 0", "block 1", ...: the residual stream before the first block and after each.
    depths: tuple[str, ...]
    values: Float[np.ndarray, "depth step window row column embed"]
    # Steps of the episode.
    steps: tuple[int, ...]
    # False where a timestep is padded history: its patches are of no frame of their own.
    real: Bool[np.ndarray, "step window"]
    # Which frame of the episode each timestep shows.
    times: Int[np.ndarray, "step window"]
    # Where the patch grid lies on the recorded frame: top, left, bottom, right in pixels.
    box: Box
    # Whose residual stream it is; "" where a policy has one stack.
    stack: str = ""

    @property
    def current(self) -> Float[np.ndarray, "depth step row column embed"]:
        """Those of the current timestep, which is never padding."""
        return self.values[:, :, -1]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.values.shape[3], self.values.shape[4]


def patch_encodings(run: Run, *, camera: str | None = None) -> PatchEncodings:
    """Returns the encodings of a camera's patches at every captured depth of the residual stream.

    Args:
      run: A run with the residual stream of a stack (`encodings=("blocks.input", "blocks.*.residual")` of an Octo), or a part of it.
      camera: The first by default.

    Raises:
      SelectionError: If the run holds no residual stream, or the camera's tokens have no place in the image.
    """
    spans = _camera_spans(run, camera)
    points = residual_points(run, _stack_of(run, spans[0].group))
    grid = spans[0].source.grid
    assert grid is not None, "only spans with a grid are taken"
    places = np.stack([np.arange(span.start, span.stop) for span in spans])
    values = np.stack([run.encoding(point.name)[:, point_rows(run, point, places)] for point in points.values()])
    name = spans[0].source.cameras[0] if camera is None else camera
    return PatchEncodings(
        camera=name,
        group=spans[0].group,
        depths=tuple(points),
        values=values.reshape(*values.shape[:3], *grid, values.shape[-1]),
        steps=run.steps,
        real=np.stack([run.timestep_pad_mask(step=step) for step in run.steps]),
        times=np.stack([run.frame_index(step=step) for step in run.steps]),
        box=grid_box(spans[0], run, name),
        stack=_told_stack(run, next(iter(points.values())).stack),
    )


def _told_stack(run: Run, stack: str | None) -> str:
    return stack if stack is not None and len(run.layout.stack_names) > 1 else ""


def _stack_of(run: Run, group: str) -> str | None:
    """Returns the first stack that the patches pass and whose stream the run holds."""
    return next((name for name in stream_stacks(run) if holds_rows(run, name, group)), None)


def grid_box(span: TokenSpan, run: Run, camera: str) -> Box:
    """Returns where a span's patch grid lies on the recorded frame: top, left, bottom, right in pixels."""
    transform, field, grid = run.transform(camera), span.source.receptive_field, span.source.grid
    if field is None or grid is None:
        return transform.policy_box
    return transform.to_recorded((0.0, 0.0, float(grid[0] * field.strides[0]), float(grid[1] * field.strides[1])))


def _camera_spans(run: Run, camera: str | None) -> tuple[TokenSpan, ...]:
    cameras = run.layout.cameras if camera is None else (camera,)
    for name in cameras:
        placed = [span for span in run.layout.image_spans(name) if span.source.grid is not None]
        if placed:
            return tuple(span for span in placed if span.group == placed[0].group)
    raise SelectionError(
        f"No token of {camera or 'this policy'} has a place in a recorded image: its encodings cannot be laid over one."
    )
