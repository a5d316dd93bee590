"""All pictures of what patches hold and how the transformer treats them, from runs, into a folder; with figures, and what is missing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.depth_profile import depth_profile
from octoscope.attention.travel import patch_travel
from octoscope.encodings.layer_similarity import layer_similarity
from octoscope.encodings.nearest_patches import PatchPlace
from octoscope.encodings.patch_encodings import PatchEncodings, patch_encodings
from octoscope.encodings.probe_samples import POSITION, probe_samples
from octoscope.encodings.residual_norms import residual_norms
from octoscope.encodings.residual_stream import holds_rows, point_rows, residual_points
from octoscope.encodings.window_change import window_change
from octoscope.errors import SelectionError
from octoscope.intervals import FEWEST
from octoscope.render.view import View, save_view
from octoscope.runs.run import Run
from octoscope.views.attention_sheet import describe_run
from octoscope.views.layer_pictures import depth_profile_chart, layer_similarity_chart, position_similarity_chart
from octoscope.views.nearest_patches_page import write_nearest_patches_page
from octoscope.views.nearest_patches_sheet import nearest_patches_sheet
from octoscope.views.norm_pictures import norm_curves_chart, norm_maps_sheet
from octoscope.views.patch_color_sheet import patch_colors_sheet
from octoscope.views.probe_pictures import probes_chart
from octoscope.views.travel_sheet import travel_sheet
from octoscope.views.window_sheet import window_change_sheet, window_curves_chart

QUESTIONS = {
    "thing": "background, object, or gripper?",
    "named": "of objects: is it the one that the instruction names?",
    "color": "of objects: which colour?",
    "shape": "of objects: which shape?",
}
# Takes a file's name without its ending, and what it shows.
Write = Callable[[str, View], None]
# From a camera and a patch (row, column) to how far each token moves when it is covered, over its length, by depth.
MeasureTravel = Callable[[str, tuple[int, int]], Float[np.ndarray, "depth token"]]


@dataclass
class ImageEncodingReport:
    """What was written and found."""

    files: list[Path] = field(default_factory=list)
    # What is opened in a browser.
    pages: list[Path] = field(default_factory=list)
    # By what was measured, its numbers by depth: "input: 0.58, block 0: 0.84".
    figures: dict[str, str] = field(default_factory=dict)
    # What could not be drawn, and what to do about it.
    notes: list[str] = field(default_factory=list)


def write_image_encodings(
    runs: Sequence[Run],
    folder: str | Path,
    *,
    camera: str | None = None,
    step: int | None = None,
    patch: tuple[int, int] | None = None,
    measure: MeasureTravel | None = None,
    figure_format: str = "png",
) -> ImageEncodingReport:
    """Writes every picture that the runs have what is needed for; the first run is the one drawn, the others are its comparison.

    Args:
      runs: One for each episode of one policy, with the points `blocks.input` and `blocks.*.residual`. Attention by depth needs the rows of
        patches, travel `query_groups="all"`, position embeddings the points `tokens.obs_*.projection` and `.embedding`, probes five
        episodes with masks.
      folder: Where to; it must exist.
      camera: Whose patches; the first by default.
      step: Step of the first run's episode that single steps are drawn of; the middle one by default.
      patch: Row and column of the patch whose neighbours and travel are drawn; by default where the named object is, else the middle.
      measure: Covers the patch at that step; draws what it gives below the rollout. See `encoding_change`.
      figure_format: Of the pictures: "png", "svg" or "pdf".

    Raises:
      SelectionError: If there is no residual stream in a run, or the camera, step or patch does not exist.
      OutputError: If a file cannot be written.
    """
    encodings = [patch_encodings(run, camera=camera) for run in runs]
    run, first = runs[0], encodings[0]
    _check_alike(runs, encodings)
    if first.stack in {stack.name for stack in run.stacks}:
        # How patches look is told by the stack that they pass.
        run = run.of_stack(first.stack)
    shown = first.steps[len(first.steps) // 2] if step is None else run.steps[run.index_of(step)]
    chosen = _default_patch(run, first, shown) if patch is None else _check_patch(first, patch)
    report = ImageEncodingReport()

    def write(name: str, view: View) -> None:
        path = Path(folder) / f"{name}.{figure_format}"
        save_view(view, path)
        report.files.append(path)

    write("patch_colors", patch_colors_sheet(run, first))
    place = PatchPlace(0, first.steps.index(shown), *chosen)
    write("nearest_patches", nearest_patches_sheet(runs, encodings, place))
    if len(runs) > 1:
        far = nearest_patches_sheet(
            runs, encodings, place, without_position=True, one_per="episode", other_episodes=True
        )
        write("nearest_patches_other_episodes", far)
    report.pages.append(Path(folder) / "nearest_patches.html")
    write_nearest_patches_page(runs, encodings, report.pages[-1], place)
    _write_layers(write, report, runs, encodings)
    _write_probes(write, report, runs, encodings)
    norms = residual_norms(first.current)
    standing_out = dict(zip(first.depths, norms.outliers.mean(axis=(1, 2, 3)), strict=True))
    report.figures["part of patches that stand out by their length"] = _by_name(standing_out)
    write("norms", norm_curves_chart(_norms_by_kind(run), depths=first.depths, subtitle=describe_run(run)))
    write("norm_maps", norm_maps_sheet(run, first, norms, step=shown))
    _write_window(write, report, run, first, shown)
    _write_attention(write, report, run, first, shown, chosen, measure)
    others = [name for name in run.layout.cameras if name != first.camera and _is_placed(run, name)]
    if others:
        report.notes.append(f"Drawn of {first.camera}. Of another camera: --camera {' or '.join(others)}.")
    return report


def _episodes(runs: Sequence[Run]) -> str:
    return f"{len(runs)} episode{'s' * (len(runs) > 1)}"


def _is_placed(run: Run, camera: str) -> bool:
    return any(span.source.grid is not None for span in run.layout.image_spans(camera))


def _by_name(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name}: {value:.3g}" for name, value in values.items())


def _check_alike(runs: Sequence[Run], encodings: Sequence[PatchEncodings]) -> None:
    first = encodings[0]
    for run, held in zip(runs, encodings, strict=True):
        if (held.depths, held.grid, held.values.shape[-1]) != (first.depths, first.grid, first.values.shape[-1]):
            raise SelectionError(
                f"The runs must hold the same depths of one policy: that of {runs[0].manifest['episode']} holds "
                f"{', '.join(first.depths)} of {first.grid} patches, that of {run.manifest['episode']} "
                f"{', '.join(held.depths)} of {held.grid}."
            )


def _check_patch(encodings: PatchEncodings, patch: tuple[int, int]) -> tuple[int, int]:
    if not all(0 <= at < size for at, size in zip(patch, encodings.grid, strict=True)):
        raise SelectionError(f"The patch must lie on the grid {encodings.grid} of {encodings.camera}, got {patch}.")
    return patch


def _default_patch(run: Run, encodings: PatchEncodings, step: int) -> tuple[int, int]:
    time = int(encodings.times[encodings.steps.index(step), -1])
    named = run.named_object(encodings.camera, time=time)
    if named is None or not named.any():
        return encodings.grid[0] // 2, encodings.grid[1] // 2
    top, left, bottom, right = encodings.box
    y, x = np.argwhere(named).mean(axis=0) + 0.5
    row, column = (y - top) / (bottom - top) * encodings.grid[0], (x - left) / (right - left) * encodings.grid[1]
    return min(int(row), encodings.grid[0] - 1), min(int(column), encodings.grid[1] - 1)


def _write_layers(
    write: Write, report: ImageEncodingReport, runs: Sequence[Run], encodings: Sequence[PatchEncodings]
) -> None:
    first = encodings[0]
    layers = [
        np.concatenate([held.current[depth].reshape(-1, held.current.shape[-1]) for held in encodings])
        for depth in range(len(first.depths))
    ]
    similarity = layer_similarity(layers, debiased=True)
    pairs = {f"{first.depths[at]} to {first.depths[at + 1]}": similarity[at, at + 1] for at in range(len(layers) - 1)}
    report.figures["likeness of depths (debiased linear CKA)"] = _by_name(pairs)
    subtitle = [*describe_run(runs[0])[:1], f"patches of {first.camera} in the current frames of {_episodes(runs)}"]
    table = {f"patches of {first.camera}, debiased": similarity}
    write(
        "layer_similarity",
        layer_similarity_chart(table, depths=first.depths, samples=len(layers[0]), subtitle=subtitle),
    )
    learned = dict(_position_embeddings(runs[0]))
    if learned:
        write("position_embeddings", position_similarity_chart(learned, subtitle=describe_run(runs[0])[:1]))
    else:
        report.notes.append(
            "No position embeddings: capture --encodings 'tokens.obs_*.projection' 'tokens.obs_*.embedding' as well."
            if any(point.name.startswith("blocks.") for point in runs[0].encoding_points)
            else "No position embeddings: this policy does not tell what its patches are before they are added."
        )


def _position_embeddings(run: Run) -> Iterator[tuple[str, Float[np.ndarray, "_ _ embed"]]]:
    """Yields, for each camera's current timestep, what is added to the projection: the same at every step."""
    points = {(point.group, point.stage): point.name for point in run.encoding_points}
    for camera in run.layout.cameras:
        span = run.layout.image_spans(camera)[-1]
        before, after = (points.get((span.group, stage)) for stage in ("projection", "embedding"))
        if span.source.grid is not None and before is not None and after is not None:
            # The mean over steps takes away most of what storing in float16 rounded off.
            added = (run.encoding(after) - run.encoding(before)).mean(axis=0)[-1]
            yield f"{camera} t", added.reshape(*span.source.grid, -1)


