"""Films, one frame a step: MP4 or WebM that plays in a browser, and GIF."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import OutputContainer
from PIL import Image

from octoscope.array_typing import Int, UInt8
from octoscope.errors import OutputError, nearest
from octoscope.render.atomic_path import atomic_path
from octoscope.render.palette import PAPER

# Name of the encoder, and what it is told.
_ENCODERS: Mapping[str, tuple[str, dict[str, str]]] = {
    "h264": ("libx264", {"preset": "veryfast", "crf": "20"}),
    "vp9": ("libvpx-vp9", {"crf": "28", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}),
    "av1": ("libsvtav1", {"preset": "9", "crf": "30"}),
}
CODECS = tuple(_ENCODERS)
# Code points of ITU-T H.273: BT.709 primaries, transfer and matrix; the range 16..235.
_BT709 = 1
_LIMITED_RANGE = 1
_CONTAINERS = {".mp4": "mp4", ".webm": "webm"}


class FilmWriter:
    """Writes frames one by one into a film that appears at `path` when the block ends.

    Every frame stays on screen for `1 / fps` seconds, so a film of `n` frames lasts `n / fps` seconds. Colours are converted and tagged
    as BT.709, which browsers show as they were. Colour is stored at half the resolution (yuv420p), because browsers play
    nothing else everywhere: single-pixel coloured lines get softer, cells do not. Sides of odd length get a line of paper white.

    When the block raises, no film is left and an earlier one at `path` stays as it was.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with FilmWriter(f"{folder}/film.mp4", fps=3) as film:
    ...         for level in (0, 128, 255):
    ...             film.write(np.full((32, 48, 3), level, np.uint8))
    ...     with av.open(f"{folder}/film.mp4") as opened:
    ...         opened.streams.video[0].frames
    3
    """

    def __init__(self, path: str | Path, *, fps: float | int, codec: str = "h264") -> None:
        """Checks the settings; nothing is written before the first frame.

        Args:
          path: Ends in ".mp4", or in ".webm" for vp9 and av1; its folder must exist.
          fps: Frames a second, above 0; 2 to 5 suit one frame a step.
          codec: "h264" plays everywhere; "vp9" and "av1" are free of patent claims, "av1" gives the smallest files.

        Raises:
          ValueError: If `fps` is not above 0.
          OutputError: If the codec or the ending is unknown, or they do not go together.
        """
        if not (np.isfinite(fps) and fps > 0):
            raise ValueError(f"`fps` must be above 0, got {fps}.")
        if codec not in _ENCODERS:
            raise OutputError(f"The codec must be one of {', '.join(CODECS)}, got '{codec}'.{nearest(codec, CODECS)}")
        container = _CONTAINERS.get(Path(path).suffix.lower())
        if container is None or (container == "webm" and codec == "h264"):
            endings = ".mp4" if codec == "h264" else ".mp4 or .webm"
            raise OutputError(f"A film with codec {codec} must be named *{endings}, got '{Path(path).name}'.")
        self._path = Path(path)
        self._container_format = container
        self._rate = Fraction(fps).limit_denominator(1000)
        self._codec = codec
        self._stack = contextlib.ExitStack()
        self._container: OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._frame_shape: tuple[int, ...] = ()
        self._frames = 0

    def __enter__(self) -> "FilmWriter":
        """Opens the film under a temporary name in the same folder."""
        # The index goes to the front, so that a browser can start and seek before it has the whole file.
        options = {"movflags": "+faststart"} if self._container_format == "mp4" else {}
        with contextlib.ExitStack() as stack:
            part = stack.enter_context(atomic_path(self._path))
            container = av.open(str(part), "w", format=self._container_format, options=options)
            self._container = stack.enter_context(container)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Finishes the film; after an error, removes what was written."""
        if error is None:
            with self._stack:
                self._finish()
        else:
            self._stack.__exit__(kind, error, traceback)

    def write(self, frame: UInt8[np.ndarray, "height width 3"]) -> None:
        """Appends a frame.

        Args:
          frame: RGB, 0..255; as large as the first one.

        Raises:
          ValueError: If the size differs from the first frame's.
        """
        if self._stream is None:
            self._frame_shape = frame.shape
            self._stream = self._open_stream(*_evened(frame).shape[:2])
        if frame.shape != self._frame_shape:
            height, width = self._frame_shape[:2]
            raise ValueError(
                f"`frame` must be {width} x {height} like the first, got {frame.shape[1]} x {frame.shape[0]}."
            )
        picture = av.VideoFrame.from_ndarray(_evened(frame), format="rgb24").reformat(
            format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE
        )
        picture.pts, picture.time_base, picture.duration = self._frames, 1 / self._rate, 1
        self._frames += 1
        self._mux(picture)

    def _open_stream(self, height: int, width: int) -> av.VideoStream:
        assert self._container is not None, "frames are written inside the `with` block"
        encoder, options = _ENCODERS[self._codec]
        # SVT-AV1 writes a page about itself to stderr, and listens to nothing but this variable: 1 is "errors only".
        os.environ.setdefault("SVT_LOG", "1")
        stream = self._container.add_stream(encoder, rate=self._rate, options=dict(options))
        assert isinstance(stream, av.VideoStream), "every encoder here is one of video"
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self._rate
        # Without these tags a browser guesses the matrix from the size of the picture, and small films turn reddish.
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        return stream

    def _mux(self, picture: av.VideoFrame | None) -> None:
        assert self._container is not None, "frames are written inside the `with` block"
        assert self._stream is not None, "the stream is opened by the first frame"
        for packet in self._stream.encode(picture):
            # Encoders forget durations on the way, and without its own the last frame of the film would flash by.
            packet.duration = packet.duration or 1
            self._container.mux(packet)

    def _finish(self) -> None:
        if self._frames == 0:
            raise OutputError(f"Cannot write {self._path}: a film needs at least one frame. Check the steps asked for.")
        self._mux(None)


