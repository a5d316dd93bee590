"""Saliency on paper: for each filter the picture and four views of what it sees there, and the sanity check below."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.cnn.filters.filter_results import layer_title
from octoscope.cnn.saliency.saliency_result import Saliency
from octoscope.cnn.saliency.saliency_views import VIEWS, SaliencyView, saliency_view
from octoscope.cnn.saliency.sanity_check import RandomizedStage, magnitude
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet

FOOTNOTE = (
    "color: middle grey is 0, white and black the largest magnitude of either sign. gray: magnitudes summed over colours. positive: what "
    "raises the score. negative: what lowers it. Every tile has a scale of its own, from 0 to the number beside it; '>' says that larger "
    "values are cut off. Tiles of the sanity check have scales of their own too. Saliency says where small changes of pixels matter to a "
    "filter, not what the filter means."
)
SANITY_NOTE = (
    "Sanity check: kernels drawn anew from the top layer down to the one named; rank corr. is Spearman's, of magnitudes, with the learnt "
    "network's map. A method whose map stays the same does not show what was learnt; guided backprop is known to survive this."
)
# Layer's name, similarity and the map, for each stage.
Stages = Sequence[RandomizedStage]


def render_saliency_sheet(
    picture: UInt8[np.ndarray, "height width 3"],
    results: Sequence[Saliency],
    *,
    sanity: Stages = (),
    percentile: float = 100.0,
    tile_size: int = 224,
    note: str = "",
    footnote: str = FOOTNOTE,
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Returns a sheet with one row per filter: picture, colour, grey, positive and negative saliency, each with its scale.

    Args:
      picture: As the network took it.
      results: Of one network, layer and method; at least one.
      sanity: Stages of the sanity check of the first filter, drawn as grey saliency in rows of their own.
      percentile: Where the scales end; 100 cuts nothing off.
      tile_size: Pixels of a tile's longer side.
      note: What must be said of the network.
      footnote: Under the tiles.
    """
    first = results[0]
    rows = [_row(picture, result, percentile) for result in results]
    rows += [_sanity_row(picture, first.objective.title, sanity, percentile)] if sanity else []
    several = "" if len({result.objective.title for result in results}) > 1 else f", {first.objective.title}"
    title = f"{first.method}: {first.network}, {layer_title(first.layer)}{several}"
    settings = [f"{first.forwards} forward + {first.backwards} backward a filter. {first.note}".strip()]
    if percentile < 100:
        settings.append(
            f"Scales end at the {percentile:g}th percentile of each view; the strongest {100 - percentile:g} % are cut off."
        )
    settings += [f"{first.network}: {note}."] if note else []
    settings += [SANITY_NOTE] if sanity else []
    return render_picture_sheet(rows, title=title, subtitle=settings, tile_size=tile_size, footnote=footnote)


def _sanity_row(
    picture: UInt8[np.ndarray, "height width 3"], title: str, stages: Stages, percentile: float
) -> PictureRow:
    """Returns the row of a sanity check: grey saliency once more and more layers are random."""
    tiles = [PictureTile("picture", picture)]
    for stage in stages:
        view = gray_tile(stage.values, percentile)
        tiles.append(PictureTile(stage.score, view.picture, f"to {stage.layer}"))
    return PictureRow(f"{title}, random from the top", tiles)


def gray_tile(values: np.ndarray, percentile: float) -> SaliencyView:
    """Returns the grey view of values with or without colours."""
    gray = magnitude(values)[..., None]
    return saliency_view(
        np.concatenate([gray, np.zeros_like(gray), np.zeros_like(gray)], axis=-1), "gray", percentile=percentile
    )


def _row(picture: np.ndarray, result: Saliency, percentile: float) -> PictureRow:
    views = [saliency_view(result.values, kind, percentile=percentile) for kind in VIEWS]
    score = f"score {result.score:.3g}" if result.score else "score 0: silent here"
    score += "" if result.gap is None else f", gap {result.gap:.1%}"
    tiles = [PictureTile("picture", picture, score)]
    return PictureRow(
        result.objective.title, [*tiles, *(PictureTile(view.kind, view.picture, view.scale) for view in views)]
    )
