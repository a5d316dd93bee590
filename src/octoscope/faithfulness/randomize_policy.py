"""The randomisation check of one policy, on one episode."""

from octoscope.episodes.episode import Episode
from octoscope.faithfulness.map_makers import map_maker, spread_steps
from octoscope.faithfulness.randomized_weights import RandomizationTable, randomize_cascading
from octoscope.faithfulness.settings import FaithfulnessSettings
from octoscope.interventions.step_scene import StepScene
from octoscope.octo.model import OctoModel


def randomize_policy(
    model: OctoModel, episode: Episode, settings: FaithfulnessSettings | None = None, *, draws: int = 1
) -> RandomizationTable:
    """Returns how alike the maps of an episode stay while the policy's weights are drawn anew from the head down.

    Args:
      model: The policy.
      episode: The recording.
      settings: Methods, steps, fills, target and seed.
      draws: Of weights; each costs all maps once more for each stage.

    Raises:
      EpisodeError: If the episode lacks what the policy needs.
    """
    settings = settings or FaithfulnessSettings()
    scene = StepScene.at(model, episode, 0)
    scenes = [scene.moved_to(step) for step in spread_steps(len(episode), settings.steps)]
    return randomize_cascading(map_maker(model, scene, settings), scenes, seed=settings.seed, draws=draws)
