"""Does the policy use its instruction? The share of attention on words beside what happens when the words are swapped."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from octoscope.attention.share_table import share_table
from octoscope.capture.attend import attend
from octoscope.capture.watch_options import WatchOptions
from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError, ObservationError, check_at_least
from octoscope.faithfulness.language_table import EpisodeLanguage, LanguageTable
from octoscope.faithfulness.map_makers import spread_steps
from octoscope.faithfulness.score_table import Score
from octoscope.interventions.apply import apply_intervention
from octoscope.interventions.descriptions import NoInstruction, ShuffleWords, UseInstruction
from octoscope.interventions.effects import action_change
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel, as_policy
from octoscope.runs.findings.kept_steps import NoSteps, Steps


def language_use(
    model: PolicyModel | HoldsPolicy,
    episodes: Sequence[Episode],
    *,
    steps: int | None = None,
    swaps: Sequence[str] = (),
    most_swaps: int = 4,
    seed: int = 0,
    noises: int = 8,
    batch: int = 16,
    options: BindOptions | None = None,
    progress: bool = False,
    kept: Steps | None = None,
) -> LanguageTable:
    """Returns, for each step, the attention on words and how much other words, no words and shuffled words change the action.

    The one number is the mean change under swapped instructions, in standard deviations of the dataset's actions. Beside it stands what
    other noise does: a policy whose words do less than its noise does not follow them in a way that anybody could see.

    Args:
      model: The policy; it must take words.
      episodes: With an instruction each.
      steps: Of each episode, spread evenly; all by default.
      swaps: Other instructions; by default those of the other episodes.
      most_swaps: At most so many other instructions for each episode.
      seed: Of the noise, and of which instructions are taken.
      noises: Draws of other noise, for the noise floor.
      batch: Inputs run at once.
      options: Goal images, observations, history; an instruction takes the place of every episode's.
      progress: Show a progress bar.
      kept: Episodes that an earlier call made, and where those of this one are kept.

    Raises:
      ObservationError: If the policy takes no words.
      SelectionError: If a number is out of range.
      EpisodeError: If there is no episode, one has no instruction, or there are no other words to swap in.
    """
    check_language(model, episodes)
    check_at_least(1, steps=steps, batch=batch)
    check_at_least(0, noises=noises)
    options, kept = options or BindOptions(), kept or NoSteps()
    if options.instruction is not None:
        episodes = [dataclasses.replace(episode, instruction=options.instruction) for episode in episodes]
    found = []
    for index, episode in enumerate(tqdm(episodes, desc="language", unit="episode", disable=not progress)):
        others = list(swaps) or list(
            dict.fromkeys(other.instruction for other in episodes if other.instruction.strip())
        )
        others = [text for text in others if text.split() != episode.instruction.split()]
        if not others:
            raise EpisodeError(
                "There are no other words to swap in: the episodes all say the same. Give some, with `swaps` or --swap."
            )
        rng = np.random.default_rng([seed, index])
        chosen = [others[place] for place in rng.permutation(len(others))[:most_swaps]]
        wanted = spread_steps(len(episode), len(episode) if steps is None else steps)
        watch = functools.partial(
            _episode, model, episode, wanted, chosen, options=options, seed=seed, noises=noises, batch=batch
        )
        found.append(kept.get_or_make(f"episode_{index}", EpisodeLanguage, watch))
    numbers = {
        name: Score.over(
            range(len(found)),
            [float(np.mean(getattr(one, name))) for one in found],
            bounds=(0.0, 1.0 if "share" in name else np.inf),
        )
        for name in ("swapped", "silent", "shuffled", "noise", "share", "even_share")
    }
    card = as_policy(model).card
    return LanguageTable(card.name, card.note, episodes[0].dataset, tuple(found), numbers, seed)


def check_language(model: PolicyModel | HoldsPolicy, episodes: Sequence[Episode]) -> None:
    """Refuses what has no use of words to measure.

    Raises:
      ObservationError: If the policy takes no words.
      EpisodeError: If there is no episode.
    """
    if not as_policy(model).needs.words:
        raise ObservationError("This policy takes no words, so there is no use of language to measure.")
    if not episodes:
        raise EpisodeError("There must be at least one episode, got none.")


def _episode(
    model: PolicyModel | HoldsPolicy,
    episode: Episode,
    steps: Sequence[int],
    others: Sequence[str],
    *,
    options: BindOptions,
    seed: int,
    noises: int,
    batch: int,
) -> EpisodeLanguage:
    run = attend(
        model, episode, steps=steps, options=WatchOptions(**options.arguments(), query_groups="readout", seed=seed)
    )
    shares = share_table(run)
    first = StepScene.at(model, episode, steps[0], **options.arguments())
    counts = first.space.counts
    asked = [NoInstruction(), *([ShuffleWords(seed)] if len(set(episode.instruction.split())) > 1 else [])]
    asked += [UseInstruction(text) for text in others]
    rows = []
    for step in steps:
        scene = first.moved_to(step)
        inputs = [scene.inputs, *(apply_intervention(scene, each) for each in asked)]
        still, policy = Noise(seed, step), scene.policy
        actions = policy.act(inputs, still, batch=batch)[..., counts]
        changes = action_change(actions[0], actions[1:])
        noise = np.zeros(0)
        if noises:
            draws = [still.other(draw) for draw in range(1, noises + 1)]
            drawn = policy.act([scene.inputs] * noises, draws, batch=batch)[..., counts]
            noise = action_change(actions[0], drawn)
        shuffled = changes[1] if len(asked) > 1 + len(others) else np.nan
        swapped = changes[-len(others) :].mean()
        rows.append((changes[0], shuffled, swapped, noise.mean() if len(noise) else np.nan))
    silent, shuffled, swapped, noise = np.array(rows, float).T
    return EpisodeLanguage(
        episode.name,
        episode.instruction,
        tuple(others),
        tuple(steps),
        share=shares.on_words().mean(axis=(1, 2)),
        even_share=shares.uniform_on_words(),
        swapped=swapped,
        silent=silent,
        shuffled=shuffled,
        noise=noise,
    )
