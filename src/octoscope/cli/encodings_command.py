"""`octoscope encodings`: from words and pixels to encodings, layer by layer."""

from collections.abc import Sequence
from pathlib import Path

from octoscope.capture.attend import attend
from octoscope.cli.encodings_parts import EncodingMaterial, write_parts
from octoscope.cli.opening import open_policy_and_episodes, scene_options
from octoscope.cli.options.encodings import PARTS, EncodingsOptions
from octoscope.cli.options.given import Given
from octoscope.cli.selection import parse_selection
from octoscope.episodes.episode import Episode
from octoscope.errors import SelectionError, nearest
from octoscope.escaping.terminal import say
from octoscope.interventions.step_scene import StepScene
from octoscope.other_seed import other_seed
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.octo.model import OctoModel
from octoscope.runs.run import Run
from octoscope.runs.staged_output import check_no_results, staged_output
from octoscope.tokens.attention_selection import ALL
from octoscope.tokens.encoding_point import matching_points
from octoscope.tokens.layout import TokenLayout
from octoscope.views.encoding_results import POINTS, write_findings

_FOLDER = "encodings"
_IMAGE_POINTS = ("tokens.obs_*.projection", "tokens.obs_*.embedding")
_PLACES = 8
# Of a row or column; Python refuses to read numbers of thousands.
_MOST_DIGITS = 9


