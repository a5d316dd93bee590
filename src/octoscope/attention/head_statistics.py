"""Head statistics: what each layer and head of a run does, measured over all its steps.

Each step is read once. What each number is, and what it cannot tell, is in docs/attention.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float
from octoscope.attention.following import gripper_positions, motion_centers, track_correlation
from octoscope.attention.head_table import HeadStatistic, HeadTable
from octoscope.attention.map_measures import (
    attention_distance,
    attention_entropy,
    center_of_mass,
    map_cosine,
    map_difference,
    map_spread,
    relative_entropy_of_row,
)
from octoscope.attention.maps import captured_spans, grid_box, require_sight
from octoscope.attention.query import QueryRow, find_query
from octoscope.attention.share_table import WORD_SHARES, share_table
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
    maps = rows.weights[..., span.start : span.stop].reshape(*rows.weights.shape[:3], *(span.source.grid or ()))
    places = _patch_places(run, camera, span)
    statistics = [
        *_row_statistics(rows, span, camera),
        *_spread_statistics(maps, places, camera),
        *_change_statistics(maps, run.steps),
        *_following_statistics(run, maps, places["pixels"], camera, positions),
        *_word_statistics(run, row, chosen),
    ]
    notes = [] if run.captured_keys.all() else ["No entropy: the run holds only some keys, and entropy needs all."]
    if span.group in run.query_groups:
        statistics += _distance_statistics(run, camera, span, chosen, places)
    else:
        wanted = " ".join([*run.query_groups, span.group])
        notes.append(
            f"No attention distance: the run holds no rows of {span.group}. Capture them with --queries {wanted}."
        )
    return HeadTable(row, camera, run.steps, chosen, tuple(statistics), _deviation(maps), tuple(notes))


def patch_centers(grid: tuple[int, int], box: tuple[float, float, float, float]) -> Float[np.ndarray, "row column 2"]:
    """Returns the centre (y, x) of each cell of a grid that lies on a box.

    >>> patch_centers((1, 2), (0.0, 0.0, 16.0, 32.0)).tolist()
    [[[8.0, 8.0], [8.0, 24.0]]]
    """
    top, left, bottom, right = box
    rows = top + (np.arange(grid[0]) + 0.5) * (bottom - top) / grid[0]
    columns = left + (np.arange(grid[1]) + 0.5) * (right - left) / grid[1]
    return np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)


def _current_span(run: Run, camera: str | None) -> tuple[str, TokenSpan]:
    spans = captured_spans(run.layout, run.key_groups, camera)
    return next(pair for pair in spans if run.layout.time_of(pair[1]) == run.layout.window - 1)


@dataclass(frozen=True)
class _Rows:
    """The query row at every step."""

    weights: Float[np.ndarray, "step layer head key"]
    visible: Bool[np.ndarray, "step key"]


def _read_rows(run: Run, row: QueryRow, layers: Sequence[int]) -> _Rows:
    weights = row.weights_over(run, steps=run.steps, layers=layers).astype(np.float64)
    return _Rows(weights, row.visible_over(run, steps=run.steps))


def _patch_places(run: Run, camera: str, span: TokenSpan) -> dict[str, Float[np.ndarray, "row column 2"]]:
    """Returns the patches' centres, by unit."""
    grid = span.source.grid
    assert grid is not None, "placed spans have a grid"
    return {
        "patches": patch_centers(grid, (0.0, 0.0, float(grid[0]), float(grid[1]))),
        "pixels": patch_centers(grid, grid_box(span.source, run.transform(camera))),
    }


def _row_statistics(rows: _Rows, span: TokenSpan, camera: str) -> list[HeadStatistic]:
    relative = [relative_entropy_of_row(*step) for step in zip(rows.weights, rows.visible, strict=True)]
    share = rows.weights[..., span.start : span.stop].sum(axis=-1).mean(axis=0)
    even = (rows.visible[:, span.start : span.stop].sum(axis=1) / np.maximum(1, rows.visible.sum(axis=1))).mean()
    return [
        HeadStatistic(
            "entropy",
            "bits",
            "of the whole row over all keys, mean over steps",
            attention_entropy(rows.weights).mean(axis=0),
        ),
        HeadStatistic(
            "relative entropy",
            "",
            "entropy over log2 of the visible keys: 0 is one key alone",
            np.mean(relative, axis=0),
            1.0,
            _UNIT,
        ),
        HeadStatistic(
            "share", "", f"of the whole row on the current frame of {camera}, mean over steps", share, float(even)
        ),
    ]


