"""What commands that look at single pictures, or at a dataset's frames, can be told of how they are stored."""

from dataclasses import dataclass

from octoscope.studies.options.values import Cameras, Turn


@dataclass(frozen=True)
class StoredPictures:
    """How pictures are stored, and frames of a dataset with them."""

    # For pictures and frames stored upside down: 'flip' reverses rows, '180' rows and columns.
    turn: Turn = "none"
    # For pictures and frames stored with red and blue exchanged.
    swap_red_blue: bool = False


@dataclass(frozen=True)
class StoredFrames(StoredPictures):
    """The same, and what is what in a dataset."""

    # Split of the dataset; 'train' where it exists.
    split: str | None = None
    # Recorded image of each camera, where it cannot be told: primary=image_0.
    cameras: Cameras = ()