def _write_probes(
    write: Write, report: ImageEncodingReport, runs: Sequence[Run], encodings: Sequence[PatchEncodings]
) -> None:
    if len(runs) < FEWEST:
        report.notes.append(f"No probes: they need {FEWEST} episodes or more, got {len(runs)}.")
        return
    try:
        scores = probe_samples(runs, encodings).scores()
    except SelectionError as error:
        report.notes.append(f"No probes: {error}")
        return
    first = encodings[0]
    for label, found in scores.items():
        told = {"the place alone" if name == POSITION else name: score.accuracy for name, score in found.items()}
        guessing = next(iter(found.values())).chance
        report.figures[f'read off patches: "{QUESTIONS.get(label, label)}"'] = _by_name({**told, "guessing": guessing})
    subtitle = [*describe_run(runs[0])[:1], f"patches of {first.camera} in the current frames of {_episodes(runs)}"]
    write(
        "probes",
        probes_chart(scores, depths=first.depths, baselines=(POSITION,), questions=QUESTIONS, subtitle=subtitle),
    )


def _norms_by_kind(run: Run) -> dict[str, Float[np.ndarray, "depth sample"]]:
    points = residual_points(run)
    (first, *_) = points.values()
    stream = np.stack([run.encoding(point.name) for point in points.values()])
    lengths = np.linalg.norm(stream, axis=-1)
    kinds: dict[str, list[np.ndarray]] = {}
    for span in run.layout.spans:
        if span.timestep in (None, run.layout.window - 1) and holds_rows(run, first.stack, span.group):
            rows = point_rows(run, first, np.arange(span.start, span.stop))
            kinds.setdefault(span.group, []).append(lengths[..., rows].reshape(len(lengths), -1))
    return {name: np.concatenate(parts, axis=1) for name, parts in kinds.items()}