def _spread_statistics(
    maps: Float[np.ndarray, "step layer head row column"],
    places: dict[str, Float[np.ndarray, "row column 2"]],
    camera: str,
) -> list[HeadStatistic]:
    meaning = f"distance of the weight on {camera} from its centre of mass, root of the mean square, mean over steps"
    even = np.ones(maps.shape[-2:])
    return [
        HeadStatistic("spread", unit, meaning, map_spread(maps, centers).mean(axis=0), float(map_spread(even, centers)))
        for unit, centers in places.items()
    ]


def _change_statistics(
    maps: Float[np.ndarray, "step layer head row column"], steps: Sequence[int]
) -> list[HeadStatistic]:
    later = [place for place in range(1, len(steps)) if steps[place] == steps[place - 1] + 1]
    before = [place - 1 for place in later]
    moved = map_difference(maps[later], maps[before]).mean(axis=0) if later else np.full(maps.shape[1:3], np.nan)
    cosine = map_cosine(maps, np.broadcast_to(maps.mean(axis=0), maps.shape)).mean(axis=0)
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
            cosine,
            limits=_UNIT,
        ),
    ]


def _deviation(maps: Float[np.ndarray, "step layer head row column"]) -> Float[np.ndarray, "step layer head"]:
    return map_difference(maps, np.broadcast_to(maps.mean(axis=0), maps.shape))


def _following_statistics(
    run: Run,
    maps: Float[np.ndarray, "step layer head row column"],
    pixels: Float[np.ndarray, "row column 2"],
    camera: str,
    positions: Float[np.ndarray, "step 2"] | None,
) -> list[HeadStatistic]:
    followed, thing = _followed(run, camera, positions)
    correlation, chance = track_correlation(center_of_mass(maps, pixels), followed)
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
    frames = np.stack([run.frame(camera, time=time) for time in times])
    # The first frame has none before it: it is compared with itself, and so not known.
    before = np.stack([run.frame(camera, time=max(0, time - 1)) for time in times])
    return motion_centers(frames, before)


def _word_statistics(run: Run, row: QueryRow, layers: Sequence[int]) -> list[HeadStatistic]:
    table = share_table(run, row, layers=layers)
    columns = [name for name in table.names if name in WORD_SHARES]
    if not columns:
        return []
    values, even = table.on_words().mean(axis=0), float(table.uniform_on_words().mean())
    meaning = f"share of the whole row on real words ({' and '.join(columns)}), mean over steps"
    times = HeadStatistic(
        "words", "times even", "that share over the share of even attention", values / max(even, 1e-12), 1.0
    )
    return [HeadStatistic("words", "", meaning, values, even), *([times] if even > 0 else [])]


def _distance_statistics(
    run: Run,
    camera: str,
    span: TokenSpan,
    layers: Sequence[int],
    places: dict[str, Float[np.ndarray, "row column 2"]],
) -> list[HeadStatistic]:
    grid = places["patches"].shape[:2]
    even = np.ones((span.size, *grid))
    distances: dict[str, list[np.ndarray]] = {unit: [] for unit in places}
    for step in run.steps:
        weights = run.attention(span.group, step=step, layers=layers)[..., span.start : span.stop].astype(np.float64)
        maps = weights.reshape(*weights.shape[:3], *grid)
        for unit, centers in places.items():
            distances[unit].append(attention_distance(maps, centers).mean(axis=-1))
    meaning = f"how far the patches of {camera} look within their own frame, mean over patches and steps"
    return [
        HeadStatistic(
            "distance", unit, meaning, np.mean(distances[unit], axis=0), float(attention_distance(even, centers).mean())
        )
        for unit, centers in places.items()
    ]
