"""How patches look, by depth: how far, how evenly and at what, for each layer and head, measured on the patches' own rows.

Attention distance by depth is figure 7 (right) of Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021,
https://arxiv.org/abs/2010.11929; for vision transformers in general see Raghu et al., "Do Vision Transformers See Like Convolutional
Neural Networks?", NeurIPS 2021, https://arxiv.org/abs/2108.08810. Unlike there, patches here also look at words, at other cameras and
at the frame before: the shares say how much of a head is about its own frame at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.attention.head_table import HeadStatistic
from octoscope.attention.map_measures import attention_distance, known_mean, relative_entropy_of_row
from octoscope.attention.maps import captured_spans, grid_box
from octoscope.attention.step_maps import patch_centers
from octoscope.errors import SelectionError
from octoscope.runs.run import Run
from octoscope.tokens.layout import TokenSpan

_UNIT = (0.0, 1.0)


@dataclass(frozen=True)
class DepthProfile:
    """Statistics of the rows of one camera's patches at the current timestep, mean over patches and steps."""

    camera: str
    steps: tuple[int, ...]
    layers: tuple[int, ...]
    statistics: tuple[HeadStatistic, ...]


def depth_profile(run: Run, *, camera: str | None = None, layers: Sequence[int] | None = None) -> DepthProfile:
    """Returns how far patches look, how evenly, and how much of it at themselves, their frame, the rest of the images and words.

    A kind of token that the policy does not have (words of a goal-image policy, other images where there is one) has no statistic.

    Args:
      run: A run that holds the rows of the camera's patches (`query_groups=["readout", "obs_primary"]`, or "all") to all keys.
      camera: The first by default.
      layers: Only these; all that the run holds by default.

    Raises:
      SelectionError: If rows of patches or some keys are not in the run, or the camera or a layer does not exist.
    """
    chosen = tuple(run.layers if layers is None else run.check_layers(layers))
    spans = captured_spans(run.layout, run.key_groups, camera)
    camera, span = next(pair for pair in spans if run.layout.time_of(pair[1]) == run.layout.window - 1)
    if span.group not in run.query_groups or not run.captured_keys.all():
        raise SelectionError(
            f"How patches look needs the rows of {span.group} to all keys. Capture them with --queries readout {span.group}."
        )
    values = [_step_values(run, camera, span, step=step, layers=chosen) for step in run.steps]
    even = [_step_even(run, camera, span, step=step) for step in run.steps]
    statistics = tuple(
        HeadStatistic(
            name, unit, meaning, np.mean([each[place] for each in values], axis=0), float(mean), limits=limits
        )
        for place, ((name, unit, meaning, limits), mean) in enumerate(
            zip(_kinds(camera), np.mean(even, axis=0), strict=True)
        )
        # Even attention gives something to whatever can be looked at.
        if mean > 0
    )
    return DepthProfile(camera, run.steps, chosen, statistics)


def _kinds(camera: str) -> list[tuple[str, str, str, tuple[float, float] | None]]:
    """Returns name, unit, meaning and limits of each statistic."""
    within = f"mean distance from a patch to where it looks within its own frame of {camera}"
    return [
        ("distance", "patches", within, None),
        ("distance", "pixels", f"{within}, recorded", None),
        ("entropy", "of the most possible", "of a patch's whole row, over log2 of the tokens it may see", _UNIT),
        ("own patch", "share", "weight of a patch on itself", _UNIT),
        ("own frame", "share", f"weight on the other patches of its frame of {camera}", _UNIT),
        ("other images", "share", "weight on other cameras and on the frame before", _UNIT),
        ("words", "share", "weight on all copies of the instruction, padding words included", _UNIT),
        ("padding", "share", "weight on cells that lie on the padding around a frame alone", _UNIT),
    ]


def _step_values(
    run: Run, camera: str, span: TokenSpan, *, step: int, layers: Sequence[int]
) -> Float[np.ndarray, "statistic layer head"]:
    # Patches on the padding around the frame are no patches of it.
    shown = span.source.shows_scene().ravel()
    rows = run.attention(span.group, step=step, layers=layers).astype(np.float64)[..., shown, :]
    visible = run.rules[span.start] & ~run.token_pad(step=step)
    own = rows[..., span.start : span.stop] * shown
    itself = np.einsum("lhpp->lhp", own[..., shown])
    parts = [itself, own.sum(axis=-1) - itself, *(rows[..., places].sum(axis=-1) for places in _others(run, span))]
    return np.stack(
        [
            *_distances(run, camera, span, own),
            relative_entropy_of_row(rows, visible).mean(axis=-1),
            *(part.mean(axis=-1) for part in parts),
        ]
    )


def _step_even(run: Run, camera: str, span: TokenSpan, *, step: int) -> Float[np.ndarray, " statistic"]:
    visible = run.rules[span.start] & ~run.token_pad(step=step)
    shown = span.source.shows_scene().ravel()
    alike = np.broadcast_to(shown, (1, 1, int(shown.sum()), span.size)).astype(np.float64)
    distances = [values.item() for values in _distances(run, camera, span, alike)]
    others = [visible[places].sum() for places in _others(run, span)]
    shares = np.array([1, shown.sum() - 1, *others]) / max(1, int(visible.sum()))
    return np.array([*distances, 1.0, *shares])


def _distances(
    run: Run, camera: str, span: TokenSpan, own: Float[np.ndarray, "layer head query key"]
) -> list[Float[np.ndarray, "layer head"]]:
    grid = span.source.grid
    assert grid is not None, "placed spans have a grid"
    shown = span.source.shows_scene().ravel()
    maps = np.zeros((*own.shape[:2], span.size, *grid))
    maps[:, :, shown] = own.reshape(*own.shape[:3], *grid)
    boxes = [(0.0, 0.0, float(grid[0]), float(grid[1])), grid_box(span.source, run.transform(camera))]
    return [known_mean(attention_distance(maps, patch_centers(grid, box))[..., shown]) for box in boxes]


def _others(run: Run, span: TokenSpan) -> list[np.ndarray]:
    """Returns the places of other image tokens, of words, and of cells that lie on the padding around a frame."""

    def places(kind: str, *, shown: bool = True, own: bool = False) -> np.ndarray:
        spans = [each for each in run.layout.spans if each.source.kind == kind and (own or each.start != span.start)]
        chosen = [np.arange(each.start, each.stop)[_shown(each) == shown] for each in spans]
        return np.concatenate(chosen or [np.zeros(0, int)])

    return [places("image"), places("language"), places("image", shown=False, own=True)]


def _shown(span: TokenSpan) -> Bool[np.ndarray, " token"]:
    return np.ones(span.size, bool) if span.source.grid is None else span.source.shows_scene().ravel()
