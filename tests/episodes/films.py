"""Small films for tests."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH, COUNT = 48, 64, 12


def write_video(
    path: Path, *, codec: str = "h264", pixels: str = "yuv420p", times: list[int] | None = None, audio: bool = False
) -> Path:
    """Writes a film whose left half brightens by 20 levels of green a frame, its top red; times are in milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.codec_context.gop_size = 5
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if audio:
            container.add_stream("aac", rate=44100)
        for index in range(COUNT):
            picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            picture[: HEIGHT // 2, :, 0] = 255
            picture[:, : WIDTH // 2, 1] = 20 * index
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
