"""Does the policy use its instruction? The share of attention on words beside what happens when the words are swapped."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence

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
from octoscope.notebook import shows_progress
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import HoldsPolicy, PolicyCard, PolicyModel, as_policy
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
    progress: bool | None = None,
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
      progress: Show a progress bar; in notebooks alone by default.
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
    words = list(swaps) or other_words(episode.instruction for episode in episodes)
    every: list[EpisodeLanguage] = []
    for place, episode in enumerate(
        tqdm(episodes, desc="language", unit="episode", disable=not shows_progress(progress))
    ):
        said = with_task(episode, options)
        swapped = words_to_swap(said, words, place, seed=seed, most_swaps=most_swaps)
        watch = functools.partial(
            episode_language,
            model,
            said,
            swapped,
            steps=steps,
            options=options,
            seed=seed,
            noises=noises,
            batch=batch,
        )
        every.append(kept.get_or_make(f"episode_{place}", EpisodeLanguage, watch))
    return language_table(as_policy(model).card, episodes[0].dataset, every, seed=seed)


def other_words(instructions: Iterable[str]) -> list[str]:
    """Returns what is said in some episode, each once."""
    return list(dict.fromkeys(text for text in instructions if text.strip()))


def with_task(episode: Episode, options: BindOptions) -> Episode:
    """Returns the episode with the words that the policy is given."""
    return episode if options.instruction is None else dataclasses.replace(episode, instruction=options.instruction)


def words_to_swap(
    episode: Episode, words: Sequence[str], place: int, *, seed: int = 0, most_swaps: int = 4
) -> tuple[str, ...]:
    """Returns what is said instead of an episode's instruction.

    Args:
      episode: With the words that the policy is given.
      words: To choose from.
      place: Of the episode among those that are studied together; others are drawn for each.
      seed: Of which are taken.
      most_swaps: At most so many.

    Raises:
      EpisodeError: If there are no other words.
    """
    others = [text for text in words if text.split() != episode.instruction.split()]
    if not others:
        raise EpisodeError(
            "There are no other words to swap in: the episodes all say the same. Give some, with `swaps` or --swap."
        )
    rng = np.random.default_rng([seed, place])
    return tuple(others[which] for which in rng.permutation(len(others))[:most_swaps])


def language_table(card: PolicyCard, dataset: str, episodes: Sequence[EpisodeLanguage], *, seed: int) -> LanguageTable:
    """Returns the table over episodes, from the values of each."""
    numbers = {
        name: Score.over(
            range(len(episodes)),
            [float(np.mean(getattr(each, name))) for each in episodes],
            bounds=(0.0, 1.0 if "share" in name else np.inf),
        )
        for name in ("swapped", "silent", "shuffled", "noise", "share", "even_share")
    }
    return LanguageTable(card.name, card.note, dataset, tuple(episodes), numbers, seed)


def check_language(model: PolicyModel | HoldsPolicy, episodes: Sequence[Episode]) -> None:
    """Refuses what has no use of words to measure.

    Raises:
      ObservationError: If the policy takes no words.
      EpisodeError: If there is no episode.
    """
    check_takes_words(model)
    if not episodes:
        raise EpisodeError("There must be at least one episode, got none.")


def check_takes_words(model: PolicyModel | HoldsPolicy) -> None:
    """Refuses a policy that takes no words, before any are read.

    Raises:
      ObservationError: If it takes none.
    """
    if not as_policy(model).needs.words:
        raise ObservationError("This policy takes no words, so there is no use of language to measure.")


def language_steps(episode: Episode, steps: int | None) -> list[int]:
    """Returns the steps of an episode that are looked at: so many, spread evenly, or all."""
    return spread_steps(len(episode), len(episode) if steps is None else steps)


def episode_language(
    model: PolicyModel | HoldsPolicy,
    episode: Episode,
    others: Sequence[str],
    *,
    steps: int | None,
    options: BindOptions,
    seed: int,
    noises: int,
    batch: int,
) -> EpisodeLanguage:
    """Returns the use of words in one episode; see `language_use`.

    Args:
      model: The policy.
      episode: With the words that the policy is given.
      others: What is said instead, from `words_to_swap`.
      steps: So many, spread evenly; all by default.
      options: Goal images, observations, history.
      seed: Of the noise.
      noises: Draws of other noise.
      batch: Inputs run at once.
    """
    wanted = language_steps(episode, steps)
    run = attend(
        model, episode, steps=wanted, options=WatchOptions(**options.arguments(), query_groups="readout", seed=seed)
    )
    shares = share_table(run)
    first = StepScene.at(model, episode, wanted[0], **options.arguments())
    counts = first.space.counts
    asked = [NoInstruction(), *([ShuffleWords(seed)] if len(set(episode.instruction.split())) > 1 else [])]
    asked += [UseInstruction(text) for text in others]
    rows = []
    for step in wanted:
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
        tuple(wanted),
        share=shares.on_words().mean(axis=(1, 2)),
        even_share=shares.uniform_on_words(),
        swapped=swapped,
        silent=silent,
        shuffled=shuffled,
        noise=noise,
    )
