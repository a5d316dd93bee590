"""Lengths of residual encodings as pictures: by depth for every kind of token, and over the frame with the patches that stand out."""

from collections.abc import Mapping, Sequence

import numpy as np

from octoscope.array_typing import Float
from octoscope.encodings.patch_encodings import PatchEncodings
from octoscope.encodings.residual_norms import ResidualNorms
from octoscope.render.chart import Chart, Curve, Lines
from octoscope.render.color_bar import ColorBar
from octoscope.render.color_scale import ColorScale
from octoscope.render.outline import OUTLIER
from octoscope.render.palette import INK, MARK, QUIET_INK, Color
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import describe_run
from octoscope.views.nearest_patches_sheet import cell_region

_COLORS: tuple[Color, ...] = (INK, (190, 92, 30), MARK, (46, 125, 80), QUIET_INK, (140, 60, 130))
_TILE = 150


def norm_curves_chart(
    norms: Mapping[str, Float[np.ndarray, "depth sample"]], *, depths: Sequence[str], subtitle: Sequence[str] = ()
) -> Chart:
    """Returns the median length of each kind of token by depth, with strokes from the 5th to the 95th percentile.

    Args:
      norms: By kind of token, all lengths at each depth; six kinds at most.
      depths: Names of the depths.
      subtitle: What the picture is of.
    """
    curves, top = [], 0.0
    for (name, found), color in zip(norms.items(), _COLORS, strict=False):
        low, high = np.quantile(found, [0.05, 0.95], axis=1)
        curves.append(Curve(np.median(found, axis=1), name, color, low=low, high=high))
        top = max(top, float(high.max()))
    title = "length of the residual encoding"
    return Chart(
        panels=[Lines(curves, at=depths, title=title, top=top * 1.03, width=720, height=340)],
        title="How long encodings are, by depth and kind of token",
        subtitle=subtitle,
        footnote="Dots: median over tokens and steps. Strokes: 5th to 95th percentile. Euclidean length before the norm of the next block, "
        "which divides it out: what counts there is each token's direction, and how large an addition is against the length.",
    )


render_norm_curves = drawn(norm_curves_chart)


def norm_maps_sheet(run: Run, encodings: PatchEncodings, norms: ResidualNorms, *, step: int) -> Sheet:
    """Returns each patch's length over the median of its depth, at one step, a tile for each depth, and outlines those that stand out.

    Args:
      run: The run.
      encodings: Of one camera.
      norms: Of the same, from `residual_norms(encodings.current)`.
      step: Step of the episode.
    """
    place = encodings.steps.index(step)
    frame = run.frame(encodings.camera, time=int(encodings.times[place, -1]))
    medians = np.median(norms.norms.reshape(len(norms.norms), -1), axis=1)
    relative = norms.norms / medians[:, None, None, None]
    tiles = [Tile("recorded", frame)]
    for depth, name in enumerate(encodings.depths):
        marked = np.argwhere(norms.outliers[depth, place])
        regions = [cell_region(frame, encodings.box, encodings.grid, int(row), int(column)) for row, column in marked]
        tiles.append(
            Tile(
                name,
                frame,
                heat=relative[depth, place],
                box=encodings.box,
                note=f"median {medians[depth]:.3g}",
                outline=np.logical_or.reduce(regions) if regions else None,
                mark=OUTLIER,
            )
        )
    shares = norms.outliers.mean(axis=(1, 2, 3))
    said = ", ".join(f"{name} {share:.1%}" for name, share in zip(encodings.depths, shares, strict=True))
    label = "length / median of all patches and steps at that depth"
    return Sheet(
        rows=[SheetRow(encodings.camera, tiles)],
        title=f"Lengths of patch encodings over the median of their depth: step {step} of 0..{run.manifest['episode_length'] - 1}",
        subtitle=[*describe_run(run), f"patches that stand out, over all {len(encodings.steps)} steps: {said}"],
        bar=ColorBar(ColorScale(vmax=float(relative.max())), label),
        tile_size=_TILE,
        footnote=f"Outlined: patches that stand out at this step, {norms.rule()}. A register would stand out in the middle of the network, "
        "step after step, on empty background; a bright object at the input is none.",
    )


render_norm_maps = drawn(norm_maps_sheet)
