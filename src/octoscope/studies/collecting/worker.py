"""What makes the runs: a policy that is opened once, and one episode after another."""

import functools
from dataclasses import dataclass

from octoscope.capture.attend import attend
from octoscope.capture.policy_recorder import find_recorder
from octoscope.capture.watch_options import WatchOptions
from octoscope.episodes.episode import Episode
from octoscope.policies.bind import bind
from octoscope.policies.episode_plan import BindOptions
from octoscope.runs.collection import open_collection
from octoscope.studies.collecting.crew import Outcome, outcome_of
from octoscope.studies.collecting.made_of import made_of
from octoscope.studies.opening import Opened, open_given, scene_options
from octoscope.studies.options.capture import CaptureOptions
from octoscope.studies.selection import parse_selection
from octoscope.tokens.attention_selection import ALL, select_attention
from octoscope.tokens.layout import TokenLayout


@dataclass(frozen=True, eq=False)
class EpisodeCapture:
    """A policy and episodes that are open, and what is kept of each."""

    options: CaptureOptions
    opened: Opened

    def plan(self, episode: Episode) -> tuple[list[int], WatchOptions]:
        """Returns the steps of an episode, and what is kept of them.

        Raises:
          OctoscopeError: If the policy cannot run on the episode, or a step, layer or group does not exist.
        """
        asked = self.options
        steps = sorted(parse_selection(asked.steps, count=len(episode), what="step"))
        layout = bind(self.opened.model, episode, self._given).layout
        layers = parse_selection(asked.layers, count=max(stack.num_layers for stack in layout.stacks), what="layer")
        kept = WatchOptions(
            **self._given.arguments(),
            query_groups=ALL if ALL in asked.queries else asked.queries or None,
            key_groups=asked.keys or None,
            layers=sorted(layers),
            passes=_passes(layout, asked.passes),
            seed=asked.seed,
            dtype=asked.precision,
            compute=asked.compute,
            batch=asked.batch,
        )
        return steps, kept

    def bytes_per_step(self, episode: Episode) -> int:
        """Returns what one step of an episode takes before compression.

        Raises:
          OctoscopeError: As `plan` does.
        """
        steps, kept = self.plan(episode)
        bound = bind(self.opened.model, episode, kept)
        selections = select_attention(
            bound.layout,
            query_groups=kept.query_groups,
            key_groups=kept.key_groups,
            layers=kept.layers,
            passes=kept.passes,
        )
        return find_recorder(bound, selections, kept.record_options(len(steps))).bytes_per_step

    def make(self, index: int) -> Outcome:
        """Makes the run of an episode, or goes on with what there is of it; returns what became of it.

        Raises:
          Interrupted: After Ctrl-C, when the step at hand was finished and kept.
        """
        return outcome_of(index, functools.partial(self._run, index))

    def _run(self, index: int) -> int:
        path = open_collection(self.options.output).path_of(index)
        episode = self.opened.source[index]
        steps, kept = self.plan(episode)
        # One that is damaged stays as it is, and is told.
        attend(self.opened.model, episode, path, steps=steps, options=kept, resume=True)
        return len(steps)

    @functools.cached_property
    def _given(self) -> BindOptions:
        return scene_options(self.options.given)


def open_capture(options: CaptureOptions) -> EpisodeCapture:
    """Opens policy and episodes; what a worker begins with.

    Raises:
      OctoscopeError: If one of them is not there.
    """
    return EpisodeCapture(options, open_given(options.given, options.checkpoint, options.episodes))


def made_from(capture: EpisodeCapture) -> dict[str, object]:
    """Returns all that the runs of a collection depend on besides their episodes; JSON."""
    options = capture.options
    kept = ("steps", "layers", "queries", "keys", "passes", "seed", "precision", "compute", "batch")
    return {**made_of(capture.opened, options.given), "kept": {name: getattr(options, name) for name in kept}}


def _passes(layout: TokenLayout, asked: str) -> str | list[int]:
    if asked in ("last", "all"):
        return asked
    return parse_selection(asked, count=max(stack.num_passes for stack in layout.stacks), what="pass")
