"""Frames of video files: one decoder per camera that goes on where it was, and seeks to a key frame where it must.

A video is decoded forwards only: the next frame costs one decoding, any other up to a whole group of pictures. Several
episodes may lie in one file, so a decoder belongs to a camera of a dataset and not to an episode.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError

from octoscope.array_typing import Float, UInt8
from octoscope.episodes.frames.display_matrix import display_turn, turn_frame
from octoscope.episodes.frames.frames import Frames
from octoscope.errors import EpisodeError

# Seconds ahead from which on a key frame is looked for, instead of decoding all that lies between.
_WORTH_A_SEEK = 2.0
# Their files tell the time of every frame without decoding. Others (VP8 with its invisible frames, MPEG-4 in AVI) have to be decoded.
_PLAIN_CODECS = ("h264", "hevc", "av1", "libdav1d", "vp9", "mjpeg")
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")


@dataclass
class _Place:
    """An open file, and the last two frames that were decoded from it."""

    path: Path
    container: InputContainer
    decoded: Iterator[av.VideoFrame]
    before: av.VideoFrame | None = None
    current: av.VideoFrame | None = None


@dataclass
class VideoDecoder:
    """Decodes the frames of one camera, from one file at a time, which stays open."""

    _place: _Place | None = field(default=None, repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def frame_at(self, path: Path, time: float, *, tolerance: float) -> av.VideoFrame:
        """Returns the frame that is shown nearest to a time.

        Args:
          path: The file.
          time: Seconds, as the file counts them.
          tolerance: How far the frame may be from it, in seconds.

        Raises:
          EpisodeError: If the file cannot be read, or shows nothing at that time.
        """
        with self._lock:
            try:
                return self._frame_at(path, time, tolerance)
            except (FFmpegError, OSError, ValueError) as error:
                self._close()
                raise EpisodeError(
                    f"{path}: the video cannot be decoded ({error}). Copy or download it again."
                ) from error

    def __getstate__(self) -> dict[str, Any]:
        """Returns what another process needs, which opens the file anew."""
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Begins without an open file."""
        self._place, self._lock = None, threading.Lock()

    def _frame_at(self, path: Path, time: float, tolerance: float) -> av.VideoFrame:
        place = self._place
        if place is None or place.path != path or not _is_ahead(place, time):
            place = self._open(path, time)
        self._place = place
        while place.current is None or _time(place.current) < time:
            following = next(place.decoded, None)
            if following is None:
                break
            if following.pts is not None:
                place.before, place.current = place.current, following
        near = [frame for frame in (place.before, place.current) if frame is not None]
        nearest = min(near, key=lambda frame: abs(_time(frame) - time), default=None)
        if nearest is None or abs(_time(nearest) - time) > tolerance:
            last = f"the nearest is at {_time(nearest):.3f} s" if nearest is not None else "it shows nothing"
            self._close()
            raise EpisodeError(
                f"{path}: there is no frame at {time:.3f} s, {last}. The file is cut short or belongs to another dataset: "
                "copy or download it again."
            )
        return nearest

    def _open(self, path: Path, time: float) -> _Place:
        """Returns the file, about to decode from the last key frame before a time."""
        if self._place is not None and self._place.path == path:
            container = self._place.container
        else:
            self._close()
            container = _open_video(path)
        stream = container.streams.video[0]
        container.seek(int(time / _time_base(stream)), stream=stream)
        place = _Place(path, container, container.decode(stream))
        first = next(place.decoded, None)
        if first is None or first.pts is None or _time(first) > time:
            # Some containers find the key frame after the time: then from the beginning.
            container.seek(min(0, stream.start_time or 0), stream=stream)
            place = _Place(path, container, container.decode(stream))
        else:
            place.current = first
        return place

    def _close(self) -> None:
        if self._place is not None:
            self._place.container.close()
        self._place = None


def _is_ahead(place: _Place, time: float) -> bool:
    """Returns whether decoding on finds the frame of that time, and soon."""
    earliest = place.before or place.current
    return earliest is not None and 0 <= time - _time(earliest) + 1e-9 <= _WORTH_A_SEEK


def _open_video(path: Path) -> InputContainer:
    """Returns the opened file.

    Raises:
      EpisodeError: If it is missing, no video, or has no pictures.
    """
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError, ValueError) as error:
        raise EpisodeError(f"{path}: cannot be opened as a video ({error}). Check that it was copied whole.") from error
    if not container.streams.video:
        container.close()
        raise EpisodeError(
            f"{path}: holds no pictures, only {', '.join(s.type for s in container.streams) or 'nothing'}."
        )
    container.streams.video[0].thread_type = "AUTO"
    return container


