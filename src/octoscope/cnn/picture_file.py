"""A user's picture as a network takes it: RGB levels of 0..255, with what was done to it said."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from octoscope.array_typing import Float32
from octoscope.errors import EpisodeError
from octoscope.user_path import user_path


def read_picture(
    path: str | Path, size: tuple[int, int] | None = None
) -> tuple[Float32[np.ndarray, "height width 3"], str]:
    """Returns a picture, and a sentence of what was changed: "" when it was RGB of the size wanted.

    Grey becomes three equal colours; what is transparent is laid over white; a wish of the camera to be turned is followed.

    Args:
      path: Any file that Pillow reads.
      size: Height and width wanted; proportions are not kept (bilinear, antialiased). As it is for None.

    Raises:
      EpisodeError: If the file is missing or no picture.
    """
    try:
        with Image.open(user_path(path)) as opened:
            picture = ImageOps.exif_transpose(opened)
    except FileNotFoundError:
        raise EpisodeError(f"There is no picture {path}. Check the path.") from None
    except (UnidentifiedImageError, OSError) as error:
        raise EpisodeError(f"{path} is no picture that can be read ({error}). Give a PNG or JPEG.") from None
    notes = []
    if "A" in picture.getbands() or "transparency" in picture.info:
        layered = picture.convert("RGBA")
        notes += ["transparent parts laid over white"] if layered.getchannel("A").getextrema()[0] != 255 else []
        picture = Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    if picture.mode != "RGB":
        notes.append(
            "grey shown as three equal colours" if len(picture.getbands()) == 1 else f"{picture.mode} turned into RGB"
        )
        picture = picture.convert("RGB")
    if size is not None and (picture.height, picture.width) != size:
        notes.append(f"resized from {picture.height} x {picture.width} to {size[0]} x {size[1]} pixels")
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture, np.float32), "; ".join(notes)
