"""The measures of one query group, over all steps of a run, in float32.

Each is defined in `attention` (shares, `map_measures`, regions, sinks) and tested against it; here they are computed for all steps at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float, Float32
from octoscope.attention.maps import grid_box
from octoscope.attention.query import QueryRow
from octoscope.attention.regions import object_coverage
from octoscope.attention.shares import NOT_CAPTURED, attention_shares
from octoscope.embedded.table_names import GRIPPER_ID, OBJECTS, TABLE_DATASETS
from octoscope.runs.run import Run
from octoscope.tokens.layout import TokenSpan
from octoscope.tokens.words import words_of_pieces
from octoscope.trends.task_words import OBJECT, OTHER, VERB, kinds_of_words

SHARE, ENTROPY, SINKS = "share: ", "relative entropy", "sinks"
SPREAD, STABILITY, DEVIATION, DISTANCE = "spread: ", "stability: ", "deviation: ", "distance: "
WORDS = "words read: "
NAMED, DISTRACTORS, CONTRAST, GRIPPER = "named object: ", "distractors: ", "named less distractors: ", "gripper: "
# As `find_sinks` has it by default.
_TIMES_UNIFORM, _MOST_VARIATION, _LEAST_STEPS = 5.0, 0.5, 3
# Objects that cover less than this part of one patch are out of sight.
_LEAST_COVERAGE = 0.05
_TINY = np.float32(1e-30)

MEANINGS: dict[str, str] = {
    SHARE: "part of the whole row's weight on these tokens, 0..1",
    ENTROPY: "entropy of the whole row over log2 of its visible keys: 0 is one key alone, 1 even attention",
    SINKS: "part of the row's weight on sinks: tokens with at least 5 even weights at every step alike, whatever they show",
    SPREAD: "root mean square distance of the weight on this camera's current frame from its centre, in patches",
    DISTANCE: "how far the patches of this camera look within their own frame on average, in patches",
    STABILITY: "1 less the part of the map on this camera's current frame that moves from the step before; 1 stands still",
    DEVIATION: "part of the map on this camera's current frame that differs from the episode's mean map, 0..1",
    WORDS: "weight on the words of the instruction that are its verb, its object or others, over what even attention gives to as many "
    "tokens",
    NAMED: "weight on the object that the instruction names, over what even attention gives it",
    DISTRACTORS: "weight on the other objects, over what even attention gives them, mean over objects in sight",
    CONTRAST: "named object less distractors, both in times even: above 0 the named one gets more than its size",
    GRIPPER: "weight on the gripper, over what even attention gives it",
}


def meaning_of(measure: str) -> str:
    """Returns what a measure is.

    >>> meaning_of("share: words")
    "part of the whole row's weight on these tokens, 0..1"
    """
    return next(text for prefix, text in MEANINGS.items() if measure.startswith(prefix))


@dataclass(frozen=True)
class CurrentFrame:
    """The current frame of one camera among the keys."""

    camera: str
    span: TokenSpan
    # Centres of patches, in patches.
    places: Float32[np.ndarray, "patch 2"]
    # What part of each patch a thing covers at each step, by measure; empty without masks.
    coverage: dict[str, Float32[np.ndarray, "step thing patch"]]


class GroupMeasures:
    """Takes the weights of a query group block by block, and gives its measures at the end."""

    def __init__(self, run: Run, group: str, rows: Sequence[int], frames: Sequence[CurrentFrame]) -> None:
        """Prepares what does not depend on weights; `frames` are those of the run."""
        self._run, self._group, self._rows = run, group, list(rows)
        self._query = QueryRow(group, (self._rows[0],), group)
        self._visible = self._query.visible_over(run, steps=run.steps)
        self._frames = frames
        self._shares = _kinds(run)
        self._words = _word_places(run)
        self._entropy: list[Float32[np.ndarray, "step layer head"]] = []
        self._means: list[Float32[np.ndarray, "step layer head key"]] = []
        self._distance: dict[str, list[np.ndarray]] = {}

    def add(self, steps: Sequence[int], weights: Float32[np.ndarray, "step layer head query key"]) -> None:
        """Takes a block of steps, in order."""
        captured = self._run.captured_keys
        if captured.all():
            visible = self._visible[[self._run.index_of(step) for step in steps]].sum(axis=-1)
            logs = np.log2(np.maximum(weights, _TINY))
            logs *= weights
            bits = -logs.sum(axis=-1).mean(axis=-1)
            self._entropy.append(bits / np.maximum(1.0, np.log2(np.maximum(1, visible)))[:, None, None])
        for frame in self._frames:
            if frame.span.group == self._group and len(self._rows) == frame.span.size:
                self._distance.setdefault(frame.camera, []).append(_distances(frame, weights))
        self._means.append(weights[:, :, :, 0] if weights.shape[3] == 1 else weights.mean(axis=3))

    def finish(
        self,
    ) -> tuple[tuple[str, ...], Float[np.ndarray, "step cell measure"], np.ndarray, np.ndarray]:
        """Returns names, values, what even attention gives, and what the episode's mean map gives."""
        weights = np.concatenate(self._means)
        steps = len(weights)
        flat = weights.reshape(steps, -1, weights.shape[-1])
        flat = flat if self._run.captured_keys.all() else np.nan_to_num(flat)
        even = (self._visible / np.maximum(1, self._visible.sum(axis=-1, keepdims=True))).astype(np.float32)
        columns: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]] = {}
        for name, places in self._shares.items():
            columns[SHARE + name] = (flat[..., places].sum(axis=-1), even[:, places].sum(axis=-1), None)
        for kind, places in self._words.items():
            expected = even[:, places].sum(axis=-1)
            read = flat[..., places].sum(axis=-1) / np.where(expected > 0, expected, np.nan)[:, None]
            columns[WORDS + kind] = (read, _known(read), None)
        nothing = np.full(steps, np.nan, np.float32)
        if self._entropy:
            columns[ENTROPY] = (np.concatenate(self._entropy).reshape(steps, -1), np.ones(steps), None)
            columns[SINKS] = (self._on_sinks(weights), np.zeros(steps), None)
        for camera, parts in self._distance.items():
            columns[DISTANCE + camera] = (np.concatenate(parts).reshape(steps, -1), nothing, None)
        for frame in self._frames:
            columns |= self._frame_columns(frame, flat, even)
        template = np.full((steps, flat.shape[1], len(columns)), np.nan, np.float32)
        for at, (_, _, fixed) in enumerate(columns.values()):
            if fixed is not None:
                template[..., at] = fixed
        return (
            tuple(columns),
            np.stack([values for values, _, _ in columns.values()], axis=-1),
            np.stack([expected for _, expected, _ in columns.values()], axis=-1),
            template,
        )

    def _frame_columns(
        self, frame: CurrentFrame, flat: Float32[np.ndarray, "step cell key"], even: Float32[np.ndarray, "step key"]
    ) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        steps = len(flat)
        raw = flat[..., frame.span.start : frame.span.stop]
        maps, mean = _as_distribution(raw), _as_distribution(raw.mean(axis=0))
        # No matrix products: their threads wait for each other longer than they work.
        centre = np.einsum("shp,pi->shi", maps, frame.places)
        square = np.einsum("shp,p->sh", maps, (frame.places**2).sum(axis=1))
        spread = np.sqrt(np.maximum(0.0, square - (centre**2).sum(axis=-1)))
        nothing, still = np.full(steps, np.nan, np.float32), np.full(maps.shape[:2], np.nan, np.float32)
        later = np.flatnonzero(np.diff(self._run.steps) == 1) + 1
        still[later] = 1.0 - 0.5 * np.abs(maps[later] - maps[later - 1]).sum(axis=-1)
        centred = frame.places - frame.places.mean(axis=0)
        columns: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]] = {
            SPREAD + frame.camera: (
                spread,
                np.full(steps, float(np.sqrt((centred**2).sum(axis=1).mean())), np.float32),
                None,
            ),
            STABILITY + frame.camera: (still, np.where(np.isin(np.arange(steps), later), 1.0, nothing), None),
            DEVIATION + frame.camera: (0.5 * np.abs(maps - mean).sum(axis=-1), np.zeros(steps), np.zeros_like(spread)),
        }
        fixed = np.broadcast_to(raw.mean(axis=0), raw.shape)
        patches = even[:, frame.span.start : frame.span.stop]
        for name, coverage in frame.coverage.items():
            values, template = (_times_even(each, coverage, patches) for each in (raw, fixed))
            columns[name + frame.camera] = (values, _known(values), template)
        if NAMED + frame.camera in columns and DISTRACTORS + frame.camera in columns:
            named, others = columns[NAMED + frame.camera], columns[DISTRACTORS + frame.camera]
            assert named[2] is not None, "objects have a template"
            values = named[0] - others[0]
            columns[CONTRAST + frame.camera] = (values, 0.0 * _known(values), named[2] - others[2])
        return columns

    def _on_sinks(self, weights: Float32[np.ndarray, "step layer head key"]) -> Float32[np.ndarray, "step cell"]:
        steps = len(weights)
        if steps < _LEAST_STEPS:
            return np.full((steps, weights.shape[1] * weights.shape[2]), np.nan, np.float32)
        multiple = weights.mean(axis=2) * self._visible.sum(axis=-1)[:, None, None]
        multiple = np.where(self._visible[:, None], multiple, np.nan)
        seen = self._visible.any(axis=0)
        mean, deviation = np.zeros(multiple.shape[1:]), np.zeros(multiple.shape[1:])
        mean[:, seen], deviation[:, seen] = (
            np.nanmean(multiple[..., seen], axis=0),
            np.nanstd(multiple[..., seen], axis=0),
        )
        sinks = seen & (mean >= _TIMES_UNIFORM) & (deviation <= _MOST_VARIATION * mean)
        return np.einsum("slhk,lk->slh", weights, sinks.astype(np.float32)).reshape(steps, -1)