def write_gif(path: str | Path, frames: Sequence[UInt8[np.ndarray, "height width 3"]], *, fps: float | int) -> None:
    """Writes an endless GIF; for places that show no video, and larger than one.

    All frames share one palette of 255 colours, taken from the whole film, and no dithering is used: a colour stays the same from
    frame to frame. Equal frames in a row are stored as one that stays longer. GIF counts time in hundredths of a second, so
    frames may differ by that much; the whole film is as long as asked.

    Args:
      path: Of the file; its folder must exist.
      frames: RGB, 0..255, all of one size.
      fps: Frames a second, above 0 and at most 50.

    Raises:
      ValueError: If there is no frame, or `fps` is out of range.
      OutputError: If the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_gif(f"{folder}/film.gif", [np.full((8, 8, 3), level, np.uint8) for level in (0, 255)], fps=2)
    ...     with Image.open(f"{folder}/film.gif") as opened:
    ...         opened.n_frames
    2
    """
    if not frames:
        raise ValueError("`frames` must hold at least one frame, got none.")
    if not 0 < fps <= 50:
        raise ValueError(f"`fps` must be above 0 and at most 50, got {fps}.")
    palette = _shared_palette(frames)
    pictures = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    ends = np.rint(np.arange(len(frames) + 1) * 100 / fps).astype(int)
    durations = [int(hundredths) * 10 for hundredths in np.diff(ends)]
    with atomic_path(path) as part:
        pictures[0].save(
            part, format="GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False
        )


def _shared_palette(frames: Sequence[UInt8[np.ndarray, "height width 3"]]) -> Image.Image:
    # Half of the palette goes by area, which gets paper and scene right. The other half counts every colour once, however rare: by
    # area alone the few hot cells of a film would be merged into its greys.
    sampled = np.concatenate([frame[::3, ::3].reshape(-1, 3) for frame in frames])
    distinct = np.unique(np.concatenate([_distinct_colors(frame) for frame in frames]))
    rare = np.stack([distinct >> 16, (distinct >> 8) & 255, distinct & 255], axis=-1).astype(np.uint8)
    palette = Image.new("P", (1, 1))
    by_area = _palette_of(sampled, 128, method=Image.Quantize.MEDIANCUT)
    by_range = _palette_of(rare, 127, method=Image.Quantize.MAXCOVERAGE)
    palette.putpalette([*by_area, *by_range])
    return palette


def _palette_of(colors: UInt8[np.ndarray, "color 3"], count: int, *, method: Image.Quantize) -> list[int]:
    # One round of k-means halves the worst error of hot cells, from 31 levels to 16 on a film of 6 layers and 6 heads.
    palette = Image.fromarray(colors[None]).quantize(count, method=method, kmeans=1).getpalette()
    assert palette is not None, "a quantized image has a palette"
    return palette[: 3 * count]


def _distinct_colors(frame: UInt8[np.ndarray, "height width 3"]) -> Int[np.ndarray, " color"]:
    # In steps of 4: finer ones would let the noise of the photo outnumber the heat.
    red, green, blue = (frame[..., channel].astype(np.int64) & 0xFC for channel in range(3))
    return np.unique(red << 16 | green << 8 | blue)


def _evened(frame: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "even_height even_width 3"]:
    height, width = frame.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return np.ascontiguousarray(frame)
    even = np.full((height + height % 2, width + width % 2, 3), PAPER, np.uint8)
    even[:height, :width] = frame
    return even
