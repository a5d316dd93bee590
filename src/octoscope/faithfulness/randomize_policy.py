"""The randomisation check of one policy, on one episode."""

from octoscope.episodes.episode import Episode
from octoscope.errors import check_at_least
from octoscope.faithfulness.map_makers import map_maker, spread_steps
from octoscope.faithfulness.randomized_weights import RandomizationTable, randomize_cascading
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.interventions.step_scene import StepScene
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.policy_model import HoldsPolicy, PolicyModel
from octoscope.runs.findings.kept_steps import Steps


def randomize_policy(
    model: PolicyModel | HoldsPolicy,
    episode: Episode,
    settings: FaithfulnessSettings | None = None,
    *,
    options: BindOptions | None = None,
    draws: int = 1,
    progress: bool = False,
    kept: Steps | None = None,
) -> RandomizationTable:
    """Returns how alike the maps of an episode stay while the policy's weights are drawn anew from the head down.

    Args:
      model: The policy.
      episode: The recording.
      settings: Methods, steps, fills, target and seed.
      options: Other words, goal images, observations, history.
      draws: Of weights; each costs all maps once more for each stage.
      progress: Show a progress bar.
      kept: Steps that an earlier call made, and where those of this one are kept.

    Raises:
      EpisodeError: If the episode lacks what the policy needs.
      SelectionError: If `draws` is below 1, or there is no policy like it with other weights.
    """
    check_at_least(1, draws=draws)
    settings, options = settings or FaithfulnessSettings(), options or BindOptions()
    scene = StepScene.at(model, episode, 0, **options.arguments())
    scenes = [scene.moved_to(step) for step in spread_steps(len(episode), settings.steps)]
    return randomize_cascading(
        map_maker(scene, settings), scenes, seed=settings.seed, draws=draws, progress=progress, kept=kept
    )
