"""From words and pixels to encodings, layer by layer."""

from collections.abc import Sequence
from pathlib import Path

from octoscope.capture.attend import attend
from octoscope.capture.encodings import encoding_points
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError, nearest
from octoscope.interventions.step_scene import SceneOptions
from octoscope.other_seed import other_seed
from octoscope.pictures.encoding_results import POINTS, Findings, write_findings
from octoscope.policies.octo.model import OctoModel
from octoscope.runs.attention_selection import ALL
from octoscope.runs.encoding_point import matching_points
from octoscope.runs.run import Run
from octoscope.runs.staged_output import check_no_results, staged_output
from octoscope.studies.encodings_parts import EncodingMaterial, write_parts
from octoscope.studies.opening import open_policy_and_episodes, scene_options
from octoscope.studies.options.encodings import PARTS, EncodingsOptions
from octoscope.studies.options.given import Given
from octoscope.studies.selection import parse_selection
from octoscope.studies.telling import Tell, silent
from octoscope.tokens.layout import TokenLayout

_FOLDER = "encodings"
_IMAGE_POINTS = ("tokens.obs_*.projection", "tokens.obs_*.embedding")
_PLACES = 8
# Of a row or column; Python refuses to read numbers of thousands.
_MOST_DIGITS = 9


def encodings(options: EncodingsOptions, *, tell: Tell = silent, progress: bool = False) -> tuple[Findings, ...]:
    """Returns what was found of each part, after opening or making the runs and writing every part.

    Args:
      options: Which parts of which runs or episodes, and where results go.
      tell: Takes what was found and where everything is.
      progress: Show progress bars.

    Raises:
      OctoscopeError: If something that was asked for cannot be, nothing could be shown, or results lie there.
    """
    _check(options)
    with staged_output(options.output, [_FOLDER], overwrite=options.overwrite) as staging:
        folder = staging / _FOLDER
        folder.mkdir()
        material = (
            _opened(options) if options.episodes is None else _made(options, folder, tell=tell, progress=progress)
        )
        made = write_parts(material, folder, options.parts)
        if made.show_nothing and not made.faults:
            raise SelectionError(
                "Nothing could be shown. " + " ".join(f"{t}: {why}" for t, why in made.missing.items())
            )
        write_findings(folder, material.runs[0], made.findings)
    for part in made.findings:
        tell(f"{part.title}:", *(f"  {sentence}" for sentence in part.sentences))
    tell("", f"Findings and pictures: {options.output / _FOLDER / 'findings.md'}")
    note = material.runs[0].manifest["policy_note"]
    if note:
        tell(note)
    if made.faults:
        raise made.faults[0]
    return made.findings


def _check(options: EncodingsOptions) -> None:
    """Refuses what cannot be, before any work is done.

    Raises:
      SelectionError: If the threshold is no cosine, a part is not known, or something is asked that only a checkpoint can give.
      OutputError: If results lie there already.
    """
    if not -1.0 <= options.threshold <= 1.0:
        raise SelectionError(f"--threshold is a cosine, in -1..1, got {options.threshold}.")
    if not options.parts:
        raise SelectionError(f"--parts must name at least one of {', '.join(PARTS)}, got none.")
    if options.cover_patch and (options.episodes is None or options.lean or "image" not in options.parts):
        raise SelectionError(
            "--cover-patch runs the policy again, and is drawn below rollout: give a checkpoint and a dataset, and neither --lean nor "
            "--parts without 'image'."
        )
    _parse_patch(options.patch)
    for part in options.parts:
        if part not in PARTS:
            raise SelectionError(f"--parts must be of {', '.join(PARTS)}, got '{part}'.{nearest(part, PARTS)}")
    if not options.overwrite:
        check_no_results(options.output, [_FOLDER])


def _opened(options: EncodingsOptions) -> EncodingMaterial:
    if not Path(options.source).name.endswith(".zarr") and not Path(options.source).exists():
        raise SelectionError(
            f"{options.source} is no run. Give a run, or a checkpoint and a dataset: octoscope encodings demo demo."
        )
    runs = [Run.open(path) for path in (options.source, *options.more)]
    _check_place(options, runs[0].layout)
    return EncodingMaterial(
        runs,
        None if options.beside is None else Run.open(options.beside),
        None if options.other_noise is None else Run.open(options.other_noise),
        _step(options, runs[0].steps),
        options.threshold,
        camera=options.camera,
        patch=_parse_patch(options.patch),
    )