def _kinds(run: Run) -> dict[str, slice | list[int]]:
    """Returns for each kind of key which tokens are of it, neighbours as a slice; a kind that the run does not hold has none."""
    indicator = np.where(run.captured_keys, np.eye(run.layout.size), np.nan)
    shares = attention_shares(run.layout, indicator, stack=run.stack.name)
    kinds: dict[str, slice | list[int]] = {}
    for name, share in shares.items():
        if name != NOT_CAPTURED:
            places = np.flatnonzero(share).tolist()
            neighbours = bool(places) and places[-1] - places[0] == len(places) - 1
            kinds[name] = slice(places[0], places[-1] + 1) if neighbours else places
    return kinds


def _word_places(run: Run) -> dict[str, list[int]]:
    """Returns the places of the instruction's words by what they are, in front and repeated; nothing where the run does not hold them."""
    layout, places = run.layout, dict[str, list[int]]()
    for span in layout.spans:
        pieces = layout.pieces_of(span)
        if span.source.kind != "language" or pieces is None or span.group not in run.stack.key_groups:
            continue
        words = words_of_pieces(pieces)
        for word, kind in zip(words, kinds_of_words([word.text for word in words]), strict=True):
            places.setdefault(kind, []).extend(span.start + at for at in word.positions)
    return {
        kind: places[kind] for kind in (VERB, OBJECT, OTHER) if kind in places and run.captured_keys[places[kind]].all()
    }


