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
    map_spread,
)
from octoscope.attention.maps import captured_spans, grid_box, require_sight
from octoscope.attention.query import QueryRow, find_query, step_blocks
from octoscope.attention.share_table import WORD_SHARES, shares_of_weights
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
    maps = _Maps.of(rows.weights[..., span.start : span.stop], _grid(span))
    places = _patch_places(run, camera, span)
    statistics = [
        *_row_statistics(rows, span, camera),
        *_spread_statistics(maps, places, camera),
        *_change_statistics(maps, run.steps),
        *_following_statistics(run, maps, places["pixels"], camera, positions),
        *_word_statistics(run, row, rows.weights),
    ]
    notes = [] if run.captured_keys.all() else ["No entropy: the run holds only some keys, and entropy needs all."]
    if span.group in run.query_groups:
        statistics += _distance_statistics(run, camera, span, chosen, places)
    else:
        wanted = " ".join([*run.query_groups, span.group])
        notes.append(
            f"No attention distance: the run holds no rows of {span.group}. Capture them with --queries {wanted}."
        )
    return HeadTable(row, camera, run.steps, chosen, tuple(statistics), maps.deviation(), tuple(notes))


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

    weights: Float32[np.ndarray, "step layer head key"]
    visible: Bool[np.ndarray, "step key"]


@dataclass(frozen=True)
class _Maps:
    """The rows on one frame, each decoded and brought to a sum of 1 once; NaN where there is no weight at all."""

    raw: Float32[np.ndarray, "step layer head patch"]
    # That sum to 1.
    parts: Float32[np.ndarray, "step layer head patch"]
    # Of the parts, about the grid's middle, in patches: mean of y and x, and of their squares. Doubles: what is spread little would
    # be lost in the difference of two large numbers.
    first: Float[np.ndarray, "step layer head 2"]
    second: Float[np.ndarray, "step layer head 2"]
    grid: tuple[int, int]

    @classmethod
    def of(cls, raw: Float32[np.ndarray, "step layer head patch"], grid: tuple[int, int]) -> "_Maps":
        places = _centred(grid)
        columns = np.concatenate([np.ones((len(places), 1)), places, places**2], axis=1)
        moments = raw.astype(np.float64) @ columns
        total = np.where(moments[..., :1] > 0, moments[..., :1], np.nan)
        moments = moments[..., 1:] / total
        return cls(raw, raw / total.astype(np.float32), moments[..., :2], moments[..., 2:], grid)

    def centers(self, places: Float[np.ndarray, "row column 2"]) -> Float[np.ndarray, "step layer head 2"]:
        """Returns the centre of mass of each map, in the units of a grid of places."""
        return places.mean(axis=(0, 1)) + self.first * _patch_size(places)

    def spread(self, places: Float[np.ndarray, "row column 2"]) -> Float[np.ndarray, "step layer head"]:
        """Returns what `map_spread` does, in the units of a grid of places."""
        variance = np.maximum(0.0, self.second - self.first**2) * _patch_size(places) ** 2
        return np.sqrt(variance.sum(axis=-1))

    def moved(self, later: Sequence[int]) -> Float[np.ndarray, "layer head"]:
        """Returns the part of the map that moves from the step before, mean over some steps."""
        before = [place - 1 for place in later]
        change = np.abs(self.parts[later] - self.parts[before]).sum(axis=-1)
        return 0.5 * change.mean(axis=0, dtype=np.float64)

    def deviation(self) -> Float[np.ndarray, "step layer head"]:
        """Returns how far each step's map is from the mean map of all."""
        mean = self.raw.mean(axis=0, dtype=np.float64)
        total = mean.sum(axis=-1, keepdims=True)
        mean = (mean / np.where(total > 0, total, np.nan)).astype(np.float32)
        return 0.5 * np.abs(self.parts - mean).sum(axis=-1).astype(np.float64)

    def template(self) -> Float[np.ndarray, "layer head"]:
        """Returns the cosine of each step's map with the mean map of all, mean over steps."""
        mean = self.raw.mean(axis=0, dtype=np.float64).astype(np.float32)
        product = np.einsum("slhp,lhp->slh", self.raw, mean).astype(np.float64)
        lengths = np.sqrt(
            np.einsum("slhp,slhp->slh", self.raw, self.raw).astype(np.float64)
            * np.einsum("lhp,lhp->lh", mean, mean).astype(np.float64)
        )
        return np.minimum(1.0, product / np.where(lengths > 0, lengths, np.nan)).mean(axis=0)


