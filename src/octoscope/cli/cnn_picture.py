"""The picture that a `cnn` command is given: a file, or 'demo' for a frame of the embedded episode."""

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.picture_file import read_picture
from octoscope.episodes.sources import open_episodes
from octoscope.escaping.terminal import say
from octoscope.policies.octo.network.image_resize import resize_image


def open_picture(name: str, size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the picture at the size wanted, and prints what was changed.

    Raises:
      EpisodeError: If the file is missing or no picture.
    """
    if name == "demo":
        frames = next(iter(open_episodes("demo")[0].images.values()))
        return resize_image(frames[0], size)
    picture, changed = read_picture(name, size)
    if changed:
        say(f"{name}: {changed}.")
    return picture