def _made(options: EncodingsOptions, folder: Path, *, tell: Tell, progress: bool) -> EncodingMaterial:
    opened = open_policy_and_episodes(
        options.source,
        options.episodes or "",
        split=options.split,
        cameras=options.cameras,
        device=options.device,
        compilation_cache=not options.no_compilation_cache,
        tell=tell,
    )
    model, source = opened.model, opened.source
    chosen = parse_selection(options.episode, count=len(source), what="episode")
    episodes = [source[index] for index in chosen]
    # Before the first run, which may take long.
    step = _step(options, _steps(options, episodes[0]))
    given = Given(
        observation=options.observation, window=options.window, task=options.task, goal_image=options.goal_image
    )
    _check_place(options, scene_options(given, tell=tell).scene(model, episodes[0], 0).layout)
    runs = [
        _run(
            options,
            model,
            episode,
            folder / f"run_{index}.zarr",
            options.task if place == 0 else None,
            whole=place == 0,
            progress=progress,
        )
        for place, (index, episode) in enumerate(zip(chosen, episodes, strict=True))
    ]
    beside = other_noise = None
    if options.beside is not None:
        beside = _run(
            options, model, episodes[0], folder / "run_beside.zarr", options.beside, whole=False, progress=progress
        )
        other_noise = attend(
            model,
            episodes[0],
            folder / "run_other_noise.zarr",
            steps=_steps(options, episodes[0]),
            seed=other_seed(options.seed),
            **vars(scene_options(given)),
        )
    return EncodingMaterial(
        runs,
        beside,
        other_noise,
        step,
        options.threshold,
        model,
        episodes,
        camera=options.camera,
        patch=_parse_patch(options.patch),
        cover=options.cover_patch,
        stem_places=_PLACES if options.stem_effects else 0,
        compare_encoders=options.compare_encoders,
    )


def _run(
    options: EncodingsOptions,
    model: OctoModel,
    episode: Episode,
    path: Path,
    instruction: str | None,
    *,
    whole: bool,
    progress: bool,
) -> Run:
    """Returns a run on disk: memory does not grow with the episode."""
    given = Given(
        observation=options.observation, window=options.window, task=instruction, goal_image=options.goal_image
    )
    told = scene_options(given)
    return attend(
        model,
        episode,
        path,
        steps=_steps(options, episode),
        query_groups=ALL if whole and not options.lean else None,
        seed=options.seed,
        dtype=options.precision,
        encodings=wanted_points(model, episode, told),
        progress=progress,
        **vars(told),
    )


def _check_place(options: EncodingsOptions, layout: TokenLayout) -> None:
    """Refuses a camera or patch that is not there: beside other parts, it would only be a line among the findings.

    Raises:
      SelectionError: Naming what there is.
    """
    if "image" not in options.parts or (options.camera is None and options.patch is None):
        return
    cameras = layout.cameras if options.camera is None else (options.camera,)
    grids = [span.source.grid for camera in cameras for span in layout.image_spans(camera) if span.source.grid]
    patch = _parse_patch(options.patch)
    if patch is not None and grids and not (patch[0] < grids[0][0] and patch[1] < grids[0][1]):
        raise SelectionError(
            f"--patch must lie on the grid of {grids[0][0]} rows and {grids[0][1]} columns, from 0,0 on; got {patch[0]},{patch[1]}."
        )


def _steps(options: EncodingsOptions, episode: Episode) -> list[int]:
    return sorted(parse_selection(options.steps, count=len(episode), what="step"))


def _step(options: EncodingsOptions, steps: Sequence[int]) -> int:
    if options.step is None:
        return steps[len(steps) // 2]
    if options.step not in steps:
        raise SelectionError(
            f"--step must be one that is captured, of {', '.join(map(str, steps))}; got {options.step}."
        )
    return options.step


def _parse_patch(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() and len(part) <= _MOST_DIGITS for part in parts):
        raise SelectionError(f'--patch is a row and a column of the patch grid, from 0, as in 4,3; got "{text[:60]}".')
    return int(parts[0]), int(parts[1])


def wanted_points(model: OctoModel, episode: Episode, options: SceneOptions) -> Sequence[str]:
    """Returns the names of the points that the parts are made from, of those that the policy has for this episode."""
    inputs = options.scene(model, episode, 0).inputs
    points = encoding_points(model, inputs.observation, inputs.tasks)
    return [point.name for point in matching_points(points, (*POINTS, *_IMAGE_POINTS))]
