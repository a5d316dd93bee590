"""Head statistics: what each layer and head of a run does, measured over all its steps.

Each step is read once. What each number is, and what it cannot tell, is in docs/attention.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, Float32
from octoscope.attention.following import gripper_positions, motion_centers, track_correlation
from octoscope.attention.head_table import HeadStatistic, HeadTable
from octoscope.attention.map_measures import (
    attention_distance,
    known_mean,
    map_spread,
)
from octoscope.attention.maps import captured_spans, grid_box, require_sight
from octoscope.attention.query import QueryRow, find_query, missing_rows, step_blocks
from octoscope.attention.share_table import WORD_SHARES, shares_of_weights
from octoscope.attention.step_maps import StepMaps, patch_centers
from octoscope.runs.run import Run
from octoscope.tokens.layout import TokenSpan

# From 0 to 1, whatever the policy.
_UNIT = (0.0, 1.0)


def head_table(
    run: Run,
    query: str | QueryRow | None = None,
    *,
    camera: str | None = None,
    layers: Sequence[int] | None = None,
    positions: Float[np.ndarray, "step 2"] | None = None,
) -> HeadTable:
    """Returns what each layer and head does, over all steps of the run.

    Args:
      run: The run.
      query: Whose attention: a group, "GROUP:TOKEN" or "word:WORD"; the first readout by default.
      camera: Whose current frame the maps are of; the first by default.
      layers: Only these; all that the run holds by default.
      positions: Where the gripper is at each step of the run (y, x in pixels of the recorded frame), NaN where it is not known; by
        default what the masks of the run tell, and without them where the frame changed against the one before.

    Raises:
      SelectionError: If the query, camera or a layer is not in the run, or the query may look at no image.
      ValueError: If `positions` does not hold one place a step.
    """
    row = find_query(run.layout, query)
    require_sight(run.layout, row, run.stack.name)
    chosen = tuple(run.layers if layers is None else run.check_layers(layers))
    if positions is not None and positions.shape != (len(run.steps), 2):
        raise ValueError(f"`positions` must be ({len(run.steps)}, 2), a place for each step, got {positions.shape}.")
    camera, span = _current_span(run, camera)
    rows = _read_rows(run, row, chosen)
    # Cells on the padding around a frame are no places of it.
    shown = span.source.shows_scene()
    maps = StepMaps.of(rows.weights[..., span.start : span.stop] * shown.ravel(), _grid(span))
    places = _patch_places(run, camera, span)
    statistics = [
        *_row_statistics(rows, span, camera),
        *_spread_statistics(maps, places, camera, shown),
        *_change_statistics(maps, run.steps),
        *_following_statistics(run, maps, places["pixels"], camera, positions),
        *_word_statistics(run, row, rows.weights),
    ]
    notes = [] if run.captured_keys.all() else ["No entropy: the run holds only some keys, and entropy needs all."]
    if span.group in run.query_groups:
        statistics += _distance_statistics(run, camera, span, chosen, places)
    else:
        notes.append(f"No attention distance: {missing_rows(run, [span.group])}")
    return HeadTable(row, camera, run.steps, chosen, tuple(statistics), maps.deviation(), tuple(notes))


def _current_span(run: Run, camera: str | None) -> tuple[str, TokenSpan]:
    spans = captured_spans(run.layout, run.key_groups, camera)
    return next(pair for pair in spans if run.layout.time_of(pair[1]) == run.layout.window - 1)


@dataclass(frozen=True)
class _Rows:
    """The query row at every step."""

    weights: Float32[np.ndarray, "step layer head key"]
    visible: Bool[np.ndarray, "step key"]


def _grid(span: TokenSpan) -> tuple[int, int]:
    assert span.source.grid is not None, "placed spans have a grid"
    return span.source.grid


def _read_rows(run: Run, row: QueryRow, layers: Sequence[int]) -> _Rows:
    return _Rows(row.weights_over(run, steps=run.steps, layers=layers), row.visible_over(run, steps=run.steps))


def _patch_places(run: Run, camera: str, span: TokenSpan) -> dict[str, Float[np.ndarray, "row column 2"]]:
    """Returns the patches' centres, by unit."""
    grid = _grid(span)
    return {
        "patches": patch_centers(grid, (0.0, 0.0, float(grid[0]), float(grid[1]))),
        "pixels": patch_centers(grid, grid_box(span.source, run.transform(camera))),
    }