def current_frames(run: Run) -> Iterator[CurrentFrame]:
    """Yields the current frame of each camera that is among the stack's keys and has a place in an image."""
    for camera in run.cameras:
        for span in run.layout.image_spans(camera):
            grid = span.source.grid
            now = run.layout.time_of(span) == run.layout.window - 1
            if grid is not None and now and span.group in run.key_groups and span.group in run.stack.key_groups:
                rows, columns = np.divmod(np.arange(span.size), grid[1])
                places = np.stack([rows, columns], axis=1).astype(np.float32) + 0.5
                yield CurrentFrame(camera, span, places, _coverage(run, camera, span))
                break


def _coverage(run: Run, camera: str, span: TokenSpan) -> dict[str, Float32[np.ndarray, "step thing patch"]]:
    """Returns how much of each patch the things of a frame cover; the masks of the table-top number them, those of others are not known."""
    if not run.has_masks(camera):
        return {}
    grid = span.source.grid
    assert grid is not None, "frames have a grid"
    times = [int(run.frame_index(step=step)[-1]) for step in run.steps]
    masks = np.stack([run.mask(camera, time=time) for time in times])
    targets = run.read("target_id")[times].astype(int)
    cover = object_coverage(
        masks, max(GRIPPER_ID, *targets) + 1, box=grid_box(span.source, run.transform(camera)), grid=grid
    )
    steps = np.arange(len(times))
    coverage = {NAMED: cover[steps, targets][:, None]}
    if run.manifest["dataset"] in TABLE_DATASETS:
        others = [[number for number in range(1, OBJECTS + 1) if number != target] for target in targets]
        coverage |= {DISTRACTORS: cover[steps[:, None], others], GRIPPER: cover[:, [GRIPPER_ID]]}
    return {name: values.reshape(*values.shape[:2], -1) for name, values in coverage.items()}


def _times_even(
    raw: Float32[np.ndarray, "step cell patch"],
    coverage: Float32[np.ndarray, "step thing patch"],
    even: Float32[np.ndarray, "step patch"],
) -> Float32[np.ndarray, "step cell"]:
    """Returns the weight on things over what even attention gives them, mean over those in sight; NaN where none is."""
    weight = np.einsum("shp,stp->sht", raw, coverage)
    expected = np.einsum("sp,stp->st", even, coverage)
    in_sight = (coverage.sum(axis=-1) >= _LEAST_COVERAGE) & (expected > 0)
    ratios = weight / np.where(in_sight, expected, np.nan)[:, None]
    count = in_sight.sum(axis=-1)
    total = np.nansum(ratios, axis=-1)
    return np.where(count[:, None] > 0, total / np.maximum(1, count)[:, None], np.nan).astype(np.float32)


def _as_distribution(maps: Float32[np.ndarray, "*batch patch"]) -> Float32[np.ndarray, "*batch patch"]:
    """Returns maps that sum to 1; NaN where there is no weight at all."""
    total = maps.sum(axis=-1, keepdims=True)
    return maps / np.where(total > 0, total, np.float32("nan"))


def _known(values: Float32[np.ndarray, "step cell"]) -> Float32[np.ndarray, " step"]:
    """Returns 1 at steps at which there are values, else NaN: even attention gives everything just its part."""
    return np.where(np.isnan(values).all(axis=-1), np.nan, 1.0).astype(np.float32)


def _distances(
    frame: CurrentFrame, weights: Float32[np.ndarray, "step layer head query key"]
) -> Float32[np.ndarray, "step layer head"]:
    apart = np.linalg.norm(frame.places[:, None] - frame.places[None], axis=-1)
    own = weights[..., frame.span.start : frame.span.stop]
    total = own.sum(axis=-1)
    moved = np.einsum("slhqk,qk->slhq", own, apart)
    return (moved / np.where(total > 0, total, np.nan)).mean(axis=-1)
