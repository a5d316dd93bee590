"""The picture that a `cnn` command is given: a file, or 'demo' for a frame of the embedded episode."""

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.picture_file import read_picture
from octoscope.episodes.sources import open_episodes
from octoscope.policies.octo.network.image_resize import resize_image
from octoscope.studies.telling import Tell, silent


def open_picture(name: str, size: tuple[int, int], *, tell: Tell = silent) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the picture at the size wanted, and tells what was changed.

    Raises:
      EpisodeError: If the file is missing or no picture.
    """
    if name == "demo":
        frames = next(iter(open_episodes("demo")[0].images.values()))
        return resize_image(frames[0], size)
    picture, changed = read_picture(name, size)
    if changed:
        tell(f"{name}: {changed}.")
    return picture
