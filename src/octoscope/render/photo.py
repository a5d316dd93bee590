"""Camera frames at the size they are drawn in."""

import numpy as np
from PIL import Image

from octoscope.array_typing import UInt8


def fitted_size(height: int, width: int, size: int | None) -> tuple[int, int]:
    """Returns the height and width whose longer side is `size`, in the same proportions; as they are for None.

    Raises:
      ValueError: If `size` is below 1.

    >>> fitted_size(48, 64, 224)
    (168, 224)
    """
    if size is None:
        return height, width
    if size < 1:
        raise ValueError(f"`size` must be at least 1 pixel, got {size}.")
    longer = max(height, width)
    return max(1, round(height * size / longer)), max(1, round(width * size / longer))


def resize_photo(
    image: UInt8[np.ndarray, "height width 3"], size: int | None
) -> UInt8[np.ndarray, "drawn_height drawn_width 3"]:
    """Returns the frame with its longer side `size` pixels long (Lanczos; for looking at, never for the policy).

    >>> resize_photo(np.zeros((48, 64, 3), np.uint8), 224).shape
    (168, 224, 3)
    """
    height, width = fitted_size(image.shape[0], image.shape[1], size)
    if (height, width) == image.shape[:2]:
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def gray_scene(photo: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width"]:
    """Returns the lightness of a frame (ITU-R 601 luma), so that colour is left to the heat.

    >>> gray_scene(np.uint8([[[255, 0, 0], [255, 255, 255]]])).tolist()
    [[76, 255]]
    """
    return np.asarray(Image.fromarray(photo).convert("L"))