def _row_statistics(rows: _Rows, span: TokenSpan, camera: str) -> list[HeadStatistic]:
    entropy = _entropy(rows.weights)
    most = np.maximum(1.0, np.log2(np.maximum(1, rows.visible.sum(axis=1))))
    relative = entropy / most[:, None, None]
    shown = span.source.shows_scene().ravel()
    shares = [
        HeadStatistic(
            name,
            "",
            f"of the whole row on {what}, mean over steps",
            rows.weights[..., span.start : span.stop][..., cells].sum(axis=-1).mean(axis=0, dtype=np.float64),
            float(
                (
                    rows.visible[:, span.start : span.stop][:, cells].sum(axis=1)
                    / np.maximum(1, rows.visible.sum(axis=1))
                ).mean()
            ),
        )
        for name, what, cells in (
            ("share", f"the current frame of {camera}", shown),
            ("padding", f"the padding around that frame of {camera}", ~shown),
        )
        if cells.any()
    ]
    return [
        HeadStatistic(
            "entropy",
            "bits",
            "of the whole row over all keys, mean over steps",
            entropy.mean(axis=0),
        ),
        HeadStatistic(
            "relative entropy",
            "",
            "entropy over log2 of the visible keys: 0 is one key alone",
            relative.mean(axis=0),
            1.0,
            _UNIT,
        ),
        *shares,
    ]


def _entropy(weights: Float32[np.ndarray, "step layer head key"]) -> Float[np.ndarray, "step layer head"]:
    """Returns what `attention_entropy` does, of stored rows: their own precision is coarser than that of single precision."""
    logs = np.maximum(weights, np.float32(1e-30))
    np.log2(logs, out=logs)
    logs *= weights
    return np.abs(logs.sum(axis=-1)).astype(np.float64)


def _spread_statistics(
    maps: StepMaps,
    places: dict[str, Float[np.ndarray, "row column 2"]],
    camera: str,
    shown: Bool[np.ndarray, "row column"],
) -> list[HeadStatistic]:
    meaning = f"distance of the weight on {camera} from its centre of mass, root of the mean square, mean over steps"
    even = shown.astype(np.float64)
    return [
        HeadStatistic("spread", unit, meaning, maps.spread(centers).mean(axis=0), float(map_spread(even, centers)))
        for unit, centers in places.items()
    ]


def _change_statistics(maps: StepMaps, steps: Sequence[int]) -> list[HeadStatistic]:
    later = [place for place in range(1, len(steps)) if steps[place] == steps[place - 1] + 1]
    moved = maps.moved(later) if later else np.full(maps.raw.shape[1:3], np.nan)
    return [
        HeadStatistic(
            "stability",
            "",
            "1 less the part of the map that moves from one step to the next, mean over neighbouring steps: 1 stands still",
            1.0 - moved,
            limits=_UNIT,
        ),
        HeadStatistic(
            "template",
            "",
            "cosine of each step's map with the mean map of all steps, mean over steps: near 1 is one fixed map",
            maps.template(),
            limits=_UNIT,
        ),
    ]


def _following_statistics(
    run: Run,
    maps: StepMaps,
    pixels: Float[np.ndarray, "row column 2"],
    camera: str,
    positions: Float[np.ndarray, "step 2"] | None,
) -> list[HeadStatistic]:
    followed, thing = _followed(run, camera, positions)
    correlation, chance = track_correlation(maps.centers(pixels), followed)
    return [
        HeadStatistic(
            "follows",
            "r",
            f"correlation of the map's centre of mass with {thing}, mean of y and x, over {len(run.steps)} steps",
            correlation,
            limits=(-1.0, 1.0),
        ),
        HeadStatistic(
            "chance",
            "",
            "part of all shifts in time of that track that go as well with the map: only a small one speaks for the head",
            chance,
            limits=_UNIT,
        ),
    ]


