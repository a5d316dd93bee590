"""One episode or many through a policy, each into a run and pictures; what is finished stays finished."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from tqdm import tqdm

from octoscope.attention.maps import captured_spans, require_sight
from octoscope.attention.query import QueryRow, find_query
from octoscope.capture.attend import attend, episode_layout
from octoscope.capture.encoding_stream import EncodingStream
from octoscope.capture.observations import EpisodeObservations, episode_task
from octoscope.capture.robot_statistics import unit_remarks
from octoscope.episodes.episode import Episode
from octoscope.episodes.sources import EpisodeSource
from octoscope.errors import EpisodeError, Interrupted, ObservationError, SelectionError
from octoscope.escaping.terminal import say
from octoscope.pictures.attention_results import (
    FILM,
    PICTURE_FORMATS,
    SHEETS,
    film_cameras,
    write_attention_results,
)
from octoscope.policies.octo.model import OctoModel
from octoscope.runs.attention_selection import ALL, AttentionSelection, default_query_groups, select_attention
from octoscope.runs.contents import readable_bytes
from octoscope.runs.run import Run
from octoscope.runs.staged_output import check_no_results, remove_results, staged_output
from octoscope.runs.unfinished import Unfinished
from octoscope.studies.selection import parse_selection
from octoscope.tokens.layout import TokenLayout, instruction_remarks

RUN = "run.zarr"
RESULTS = (SHEETS, f"{FILM}*.mp4", f"{FILM}*.gif")


@dataclass(frozen=True)
class AttendSettings:
    """What is asked of every episode alike."""

    # As typed, because the number of steps differs.
    steps: str
    layers: Sequence[int]
    heads: Sequence[int]
    # Token groups; nothing for the default.
    queries: tuple[str, ...]
    keys: tuple[str, ...] | None
    # Points or patterns; nothing for none.
    encodings: tuple[str, ...]
    camera: str | None
    observation_keys: Mapping[str, str] | None
    window: int | None
    # Whose attention is drawn.
    query: str | None
    instruction: str | None
    goal_images: Mapping[str, np.ndarray] | None
    seed: int
    fps: float
    codec: str
    gif: bool
    picture_format: str
    pictures: bool
    dtype: str
    compute: str
    # Steps in one forward; None for what suits the device.
    batch: int | None
    resume: bool
    overwrite: bool
    take_over: bool


@dataclass(frozen=True)
class EpisodePlan:
    """What is done with one episode, checked before any work."""

    words: str
    steps: list[int]
    query_groups: str | tuple[str, ...]
    query: QueryRow
    # Weights and encodings of one step, before compression.
    bytes_per_step: int
    # Why there is no map to draw; None where there is.
    no_map: str | None
    # What must be known of the instruction and the cameras: that words were cut, or a camera is not looked through.
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class EpisodeJob:
    """A policy and what is asked of it, for one episode after another."""

    model: OctoModel
    settings: AttendSettings

    def run(self, episode: Episode, output: Path) -> None:
        """Leaves run and pictures of one episode in a folder, and prints where.

        Raises:
          OctoscopeError: If something that was asked for cannot be.
          Interrupted: After Ctrl-C, saying what was kept.
        """
        plan = self.plan(episode)
        if not (self.settings.overwrite or self.settings.resume):
            check_no_results(output, (*RESULTS, RUN))
        try:
            run = self._attend(episode, plan, output)
            drawn = self._draw(run, plan, output)
        except Interrupted:
            raise
        except KeyboardInterrupt:
            raise Interrupted(_what_is_left(output)) from None
        say(*self._summary(episode, plan, output, drawn=drawn))

    def plan(self, episode: Episode) -> EpisodePlan:
        """Checks all that was asked for against the episode, before any work is done.

        Raises:
          OctoscopeError: If something that was asked for cannot be.
        """
        asked = self.settings
        steps = parse_selection(asked.steps, count=len(episode), what="step")
        observations = EpisodeObservations(
            self.model, episode, observation_keys=asked.observation_keys, window=asked.window
        )
        words, tasks = episode_task(self.model, episode, instruction=asked.instruction, goal_images=asked.goal_images)
        layout = episode_layout(self.model, observations, tasks, instruction=words)
        query = find_query(layout, asked.query)
        groups = asked.queries or default_query_groups(layout, layout.stack())
        groups = ALL if ALL in groups else tuple(dict.fromkeys((*groups, query.group)))
        (selection,) = select_attention(layout, query_groups=groups, key_groups=asked.keys, layers=asked.layers)
        size = selection.bytes_per_step(layout, dtype=asked.dtype)
        if asked.encodings:
            stream = EncodingStream.plan_for(
                self.model, observations.at(steps[0]), tasks, asked.encodings, dtype=asked.dtype
            )
            size += stream.bytes_per_step
        no_map = self._why_no_map(layout, selection, query) if asked.pictures else "--no-pictures was given."
        remarks = (*instruction_remarks(layout), *observations.plan.remarks())
        return EpisodePlan(words, sorted(steps), groups, query, size, no_map, remarks)

    def _why_no_map(self, layout: TokenLayout, selection: AttentionSelection, query: QueryRow) -> str | None:
        try:
            captured_spans(layout, selection.key_groups, self.settings.camera)
        except SelectionError as error:
            # A run is worth making without a picture, unless a picture of this camera was asked for.
            if self.settings.camera is not None:
                raise
            return str(error)
        require_sight(layout, query)
        return None

    def _attend(self, episode: Episode, plan: EpisodePlan, output: Path) -> Run:
        asked = self.settings
        run = attend(
            self.model,
            episode,
            output / RUN,
            steps=plan.steps,
            query_groups=plan.query_groups,
            key_groups=asked.keys,
            layers=asked.layers,
            instruction=asked.instruction,
            goal_images=asked.goal_images,
            observation_keys=asked.observation_keys,
            window=asked.window,
            seed=asked.seed,
            dtype=asked.dtype,
            compute=asked.compute,
            batch=asked.batch,
            encodings=asked.encodings,
            resume=asked.resume,
            overwrite=asked.overwrite,
            take_over=asked.take_over,
            progress=True,
        )
        if asked.overwrite:
            # Pictures of the run that was here must not lie beside the new one.
            remove_results(output, RESULTS)
        return run

    def _draw(self, run: Run, plan: EpisodePlan, output: Path) -> bool:
        """Draws the pictures, unless there are none to draw or they are there; returns whether it did."""
        asked = self.settings
        if plan.no_map is not None or (asked.resume and _pictures_are_there(run, output, asked)):
            return False
        with staged_output(output, RESULTS, overwrite=True) as folder:
            write_attention_results(
                run,
                folder,
                query=plan.query,
                layers=asked.layers,
                camera=asked.camera,
                heads=asked.heads,
                fps=asked.fps,
                codec=asked.codec,
                gif=asked.gif,
                picture_format=asked.picture_format,
                progress=True,
            )
        return True

    def _summary(self, episode: Episode, plan: EpisodePlan, output: Path, *, drawn: bool) -> list[str]:
        goals = self.settings.goal_images
        asked = [f'"{plan.words}"'] if plan.words else []
        asked += [f"goal image {', '.join(goals)}"] if goals else []
        task = " and ".join(asked) or "no task"
        lines = [f"{plan.query.label} of {self.model.name} over {episode.name}, {task}, {len(plan.steps)} steps:"]
        if plan.no_map is None:
            sheets = len(plan.steps) * len(self.settings.layers)
            kept = "" if drawn else "; they were there already"
            lines.append(f"  {output / SHEETS}: one sheet per step and layer ({sheets}){kept}")
            lines += [f"  {film}: one frame per step" for film in sorted(output.glob(f"{FILM}*"))]
        more = " and encodings" if self.settings.encodings else ""
        lines.append(f"  {output / RUN}: the weights behind them{more}, {readable_bytes(plan.bytes_per_step)} a step")
        lines += [*plan.remarks, *unit_remarks(self.model, episode.dataset)]
        lines += [] if plan.no_map is None else [f"No picture was drawn. {plan.no_map}"]
        return [*lines, *episode.remarks]


@runtime_checkable
class Job(Protocol):
    """What is done with one episode."""

    def run(self, episode: Episode, output: Path) -> None:
        """Leaves its results in a folder."""
        ...


def run_all(job: Job, source: EpisodeSource, chosen: Sequence[int], output: Path) -> None:
    """Runs one episode after another, each into `output/episode_INDEX`; one that cannot be run does not stop the others.

    Raises:
      EpisodeError: At the end, naming the episodes that could not be run and why.
    """
    failed: list[str] = []
    for index in tqdm(chosen, desc="episodes", unit="episode"):
        try:
            job.run(source[index], output / f"episode_{index}")
        except (EpisodeError, ObservationError, SelectionError) as error:
            failed.append(f"episode {index}: {error}")
        except Interrupted:
            raise
        except KeyboardInterrupt:
            raise Interrupted("interrupted; the episodes so far are kept: go on with --resume.") from None
    if failed:
        reasons = "\n  ".join(failed)
        raise EpisodeError(f"{len(failed)} of {len(chosen)} episodes could not be run:\n  {reasons}")


def _pictures_are_there(run: Run, output: Path, asked: AttendSettings) -> bool:
    suffixes = (".mp4", ".gif") if asked.gif else (".mp4",)
    films = [output / f"{name}{suffix}" for name in film_cameras(run, asked.camera) for suffix in suffixes]
    sheets = (output / SHEETS).glob(f"*{PICTURE_FORMATS[asked.picture_format][0]}")
    return any(sheets) and all(film.exists() for film in films)


def _what_is_left(output: Path) -> str:
    if (output / RUN).exists():
        return f"the run {output / RUN} is whole, its pictures are not drawn: draw them with --resume."
    unfinished = Unfinished(output / RUN)
    if not unfinished.exists():
        return "nothing was left behind."
    return f"{unfinished.told_progress()} are kept: go on with --resume."