def _write_window(write: Write, report: ImageEncodingReport, run: Run, encodings: PatchEncodings, step: int) -> None:
    if encodings.values.shape[2] < 2 or not encodings.real.all(axis=1).any():
        report.notes.append("No change within the window: every step sees one frame only.")
        return
    change = window_change(encodings.values, encodings.real)
    write("window_change", window_change_sheet(run, encodings, change, step=step))
    write("window_change_by_depth", window_curves_chart(run, encodings, change))


def _write_attention(
    write: Write,
    report: ImageEncodingReport,
    run: Run,
    encodings: PatchEncodings,
    step: int,
    patch: tuple[int, int],
    measure: MeasureTravel | None,
) -> None:
    try:
        profile = depth_profile(run, camera=encodings.camera)
    except SelectionError as error:
        report.notes.append(f"No attention by depth: {error}")
        return
    for statistic in profile.statistics:
        by_layer = zip((f"layer {layer}" for layer in profile.layers), statistic.values.mean(axis=1), strict=True)
        told = _by_name(dict(by_layer)) + ("" if statistic.even is None else f", even attention: {statistic.even:.3g}")
        report.figures[f"rows of patches, mean over heads: {statistic.title}"] = told
    write("attention_by_depth", depth_profile_chart(run, profile))
    try:
        parts = patch_travel(run, camera=encodings.camera, row=patch[0], column=patch[1], step=step)
    except SelectionError as error:
        report.notes.append(f"No travel of a patch: {error}")
        return
    measured = None if measure is None else measure(encodings.camera, patch)
    write(
        "travel",
        travel_sheet(run, parts, camera=encodings.camera, patch=patch, step=step, box=encodings.box, measured=measured),
    )
