"""What commands that look at single pictures, or at a dataset's frames, can be told of how they are stored."""

from dataclasses import dataclass

from octoscope.studies.options.vocabulary import Cameras, Split, SwapRedBlue, Turn


@dataclass(frozen=True)
class StoredPictures:
    """How pictures are stored, and frames of a dataset with them."""

    turn: Turn = "none"
    swap_red_blue: SwapRedBlue = False


@dataclass(frozen=True)
class StoredFrames(StoredPictures):
    """The same, and what is what in a dataset."""

    split: Split = None
    cameras: Cameras = ()
