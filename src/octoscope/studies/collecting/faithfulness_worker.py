"""What scores episodes: a policy that is opened once, and one episode after another, in two stages."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from octoscope.faithfulness.episode_maps import EpisodeMaps, measure_episode, open_maker
from octoscope.faithfulness.episode_scores import EpisodeScores, score_episode
from octoscope.faithfulness.head_memory import HeadMemory
from octoscope.faithfulness.map_makers import spread_steps
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.policy_model import as_policy
from octoscope.runs.findings.finding_folder import (
    FindingKind,
    finding_key,
    finding_path,
    read_finding,
    write_finding,
)
from octoscope.runs.findings.finding_head import HEAD
from octoscope.runs.findings.kept_steps import Steps
from octoscope.studies.collecting.crew import Outcome, Stage, outcome_of
from octoscope.studies.collecting.episode_study import EpisodeFindings, episode_place
from octoscope.studies.made_from import StudiedEpisode, told_episode, told_request
from octoscope.studies.opening import Opened

MAPS = FindingKind("faithfulness_maps", EpisodeMaps)
SCORES = FindingKind("faithfulness_scores", EpisodeScores)
_MEMORY = FindingKind("faithfulness_heads", HeadMemory)


@dataclasses.dataclass(frozen=True, eq=False)
class FaithfulnessWorker:
    """A policy and episodes that are open, and how methods are scored."""

    # Of results.
    folder: Path
    opened: Opened
    # Indices of the episodes that are scored together.
    chosen: Sequence[int]
    settings: FaithfulnessSettings
    given: BindOptions

    def check(self, index: int) -> None:
        """Refuses an episode that cannot be scored, without running the policy.

        Raises:
          OctoscopeError: Saying why.
        """
        open_maker(self.opened.model, self.opened.source[index], self.settings, options=self.given)

    def make(self, task: Stage) -> Outcome:
        """Makes what a stage finds of an episode, or goes on with what there is of it; returns what became of it.

        Raises:
          Interrupted: After Ctrl-C, saying what was kept.
        """
        work = self._measure if task.name == MAPS.name else functools.partial(self._score, task.known)
        return outcome_of(task.index, functools.partial(work, task.index))

    def memory_key(self, whole: Sequence[int]) -> str:
        """Returns the key of what methods learn from episodes, after laying it down where it is not.

        Args:
          whole: Whose maps are there.
        """
        maps = EpisodeFindings(self.folder, MAPS)
        heads = [[index, self.place(index), _digest(maps.path(index) / HEAD)] for index in whole]
        key = finding_key(_MEMORY, {"maps": heads})
        path = finding_path(self.folder, _MEMORY, key)
        if not path.exists():
            memory = HeadMemory.of((self.place(index), maps.value(index)) for index in whole)
            write_finding(path, _MEMORY, memory, {"policy": as_policy(self.opened.model).card.name, "maps": heads})
        return key

    def memory(self, key: str) -> HeadMemory:
        """Returns what methods learn from episodes."""
        return read_finding(finding_path(self.folder, _MEMORY, key), _MEMORY)

    def place(self, index: int) -> int:
        """Returns where an episode stands among those that are scored together."""
        return self._places[index]

    def arguments(self) -> dict[str, Any]:
        """Returns how methods are scored; what findings depend on."""
        return {**vars(self.settings), "target": self.settings.target.label}

    def _measure(self, index: int) -> int:
        episode, place = self.opened.source[index], self.place(index)

        def make(kept: Steps) -> EpisodeMaps:
            return measure_episode(self.opened.model, episode, place, self.settings, options=self.given, kept=kept)

        studied = StudiedEpisode(episode, spread_steps(len(episode), self.settings.steps))
        told = told_episode(self.opened.model, studied, self.given)
        self._keep(index, MAPS, told, {"place": place}, make)
        return len(studied.steps)

    def _score(self, key: str, index: int) -> int:
        episode, place, maps = self.opened.source[index], self.place(index), EpisodeFindings(self.folder, MAPS)

        def make(kept: Steps) -> EpisodeScores:
            return score_episode(
                self.opened.model,
                episode,
                place,
                self.settings,
                maps.value(index),
                self._memories(key),
                options=self.given,
                kept=kept,
            )

        told = maps.told(index)
        self._keep(index, SCORES, told, {"place": place, "learnt": key}, make)
        return len(told["steps"])

    def _keep(self, index: int, kind: FindingKind, told: dict[str, Any], more: dict[str, Any], make: Any) -> None:
        arguments = {**self.arguments(), **more}
        place = episode_place(index)
        told_request(self.folder, kind, self.opened.model, [told], arguments, make, place=place).get_or_renew()

    @functools.cached_property
    def _places(self) -> dict[int, int]:
        return {index: place for place, index in enumerate(self.chosen)}

    @functools.cached_property
    def _memories(self) -> Any:
        return functools.lru_cache(1)(self.memory)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