def _followed(
    run: Run, camera: str, positions: Float[np.ndarray, "step 2"] | None
) -> tuple[Float[np.ndarray, "step 2"], str]:
    """Returns the track that maps are compared with, and what it is."""
    if positions is not None:
        return positions.astype(np.float64), "the gripper, at the positions given"
    masked = gripper_positions(run, camera)
    if masked is not None:
        return masked, "the gripper, at the centre of its mask"
    return _motion(run, camera), "where the frame changed, as no mask tells the gripper"


def _motion(run: Run, camera: str) -> Float[np.ndarray, "step 2"]:
    times = [int(run.frame_index(step=step)[-1]) for step in run.steps]
    # The first frame has none before it: it is compared with itself, and so not known.
    before = [max(0, time - 1) for time in times]
    wanted = sorted({*times, *before})
    places = {time: place for place, time in enumerate(wanted)}
    frames = np.stack([run.frame(camera, time=time) for time in wanted])
    return motion_centers(frames[[places[time] for time in times]], frames[[places[time] for time in before]])


def _word_statistics(
    run: Run, row: QueryRow, weights: Float32[np.ndarray, "step layer head key"]
) -> list[HeadStatistic]:
    names, shares, uniform = shares_of_weights(run, row, run.steps, weights)
    columns = [name for name in names if name in WORD_SHARES]
    if not columns:
        return []
    places = [names.index(name) for name in columns]
    values, even = shares[..., places].sum(axis=-1).mean(axis=0), float(uniform[:, places].sum(axis=-1).mean())
    meaning = f"share of the whole row on real words ({' and '.join(columns)}), mean over steps"
    times = HeadStatistic(
        "words", "times even", "that share over the share of even attention", values / max(even, 1e-12), 1.0
    )
    return [HeadStatistic("words", "", meaning, values, even), *([times] if even > 0 else [])]


def _apart(places: Float[np.ndarray, "row column 2"]) -> Float32[np.ndarray, "patch patch"]:
    """Returns how far each place is from each other."""
    flat = places.reshape(-1, 2)
    return np.linalg.norm(flat[:, None] - flat[None], axis=-1).astype(np.float32)


def _distance_statistics(
    run: Run,
    camera: str,
    span: TokenSpan,
    layers: Sequence[int],
    places: dict[str, Float[np.ndarray, "row column 2"]],
) -> list[HeadStatistic]:
    grid, shown = places["patches"].shape[:2], span.source.shows_scene().ravel()
    even = np.broadcast_to(shown.reshape(grid), (span.size, *grid)).astype(np.float64)
    distances: dict[str, list[np.ndarray]] = {unit: [] for unit in places}
    apart = {unit: _apart(centers) for unit, centers in places.items()}
    for block in step_blocks(run, span.group, run.steps):
        rows = run.attention_over(span.group, steps=block, rows=np.flatnonzero(shown).tolist(), layers=layers)
        own = rows[..., span.start : span.stop] * shown
        total = own.sum(axis=-1)
        for unit, between in apart.items():
            moved = np.einsum("slhqk,qk->slhq", own, between[shown])
            distances[unit].append(known_mean(moved / np.where(total > 0, total, np.nan)))
    meaning = (
        f"how far the patches of {camera} look within their own frame, mean over patches that look there and steps"
    )
    return [
        HeadStatistic(
            "distance",
            unit,
            meaning,
            np.concatenate(distances[unit]).mean(axis=0),
            float(attention_distance(even, centers)[shown].mean()),
        )
        for unit, centers in places.items()
    ]
