"""What every part of a report is made from, and what a report says of where its numbers come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from octoscope.capture.provenance import episode_digest
from octoscope.episodes.episode import Episode
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel
from octoscope.runs.findings.kept_finding import FindingRequest
from octoscope.studies.opening import reading_remarks
from octoscope.studies.results import Results
from octoscope.studies.telling import Tell, silent


@dataclass(frozen=True, eq=False)
class ReportMaterial:
    """A policy, episodes, and how much of them is looked at."""

    model: PolicyModel | HoldsPolicy
    # The first is drawn; the others count for means and intervals.
    episodes: Sequence[Episode]
    options: BindOptions
    # Of the first episode, that is drawn and ablated.
    step: int
    # Steps of each episode, for means.
    steps: int
    seed: int
    batch: int
    # Of results: findings lie beside the page, and a part that lies there already is read.
    folder: Path
    resume: bool = False
    overwrite: bool = False
    tell: Tell = silent
    progress: bool = False
    # Where pages of an earlier call may lie: they are drawn again from the same findings alone.
    results: Results | None = None
    # Of the findings so far.
    requests: list[FindingRequest] = field(default_factory=list)

    def finding(self, request: FindingRequest) -> Any:
        """Returns a finding's value as it lies on disk, after making it where there is none.

        Raises:
          OctoscopeError: If it is damaged, or cannot be made, or pages of other findings lie there.
        """
        if self.results is not None:
            self.results.check_may_be_of(request)
        self.requests.append(request)
        finding = request.get_or_make(resume=self.resume, overwrite=self.overwrite)
        self.tell(*finding.sentences())
        return finding.value

    def provenance(self) -> list[tuple[str, str]]:
        """Returns name and value of everything that the numbers depend on."""
        first, model = self.episodes[0], self.model
        scene = StepScene.at(model, first, self.step, **self.options.arguments())
        card = scene.policy.card
        trained = "" if card.step is None else f", training step {card.step}"
        told = [f'"{scene.instruction}"'] if scene.instruction else []
        told += [f"goal image {camera}" for camera in self.options.goal_images or ()]
        names = [episode.name for episode in self.episodes]
        return [
            ("policy", f"{card.name}{trained}"),
            ("checkpoint", f"sha256 {scene.policy.digest()}"),
            ("dataset", first.dataset),
            ("episodes", f"{len(names)}: {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}"),
            (
                "drawn and ablated",
                f"{first.name}, step {self.step} of 0..{len(first) - 1}, {' and '.join(told) or 'no task'}",
            ),
            *(("how words are read", remark) for remark in reading_remarks(model, self.episodes, self.options)),
            ("its recording", f"sha256 {episode_digest(scene.bound)}"),
            ("steps of each episode", f"{self.steps}, spread evenly"),
            ("seed", str(self.seed)),
            ("octoscope", f"{version('octoscope')} on {card.device}"),
        ]