def _grid(span: TokenSpan) -> tuple[int, int]:
    assert span.source.grid is not None, "placed spans have a grid"
    return span.source.grid


def _centred(grid: tuple[int, int]) -> Float[np.ndarray, "patch 2"]:
    """Returns the patches' centres about the grid's middle, in patches."""
    places = patch_centers(grid, (0.0, 0.0, float(grid[0]), float(grid[1]))).reshape(-1, 2)
    return places - places.mean(axis=0)


def _patch_size(places: Float[np.ndarray, "row column 2"]) -> Float[np.ndarray, " 2"]:
    """Returns height and width of a patch, in the units of a grid of places; 1 where there is one patch alone."""
    rows, columns = places.shape[:2]
    height = places[1, 0, 0] - places[0, 0, 0] if rows > 1 else 1.0
    width = places[0, 1, 1] - places[0, 0, 1] if columns > 1 else 1.0
    return np.array([height, width])


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
    share = rows.weights[..., span.start : span.stop].sum(axis=-1).mean(axis=0, dtype=np.float64)
    even = (rows.visible[:, span.start : span.stop].sum(axis=1) / np.maximum(1, rows.visible.sum(axis=1))).mean()
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
        HeadStatistic(
            "share", "", f"of the whole row on the current frame of {camera}, mean over steps", share, float(even)
        ),
    ]


def _entropy(weights: Float32[np.ndarray, "step layer head key"]) -> Float[np.ndarray, "step layer head"]:
    """Returns what `attention_entropy` does, of stored rows: their own precision is coarser than that of single precision."""
    logs = np.maximum(weights, np.float32(1e-30))
    np.log2(logs, out=logs)
    logs *= weights
    return np.abs(logs.sum(axis=-1)).astype(np.float64)


def _spread_statistics(
    maps: _Maps,
    places: dict[str, Float[np.ndarray, "row column 2"]],
    camera: str,
) -> list[HeadStatistic]:
    meaning = f"distance of the weight on {camera} from its centre of mass, root of the mean square, mean over steps"
    even = np.ones(maps.grid)
    return [
        HeadStatistic("spread", unit, meaning, maps.spread(centers).mean(axis=0), float(map_spread(even, centers)))
        for unit, centers in places.items()
    ]


def _change_statistics(maps: _Maps, steps: Sequence[int]) -> list[HeadStatistic]:
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
    maps: _Maps,
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
    grid = places["patches"].shape[:2]
    even = np.ones((span.size, *grid))
    distances: dict[str, list[np.ndarray]] = {unit: [] for unit in places}
    apart = {unit: _apart(centers) for unit, centers in places.items()}
    for block in step_blocks(run, span.group, run.steps):
        rows = run.attention_over(span.group, steps=block, rows=range(span.size), layers=layers)
        own = rows[..., span.start : span.stop]
        total = own.sum(axis=-1)
        for unit, between in apart.items():
            moved = np.einsum("slhqk,qk->slhq", own, between)
            distances[unit].append((moved / np.where(total > 0, total, np.nan)).mean(axis=-1, dtype=np.float64))
    meaning = f"how far the patches of {camera} look within their own frame, mean over patches and steps"
    return [
        HeadStatistic(
            "distance",
            unit,
            meaning,
            np.concatenate(distances[unit]).mean(axis=0),
            float(attention_distance(even, centers).mean()),
        )
        for unit, centers in places.items()
    ]
