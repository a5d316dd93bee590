"""`octoscope attend` for every family but Octo: run and pictures of one episode after another.

Pictures are of the stack that acts, the last; the run holds the others too.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from octoscope.attention.query import find_query
from octoscope.capture.attend import attend
from octoscope.cli.attend_episodes import RESULTS, RUN
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.sources import open_episodes
from octoscope.errors import EpisodeError, SelectionError
from octoscope.escaping.terminal import say
from octoscope.pictures.attention_results import write_attention_results
from octoscope.policies.bind import BindOptions, bind
from octoscope.policies.policy_model import PolicyModel
from octoscope.runs.run import Run
from octoscope.runs.staged_output import check_no_results, staged_output
from octoscope.studies.opening import read_goal_images
from octoscope.studies.options.attend import AttendOptions
from octoscope.studies.selection import parse_pairs, parse_selection


@dataclass(frozen=True, eq=False)
class PolicyJob:
    """A policy and what is asked of it, for one episode after another."""

    policy: PolicyModel
    asked: AttendOptions

    def run(self, episode: Episode, output: Path) -> None:
        """Leaves run and pictures of one episode in a folder, and prints where.

        Raises:
          OctoscopeError: If something that was asked for cannot be.
        """
        asked = self.asked
        if asked.checkpoint_step is not None:
            raise SelectionError("--checkpoint-step is for Octo's checkpoints: leave it out for this policy.")
        options = BindOptions(
            asked.task,
            read_goal_images(asked.goal_image, tell=say) or {},
            parse_pairs(asked.observation, what="--observation", example="proprio=state") or {},
            asked.window,
        )
        bound = bind(self.policy, episode, options)
        deepest = max(stack.num_layers for stack in bound.layout.stacks)
        layers = sorted(parse_selection(",".join(asked.layers), count=deepest, what="layer"))
        query = find_query(bound.layout, asked.query)
        if not (asked.overwrite or asked.resume):
            check_no_results(output, (*RESULTS, RUN))
        run = attend(
            self.policy,
            episode,
            output / RUN,
            steps=sorted(parse_selection(asked.steps, count=len(episode), what="step")),
            query_groups=asked.queries or None,
            key_groups=asked.keys or None,
            layers=layers,
            instruction=options.instruction,
            goal_images=options.goal_images,
            observation_keys=options.observation_keys,
            window=options.window,
            seed=asked.seed,
            dtype=asked.precision,
            compute=asked.compute,
            batch=asked.batch,
            encodings=asked.encodings,
            resume=asked.resume,
            overwrite=asked.overwrite,
            take_over=asked.take_over,
            progress=True,
        )
        no_map = self._draw(run, output, query.label) if not asked.no_pictures else "--no-pictures was given."
        names = ", ".join(stack.name for stack in run.stacks)
        lines = [f"{query.label} of {self.policy.card.name} over {episode.name}, {len(run.steps)} steps: {output}"]
        lines += [f"The run holds {names}; pictures are of {run.stack.name}."]
        say(*lines, *bound.remarks, *([f"No picture was drawn. {no_map}"] if no_map else []), *episode.remarks)

    def _draw(self, run: Run, output: Path, label: str) -> str:
        """Draws the stack that acts; returns why there is nothing to draw, "" where there is."""
        asked = self.asked
        heads = parse_selection(asked.heads, count=run.num_heads, what="head")
        try:
            with staged_output(output, RESULTS, overwrite=True) as folder:
                write_attention_results(
                    run,
                    folder,
                    query=asked.query,
                    layers=run.layers,
                    camera=asked.camera,
                    heads=heads,
                    fps=asked.fps,
                    codec=asked.codec,
                    gif=asked.gif,
                    picture_format=asked.format,
                    progress=True,
                )
        except SelectionError as error:
            # A run is worth making without a picture, unless one of this camera or row was asked for.
            if asked.camera is not None or asked.query is not None:
                raise
            return str(error)
        return ""


def open_policys_episodes(policy: PolicyModel, asked: AttendOptions) -> EpisodeSource:
    """Returns the episodes, each of the policy's cameras as it is recorded under its own name where it is.

    Raises:
      EpisodeError: If there is no dataset, or a camera that was chosen is not recorded.
    """
    if asked.cameras:
        return open_episodes(asked.episodes, split=asked.split, cameras=parse_pairs(asked.cameras, what="--cameras"))
    for spelling in ("{}", "image_{}", "observation.images.{}"):
        own = {camera: spelling.format(camera) for camera in policy.needs.cameras}
        with contextlib.suppress(EpisodeError):
            return open_episodes(asked.episodes, split=asked.split, cameras=own)
    # They may be recorded under other names, which `bind` then tells apart or asks for.
    return open_episodes(asked.episodes, split=asked.split)
