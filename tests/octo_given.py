"""What Octo's network is given at a step of an episode."""

from typing import Any

from octoscope.episodes.episode import Episode
from octoscope.policies.bind import BoundEpisode, bind
from octoscope.policies.episode_plan import BindOptions
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.octo_inputs import OctoInputs


def bound_to(model: OctoModel, episode: Episode, **options: Any) -> BoundEpisode:
    return bind(model, episode, BindOptions(**options))


def octo_given(model: OctoModel, episode: Episode, step: int, **options: Any) -> OctoInputs:
    return model.policy.tensors(bound_to(model, episode, **options).at(step))
