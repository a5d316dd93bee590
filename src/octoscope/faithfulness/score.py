"""Every method scored on the same steps of the same episodes, under the same noise."""

from collections.abc import Iterable, Sequence

import numpy as np
from tqdm import tqdm

from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError
from octoscope.faithfulness.episode_maps import measure_episode
from octoscope.faithfulness.episode_scores import (
    EpisodeScores,
    complete_maps,
    curve_fractions,
    example_step,
    score_episode,
)
from octoscope.faithfulness.head_memory import HeadMemory
from octoscope.faithfulness.methods import FROM_OTHERS, step_cost
from octoscope.faithfulness.score_table import (
    BOUNDS,
    SCORES,
    Band,
    ExampleStep,
    FaithfulnessTable,
    MethodScores,
    PathGap,
    Score,
)
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.notebook import shows_progress
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.policy_model import HoldsPolicy, PolicyCard, PolicyModel, as_policy
from octoscope.runs.findings.kept_steps import NoSteps, Steps


def score_faithfulness(
    model: PolicyModel | HoldsPolicy,
    episodes: Iterable[Episode],
    settings: FaithfulnessSettings | None = None,
    *,
    options: BindOptions | None = None,
    progress: bool | None = None,
    kept: Steps | None = None,
) -> FaithfulnessTable:
    """Returns how well each method's map tells what the action depends on, and where the named object is.

    Args:
      model: The policy.
      episodes: At least one; two for the methods that learn from the others ("best head", "fixed template"), and many for intervals
        that mean something.
      settings: How.
      options: Other words, goal images, observations, history.
      progress: Show a progress bar; in notebooks alone by default.
      kept: Steps that an earlier call made, and where those of this one are kept.

    Raises:
      EpisodeError: If there is no episode, or one lacks what the policy needs.
      SelectionError: If no token has a place in an image, there is no method, or the policy allows none of them.
    """
    settings, options, kept = settings or FaithfulnessSettings(), options or BindOptions(), kept or NoSteps()
    settings.require_methods()
    recordings = list(episodes)
    if not recordings:
        raise EpisodeError("There must be at least one episode to score, got none.")
    every = [
        measure_episode(model, episode, place, settings, options=options, kept=kept)
        for place, episode in enumerate(
            tqdm(recordings, desc="maps", unit="episode", disable=not shows_progress(progress))
        )
    ]
    memory = HeadMemory.of(enumerate(every))
    scores = [
        score_episode(model, episode, place, settings, maps, memory, options=options, kept=kept)
        for place, (episode, maps) in enumerate(
            tqdm(
                list(zip(recordings, every, strict=True)),
                desc="deletion and insertion",
                unit="episode",
                disable=not shows_progress(progress),
            )
        )
    ]
    place, number = example_place([each.steps for each in scores])
    maps = complete_maps(every[place].measured[number], place, settings, memory)
    measured, step = every[place].measured[number], every[place].steps[number]
    example = example_step(model, recordings[place], step, measured, maps, options=options)
    return faithfulness_table(as_policy(model).card, settings, scores, example)


def example_place(steps: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Returns which episode is drawn, and which of its steps: the middle one of all.

    >>> example_place([(0, 5), (3,)])
    (0, 1)
    """
    every = [(place, number) for place, each in enumerate(steps) for number in range(len(each))]
    return every[len(every) // 2]


def faithfulness_table(
    card: PolicyCard, settings: FaithfulnessSettings, episodes: Sequence[EpisodeScores], example: ExampleStep
) -> FaithfulnessTable:
    """Returns the table over episodes, from the values of each.

    Args:
      card: Of the policy.
      settings: How they were scored.
      episodes: At least one, in order.
      example: The step that is drawn.
    """
    first = episodes[0]
    missing = [name for name in FROM_OTHERS if name in settings.methods and name not in first.scores]
    needing = f"Left out: {', '.join(missing)}. They learn from other episodes, and there is one only."
    return FaithfulnessTable(
        card.name,
        card.note,
        first.dataset,
        [*settings.sentences(), *first.left_out, *([needing] if missing else [])],
        episodes=len(episodes),
        steps=sum(len(each.steps) for each in episodes),
        fractions=curve_fractions(settings),
        methods=[_line(method, episodes, settings) for method in settings.methods if method in first.scores],
        example=example,
    )


def _line(method: str, episodes: Sequence[EpisodeScores], settings: FaithfulnessSettings) -> MethodScores:
    owners = [place for place, each in enumerate(episodes) for _ in each.steps]
    scores = {
        name: Score.over(owners, np.concatenate([each.scores[method][name] for each in episodes]), bounds=BOUNDS[name])
        for name in SCORES
    }
    gap = _gap(episodes) if method == "integrated gradients" else None
    cost = step_cost(method, cells=episodes[0].cells, points=round(gap.mean_points) if gap else settings.path_points)
    deletion, insertion = (
        Band.over(owners, np.concatenate([getattr(each, curves)[method] for each in episodes]))
        for curves in ("deletion", "insertion")
    )
    return MethodScores(method, scores, cost, deletion, insertion, gap)


def _gap(episodes: Sequence[EpisodeScores]) -> PathGap | None:
    gaps = np.concatenate([each.gaps for each in episodes])
    known = gaps[~np.isnan(gaps)].tolist()
    points = np.concatenate([each.points for each in episodes]).tolist()
    return PathGap(float(np.mean(known)), max(known), float(np.mean(points))) if known else None