def video_frames(
    decoder: VideoDecoder,
    path: Path,
    times: Float[np.ndarray, " time"],
    *,
    size: tuple[int, int],
    tolerance: float,
    upright: bool = False,
) -> Frames:
    """Returns the frames that a video shows at some times.

    Args:
      decoder: Of this camera; may serve other episodes as well.
      path: The file.
      times: In seconds, as the file counts them.
      size: Height and width of a frame as it is given, see `video_size`.
      tolerance: How far a frame may be from its time, in seconds.
      upright: Turn frames as the file says they are to be shown.
    """
    return Frames(_VideoReader(decoder, path, times, tolerance, upright, size), shape=(len(times), *size, 3))


@dataclass(frozen=True, eq=False)
class _VideoReader:
    decoder: VideoDecoder
    path: Path
    times: Float[np.ndarray, " time"]
    tolerance: float
    upright: bool
    size: tuple[int, int]

    def __call__(self, start: int, stop: int) -> UInt8[np.ndarray, "frame height width 3"]:
        frames = [self._frame(float(time)) for time in self.times[start:stop]]
        return np.stack(frames)

    def _frame(self, time: float) -> UInt8[np.ndarray, "height width 3"]:
        decoded = self.decoder.frame_at(self.path, time, tolerance=self.tolerance)
        pixels = decoded.to_ndarray(format="rgb24")
        frame = turn_frame(pixels, display_turn(decoded, self.path)) if self.upright else pixels
        if frame.shape[:2] != self.size:
            raise EpisodeError(
                f"{self.path}: a frame of {frame.shape[:2]} at {time:.3f} s, where the others have {self.size} (height, width). "
                "Encode the video again in one size."
            )
        return frame


def video_size(path: Path, *, upright: bool = False) -> tuple[int, int]:
    """Returns height and width of the first frame, turned as the file says if `upright`.

    Raises:
      EpisodeError: If the file shows nothing.
    """
    with _open_video(path) as container:
        try:
            first = next(container.decode(video=0), None)
        except (FFmpegError, OSError, ValueError) as error:
            raise EpisodeError(f"{path}: the video cannot be decoded ({error}). Copy or download it again.") from error
        if first is None:
            raise EpisodeError(f"{path}: the video shows nothing. Copy or download it again.")
        turned = upright and display_turn(first, path).transposed
        return (first.width, first.height) if turned else (first.height, first.width)


def video_times(path: Path) -> Float[np.ndarray, " time"]:
    """Returns when each frame is shown, in order, as the file counts seconds; of most codecs without decoding.

    Raises:
      EpisodeError: If it cannot be read, or its frames have no times of their own.
    """
    with _open_video(path) as container:
        stream = container.streams.video[0]
        try:
            # AVI has no times of frames, only an order of packets.
            plain = stream.codec_context.name in _PLAIN_CODECS and container.format.name != "avi"
            ticks = _packet_ticks(container, stream) if plain else None
            if ticks is None:
                container.seek(min(0, stream.start_time or 0), stream=stream)
                ticks = [frame.pts for frame in container.decode(stream)]
        except (FFmpegError, OSError, ValueError) as error:
            raise EpisodeError(f"{path}: the video cannot be read ({error}). Copy or download it again.") from error
        if not ticks or None in ticks or len(set(ticks)) < len(ticks):
            raise EpisodeError(
                f"{path}: its {len(ticks)} frames have no times of their own. Encode it again: ffmpeg -i {path.name} again.mp4"
            )
        return np.sort(np.array(ticks, np.float64)) * _time_base(stream)


def _packet_ticks(container: InputContainer, stream: Any) -> list[int] | None:
    """Returns the times of the packets that are shown; None where they do not tell."""
    packets = [packet for packet in container.demux(stream) if packet.size]
    if any(packet.pts is None or packet.is_corrupt for packet in packets):
        return None
    shown = [packet.pts for packet in packets if not packet.is_discard]
    return shown if shown and len(set(shown)) == len(shown) else None


def _time(frame: av.VideoFrame) -> float:
    assert frame.pts is not None, "frames without a time are passed over"
    assert frame.time_base is not None, "what was decoded from a file has the file's"
    return float(frame.pts * frame.time_base)


def _time_base(stream: Any) -> float:
    return float(stream.time_base or Fraction(1, av.time_base))
