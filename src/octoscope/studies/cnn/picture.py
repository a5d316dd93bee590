"""The picture that a `cnn` command is given: a file, or 'demo' for a frame of the embedded episode."""

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.changed_episodes import turned
from octoscope.episodes.picture_file import read_picture
from octoscope.episodes.sources import open_episodes
from octoscope.policies.octo.network.image_resize import resize_image
from octoscope.studies.options.stored import StoredPictures
from octoscope.studies.telling import Tell, silent


def open_picture(
    name: str, size: tuple[int, int], stored: StoredPictures | None = None, *, tell: Tell = silent
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the picture at the size wanted, and tells what was changed.

    Args:
      name: Of the file, or "demo".
      size: Height and width.
      stored: How it is stored.
      tell: Takes what was changed to have it so.

    Raises:
      EpisodeError: If the file is missing or no picture.
    """
    stored = stored or StoredPictures()
    if name == "demo":
        picture = resize_image(next(iter(open_episodes("demo")[0].images.values()))[0], size)
    else:
        picture, changed = read_picture(name, size)
        if changed:
            tell(f"{name}: {changed}.")
    return as_stored(picture, stored)


def as_stored(
    picture: UInt8[np.ndarray, "height width 3"], stored: StoredPictures
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns a picture that is stored so as it is to be seen."""
    return turned(picture[None], turn=stored.turn, swap_red_blue=stored.swap_red_blue)[0]
