"""A picture file as RGB, by the rules that datasets' frames are read by, with what was changed said.

Every picture that lies in a file of its own comes through here: a goal, what a network looks at, a frame of a folder. A goal's JPEG has
the pixels that `decode_image` gives, as policies were trained on them; a frame's those that the programs which record folders read
(Pillow, OpenCV), up to 17 levels apart. What `decode_image` refuses (16 bits a channel, floats, CMYK) is refused here.
"""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from octoscope.array_typing import UInt8
from octoscope.episodes.image_codec import MOST_PIXELS, check_pixels, decode_image, image_size, is_encoded_image
from octoscope.errors import EpisodeError

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
# Pillow's names for 8 bits a channel or fewer. Converted to RGB, its "I" and "F" would be clipped at 255.
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr")
# As many bytes as the largest picture has without compression, with alpha and a margin.
_MOST_BYTES = 2**28
_EXIF_ORIENTATION, _TIFF_BITS = 274, 258
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Orientations whose rows are the upright picture's columns.
_LYING = (5, 6, 7, 8)


def read_picture(
    path: str | Path, size: tuple[int, int] | None = None, *, exact: bool = False
) -> tuple[UInt8[np.ndarray, "height width 3"], str]:
    """Returns a picture as RGB levels of 0..255, and a sentence of what was changed: "" when it was that, of the size wanted.

    Grey becomes three equal colours; transparency is dropped, and the colours that are stored under it are shown; of several
    frames the first is taken; a wish of the camera to be turned (EXIF) is followed.

    Args:
      path: A PNG, JPEG, WebP, BMP, GIF or TIFF file of at most `MOST_PIXELS` pixels.
      size: Height and width wanted; proportions are not kept (bilinear, antialiased). As it is for None.
      exact: Decode JPEG exactly and not as TensorFlow does, which is faster and what policies were trained on.

    Raises:
      EpisodeError: If the file is missing, damaged, too large or no picture, or has more than 8 bits a channel.
    """
    data = _read_bytes(Path(path))
    try:
        picture, notes = _decode(data, exact=exact)
    except EpisodeError as error:
        raise EpisodeError(f"{path}: {error}") from None
    # Pillow's formats raise what their parsers happen to stumble over.
    except Exception as error:
        raise EpisodeError(
            f"{path} is no picture that can be read ({error}). Give a file of {', '.join(_FORMATS)}."
        ) from None
    if size is not None and (picture.height, picture.width) != size:
        notes.append(f"resized from {picture.height} x {picture.width} to {size[0]} x {size[1]} pixels")
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture), "; ".join(notes)


def picture_size(path: Path) -> tuple[int, int]:
    """Returns height and width of the upright picture in a PNG or JPEG file, from its header.

    Raises:
      EpisodeError: If it cannot be read.
    """
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as picture:
            height, width = picture.height, picture.width
            lying = picture.getexif().get(_EXIF_ORIENTATION) in _LYING
    # Pillow raises SyntaxError and ValueError for some broken files.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise EpisodeError(
            f"{path}: cannot be read as a PNG or JPEG picture ({error}). Copy or make it again."
        ) from error
    return (width, height) if lying else (height, width)


def _read_bytes(path: Path) -> bytes:
    try:
        file = path.expanduser()
        if not file.exists():
            raise EpisodeError(f"There is no picture {path}. Check the path.")
        if not file.is_file():
            raise EpisodeError(f"{path} is no file. Give a picture.")
        if (length := file.stat().st_size) > _MOST_BYTES:
            raise EpisodeError(
                f"{path} has {length:,} bytes; pictures of at most {_MOST_BYTES:,} are read. Make it smaller."
            )
        return file.read_bytes()
    # "~nobody" has no home (RuntimeError), and a path may hold what no file system takes (ValueError).
    except (OSError, RuntimeError, ValueError) as error:
        raise EpisodeError(f"{path} cannot be read ({error}). Check the path.") from None


def _decode(data: bytes, *, exact: bool) -> tuple[Image.Image, list[str]]:
    """Returns the picture, upright and RGB, and what was done to it."""
    if is_encoded_image(data):
        image_size(data)
    with warnings.catch_warnings():
        # Of tags that Pillow cannot read; what matters of them is asked for below.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            opened = Image.open(io.BytesIO(data), formats=_FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise EpisodeError(f"{error} At most {MOST_PIXELS:,} pixels are read: make it smaller.") from None
        with opened:
            check_pixels(opened.height, opened.width, what=f"a picture of {len(data)} bytes")
            notes = _notes(opened)
            by_us = opened.format == "PNG" or (is_encoded_image(data) and not exact)
            pixels = Image.fromarray(decode_image(data)) if by_us else _converted(opened)
            turn = _TURNS.get(opened.getexif().get(_EXIF_ORIENTATION, 1))
    if turn is not None:
        notes.append("turned upright as its EXIF data say")
        pixels = pixels.transpose(turn)
    return pixels, notes


def _converted(opened: Image.Image) -> Image.Image:
    bits = getattr(opened, "tag_v2", {}).get(_TIFF_BITS, (8,))
    if opened.mode not in _MODES or max(bits) > 8:
        raise EpisodeError(
            f"a picture must have 8 bits a channel and be grey or RGB, got {opened.format} of {opened.mode}, {max(bits)} bits. "
            "Bring it to 0..255 yourself and save it as PNG."
        )
    return opened.convert("RGB")


def _notes(opened: Image.Image) -> list[str]:
    notes = []
    if (frames := getattr(opened, "n_frames", 1)) > 1 and opened.format != "MPO":
        notes.append(f"the first of its {frames} frames")
        opened.seek(0)
    if "A" in opened.getbands() or "transparency" in opened.info:
        clearest = opened.convert("RGBA").getchannel("A").getextrema()[0]
        notes += ["transparency dropped: the colours stored under it are shown"] if clearest != 255 else []
    if opened.mode in ("1", "L", "LA"):
        notes.append("grey shown as three equal colours")
    return notes
