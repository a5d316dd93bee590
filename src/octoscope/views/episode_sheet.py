"""The thumbnails of a page of episodes as one sheet: a row for each camera."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.episodes.listing import EpisodeEntry
from octoscope.render.picture_sheet import PictureRow, PictureTile, render_picture_sheet

_TILE = 160


def render_episode_sheet(
    entries: Sequence[EpisodeEntry], *, title: str, subtitle: Sequence[str] = ()
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the first frame of each episode as the camera recorded it, above it its index and number of steps, and its words.

    Episodes that could not be read have no frame and are left out; the list says why.

    Args:
      entries: With thumbnails, at least one of them.
      title: Above all.
      subtitle: Lines under the title.

    Raises:
      ValueError: If no entry has a thumbnail.
    """
    cameras = dict.fromkeys(camera for entry in entries for camera in entry.thumbnails)
    rows = [
        PictureRow(camera, [_tile(entry, camera) for entry in entries if camera in entry.thumbnails])
        for camera in cameras
    ]
    return render_picture_sheet(
        rows, title=title, subtitle=subtitle, tile_size=_TILE, footnote="First frame of each episode, as recorded."
    )


def _tile(entry: EpisodeEntry, camera: str) -> PictureTile:
    return PictureTile(f"{entry.index}", entry.thumbnails[camera], note=entry.instruction or f"{entry.steps} steps")