class Encodings(EncodingsOptions):
    """`octoscope encodings` at work."""

    def __call__(self) -> None:
        """Opens or makes the runs, writes every part, and prints what was found."""
        self._check()
        with staged_output(self.output, [_FOLDER], overwrite=self.overwrite) as staging:
            folder = staging / _FOLDER
            folder.mkdir()
            material = self._opened() if self.episodes is None else self._made(folder)
            made = write_parts(material, folder, self.parts)
            if made.show_nothing and not made.faults:
                raise SelectionError(
                    "Nothing could be shown. " + " ".join(f"{t}: {why}" for t, why in made.missing.items())
                )
            write_findings(folder, material.runs[0], made.findings)
        for part in made.findings:
            say(f"{part.title}:", *(f"  {sentence}" for sentence in part.sentences))
        say("", f"Findings and pictures: {self.output / _FOLDER / 'findings.md'}")
        note = material.runs[0].manifest["policy_note"]
        if note:
            say(note)
        if made.faults:
            raise made.faults[0]

    def _check(self) -> None:
        """Refuses what cannot be, before any work is done.

        Raises:
          SelectionError: If the threshold is no cosine, a part is not known, or something is asked that only a checkpoint can give.
          OutputError: If results lie there already.
        """
        if not -1.0 <= self.threshold <= 1.0:
            raise SelectionError(f"--threshold is a cosine, in -1..1, got {self.threshold}.")
        if not self.parts:
            raise SelectionError(f"--parts must name at least one of {', '.join(PARTS)}, got none.")
        if self.cover_patch and (self.episodes is None or self.lean or "image" not in self.parts):
            raise SelectionError(
                "--cover-patch runs the policy again, and is drawn below rollout: give a checkpoint and a dataset, and neither --lean nor "
                "--parts without 'image'."
            )
        _parse_patch(self.patch)
        for part in self.parts:
            if part not in PARTS:
                raise SelectionError(f"--parts must be of {', '.join(PARTS)}, got '{part}'.{nearest(part, PARTS)}")
        if not self.overwrite:
            check_no_results(self.output, [_FOLDER])

    def _opened(self) -> EncodingMaterial:
        if not Path(self.source).name.endswith(".zarr") and not Path(self.source).exists():
            raise SelectionError(
                f"{self.source} is no run. Give a run, or a checkpoint and a dataset: octoscope encodings demo demo."
            )
        runs = [Run.open(path) for path in (self.source, *self.more)]
        self._check_place(runs[0].layout)
        return EncodingMaterial(
            runs,
            None if self.beside is None else Run.open(self.beside),
            None if self.other_noise is None else Run.open(self.other_noise),
            self._step(runs[0].steps),
            self.threshold,
            camera=self.camera,
            patch=_parse_patch(self.patch),
            figure_format=self.figure_format,
        )

    def _made(self, folder: Path) -> EncodingMaterial:
        model, source = open_policy_and_episodes(
            self.source,
            self.episodes or "",
            split=self.split,
            cameras=self.cameras,
            device=self.device,
            compilation_cache=not self.no_compilation_cache,
        )
        chosen = parse_selection(self.episode, count=len(source), what="episode")
        episodes = [source[index] for index in chosen]
        # Before the first run, which may take long.
        step = self._step(self._steps(episodes[0]))
        given = Given(observation=self.observation, window=self.window, task=self.task, goal_image=self.goal_image)
        self._check_place(StepScene.at(model, episodes[0], 0, **vars(scene_options(given))).layout)
        runs = [
            self._run(model, episode, folder / f"run_{index}.zarr", self.task if place == 0 else None, whole=place == 0)
            for place, (index, episode) in enumerate(zip(chosen, episodes, strict=True))
        ]
        beside = other_noise = None
        if self.beside is not None:
            beside = self._run(model, episodes[0], folder / "run_beside.zarr", self.beside, whole=False)
            other_noise = attend(
                model,
                episodes[0],
                folder / "run_other_noise.zarr",
                steps=self._steps(episodes[0]),
                instruction=self.task,
                seed=other_seed(self.seed),
            )
        return EncodingMaterial(
            runs,
            beside,
            other_noise,
            step,
            self.threshold,
            model,
            episodes,
            camera=self.camera,
            patch=_parse_patch(self.patch),
            figure_format=self.figure_format,
            cover=self.cover_patch,
            stem_places=_PLACES if self.stem_effects else 0,
            compare_encoders=self.compare_encoders,
        )

    def _run(self, model: OctoModel, episode: Episode, path: Path, instruction: str | None, *, whole: bool) -> Run:
        """Returns a run on disk: memory does not grow with the episode."""
        given = Given(observation=self.observation, window=self.window, task=instruction, goal_image=self.goal_image)
        options = scene_options(given)
        return attend(
            model,
            episode,
            path,
            steps=self._steps(episode),
            query_groups=ALL if whole and not self.lean else None,
            seed=self.seed,
            dtype=self.precision,
            encodings=wanted_points(model, episode, options),
            progress=True,
            **vars(options),
        )

    def _check_place(self, layout: TokenLayout) -> None:
        """Refuses a camera or patch that is not there: beside other parts, it would only be a line among the findings.

        Raises:
          SelectionError: Naming what there is.
        """
        if "image" not in self.parts or (self.camera is None and self.patch is None):
            return
        cameras = layout.cameras if self.camera is None else (self.camera,)
        grids = [span.source.grid for camera in cameras for span in layout.image_spans(camera) if span.source.grid]
        patch = _parse_patch(self.patch)
        if patch is not None and grids and not (patch[0] < grids[0][0] and patch[1] < grids[0][1]):
            raise SelectionError(
                f"--patch must lie on the grid of {grids[0][0]} rows and {grids[0][1]} columns, from 0,0 on; got {patch[0]},{patch[1]}."
            )

    def _steps(self, episode: Episode) -> list[int]:
        return sorted(parse_selection(self.steps, count=len(episode), what="step"))

    def _step(self, steps: Sequence[int]) -> int:
        if self.step is None:
            return steps[len(steps) // 2]
        if self.step not in steps:
            raise SelectionError(
                f"--step must be one that is captured, of {', '.join(map(str, steps))}; got {self.step}."
            )
        return self.step


def _parse_patch(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() and len(part) <= _MOST_DIGITS for part in parts):
        raise SelectionError(f'--patch is a row and a column of the patch grid, from 0, as in 4,3; got "{text[:60]}".')
    return int(parts[0]), int(parts[1])


def wanted_points(model: OctoModel, episode: Episode, options: BindOptions) -> Sequence[str]:
    """Returns the names of the points that the parts are made from, of those that the policy has for this episode."""
    points = model.policy.encoding_points(StepScene.at(model, episode, 0, **vars(options)).inputs)
    return [point.name for point in matching_points(points, (*POINTS, *_IMAGE_POINTS))]
