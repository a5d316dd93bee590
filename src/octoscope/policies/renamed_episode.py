"""Episodes under the names that a policy was trained to know them by."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from octoscope.episodes.episode import Episode
from octoscope.errors import EpisodeError

_Value = TypeVar("_Value")
# What else is kept of a camera or a field, under a name made from its own.
_FORMS = ("{}", "mask_{}", "observation/{}")


def renamed_episode(episode: Episode, renames: Mapping[str, str]) -> Episode:
    """Returns the episode with its cameras and numbers, and the masks of cameras, under the policy's names.

    Args:
      episode: As recorded.
      renames: The policy's name by the recorded one; names that the episode lacks are passed over.

    Raises:
      EpisodeError: If two recorded names become one.

    >>> import numpy as np
    >>> frames = np.zeros((2, 8, 8, 3), np.uint8)
    >>> list(renamed_episode(Episode({"laptop": frames}, "push", None, "made/0", "made"), {"laptop": "top"}).images)
    ['top']
    """
    forms = {form.format(old): form.format(new) for old, new in renames.items() for form in _FORMS}
    if not any(name in forms for name in (*episode.images, *episode.extras)):
        return episode
    return replace(
        episode, images=_renamed(episode.images, forms, episode), extras=_renamed(episode.extras, forms, episode)
    )


def _renamed(values: Mapping[str, _Value], forms: Mapping[str, str], episode: Episode) -> dict[str, _Value]:
    renamed: dict[str, _Value] = {}
    for name, value in values.items():
        if forms.get(name, name) in renamed:
            raise EpisodeError(
                f"The policy's rename map makes '{forms.get(name, name)}' of '{name}' of {episode.name}, which has another of that name: "
                "leave one out."
            )
        renamed[forms.get(name, name)] = value
    return renamed
