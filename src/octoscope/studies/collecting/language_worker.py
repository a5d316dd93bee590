"""What measures the use of words: a policy that is opened once, and one episode after another."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from octoscope.episodes.episode import Episode
from octoscope.faithfulness.language_table import EpisodeLanguage
from octoscope.faithfulness.language_use import (
    check_language,
    episode_language,
    language_steps,
    with_task,
    words_to_swap,
)
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.episode_plan import BindOptions
from octoscope.runs.findings.finding_folder import FindingKind
from octoscope.runs.findings.kept_steps import Steps
from octoscope.studies.collecting.crew import Outcome, Stage, outcome_of
from octoscope.studies.collecting.episode_study import episode_place
from octoscope.studies.made_from import StudiedEpisode, told_episode, told_request
from octoscope.studies.opening import Opened
from octoscope.studies.options.language import LanguageOptions

EPISODE = FindingKind("language_episode", EpisodeLanguage)


@dataclasses.dataclass(frozen=True, eq=False)
class LanguageWorker:
    """A policy and episodes that are open, and what is said instead of their words."""

    # Of results.
    folder: Path
    opened: Opened
    # Indices of the episodes that are studied together.
    chosen: Sequence[int]
    options: LanguageOptions
    # To swap in.
    words: Sequence[str]
    given: BindOptions

    def check(self, index: int) -> None:
        """Refuses an episode that cannot be studied, without running the policy.

        Raises:
          OctoscopeError: Saying why.
        """
        episode, _ = self._said(index)
        check_language(self.opened.model, [episode])
        StepScene.at(self.opened.model, episode, 0, **self.given.arguments())

    def make(self, task: Stage) -> Outcome:
        """Makes what is found of an episode, or goes on with what there is of it; returns what became of it.

        Raises:
          Interrupted: After Ctrl-C, saying what was kept.
        """
        return outcome_of(task.index, functools.partial(self._study, task.index))

    def arguments(self) -> dict[str, Any]:
        """Returns what findings depend on besides the episodes."""
        asked = self.options
        return {
            "steps": asked.max_steps,
            "swaps": asked.swap,
            "noises": asked.noises,
            "seed": asked.seed,
            "batch": asked.batch,
        }

    def _study(self, index: int) -> int:
        asked, place = self.options, self._places[index]
        episode, others = self._said(index)
        study = functools.partial(
            episode_language,
            self.opened.model,
            episode,
            others,
            steps=asked.max_steps,
            options=self.given,
            seed=asked.seed,
            noises=asked.noises,
            batch=asked.batch,
        )

        def make(kept: Steps) -> EpisodeLanguage:
            return kept.get_or_make(f"episode_{place}", EpisodeLanguage, study)

        studied = StudiedEpisode(self.opened.source[index], language_steps(episode, asked.max_steps))
        told = told_episode(self.opened.model, studied, self.given)
        arguments = {**self.arguments(), "others": others}
        place_of = episode_place(index)
        told_request(self.folder, EPISODE, self.opened.model, [told], arguments, make, place=place_of).get_or_renew()
        return len(studied.steps)

    def _said(self, index: int) -> tuple[Episode, tuple[str, ...]]:
        episode = with_task(self.opened.source[index], self.given)
        return episode, words_to_swap(episode, self.words, self._places[index], seed=self.options.seed)

    @functools.cached_property
    def _places(self) -> dict[int, int]:
        return {index: place for place, index in enumerate(self.chosen)}
