"""The thumbnails of a page of episodes as one sheet: a row for each camera."""

from collections.abc import Sequence

from octoscope.episodes.listing import EpisodeEntry
from octoscope.render.sheet import Sheet, SheetRow
from octoscope.render.tile import Tile
from octoscope.render.view import drawn

_TILE = 160


def episode_sheet(entries: Sequence[EpisodeEntry], *, title: str, subtitle: Sequence[str] = ()) -> Sheet:
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
        SheetRow(camera, [_tile(entry, camera) for entry in entries if camera in entry.thumbnails])
        for camera in cameras
    ]
    note = "First frame of each episode, as recorded."
    return Sheet(title, rows, subtitle=subtitle, tile_size=_TILE, footnote=note)


render_episode_sheet = drawn(episode_sheet)


def _tile(entry: EpisodeEntry, camera: str) -> Tile:
    return Tile(f"{entry.index}", entry.thumbnails[camera], note=entry.instruction or f"{entry.steps} steps")
