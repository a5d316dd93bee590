import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from films import COUNT, HEIGHT, WIDTH, write_video

from octoscope.episodes.frames.frames import Frames
from octoscope.episodes.frames.video import VideoDecoder, video_frames, video_size, video_times
from octoscope.errors import EpisodeError

QUARTER = 1 << 16


def open_frames(path: Path) -> Frames:
    size = video_size(path, upright=True)
    return video_frames(VideoDecoder(), path, video_times(path), size=size, tolerance=1e-3, upright=True)


CODECS = [
    ("h264", "yuv420p", "film.mp4"),
    ("h264", "yuv420p10le", "film.mkv"),
    ("libvpx-vp9", "yuva420p", "film.webm"),
    ("libvpx", "yuv420p", "film.webm"),
    ("mpeg4", "yuv420p", "film.avi"),
    ("mjpeg", "yuvj420p", "film.mov"),
]


@pytest.mark.parametrize(("codec", "pixels", "name"), CODECS)
def test_every_frame_is_found_in_any_order(tmp_path: Path, codec: str, pixels: str, name: str) -> None:
    path = write_video(tmp_path / name, codec=codec, pixels=pixels)
    whole = np.asarray(open_frames(path))
    assert whole.shape == (COUNT, HEIGHT, WIDTH, 3)
    assert np.abs(whole[:, 36, 10, 1].astype(int) - 20 * np.arange(COUNT)).max() < 6
    assert np.abs(whole[:, 10, 50].astype(int) - [255, 0, 0]).max() < 12
    scattered = open_frames(path)
    for index in (11, 0, 7, 3, 4, 2, 10, 1):
        np.testing.assert_array_equal(scattered[index], whole[index])


def test_a_variable_frame_rate_keeps_its_frames_and_sound_is_passed_over(tmp_path: Path) -> None:
    times = [0, 10, 500, 510, 520, 3000, 3010, 3500, 6000, 6010, 6020, 9000]
    path = write_video(tmp_path / "film.mkv", times=times, audio=True)
    np.testing.assert_allclose(video_times(path) - video_times(path)[0], np.array(times) / 1000, atol=2e-3)
    frames = open_frames(path)
    assert np.abs(frames[[11, 2, 7]][:, 36, 10, 1].astype(int) - [220, 40, 140]).max() < 6


# Of a phone held upright, and mirrored: a, b, c, d of the display matrix, and what becomes of rows and columns.
TURNS = {
    "quarter": ((0, 1, -1, 0), lambda frames: np.rot90(frames, -1, (1, 2))),
    "half": ((-1, 0, 0, -1), lambda frames: frames[:, ::-1, ::-1]),
    "three quarters": ((0, -1, 1, 0), lambda frames: np.rot90(frames, 1, (1, 2))),
    "mirrored": ((-1, 0, 0, 1), lambda frames: frames[:, :, ::-1]),
}


def write_turned(path: Path, matrix: tuple[int, ...]) -> Path:
    """Writes the film with a display matrix into its track header, as phones do."""
    content = bytearray(write_video(path).read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (QUARTER * part for part in matrix)
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(content))
    return path


@pytest.mark.parametrize("name", TURNS)
def test_phones_films_stand_upright(tmp_path: Path, name: str) -> None:
    matrix, turn = TURNS[name]
    lying = np.asarray(open_frames(write_video(tmp_path / "lying.mp4")))
    path = write_turned(tmp_path / "upright.mp4", matrix)
    np.testing.assert_array_equal(np.asarray(open_frames(path)), turn(lying))
    size = video_size(path)
    as_coded = video_frames(VideoDecoder(), path, video_times(path), size=size, tolerance=1e-3)
    np.testing.assert_array_equal(np.asarray(as_coded), lying)


def test_an_odd_angle_is_refused(tmp_path: Path) -> None:
    content = bytearray(write_video(tmp_path / "film.mp4").read_bytes())
    start = content.index(b"tkhd") + 44
    content[start : start + 36] = struct.pack(">9i", 46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30)
    (tmp_path / "film.mp4").write_bytes(bytes(content))
    with pytest.raises(EpisodeError, match="turned by an odd angle"):
        open_frames(tmp_path / "film.mp4")


def test_one_decoder_serves_several_files_and_travels(tmp_path: Path) -> None:
    first, second = write_video(tmp_path / "a.mp4"), write_video(tmp_path / "b.mp4", pixels="yuv444p")
    decoder = VideoDecoder()
    films = [
        video_frames(decoder, path, video_times(path), size=(HEIGHT, WIDTH), tolerance=1e-3) for path in (first, second)
    ]
    for index in (0, 5, 6):
        for film, path in zip(films, (first, second), strict=True):
            np.testing.assert_array_equal(film[index], open_frames(path)[index])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(films[0]))[3], films[0][3])


def test_what_is_no_film(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4")
    frames = video_frames(VideoDecoder(), path, np.array([0.0, 5.0]), size=(HEIGHT, WIDTH), tolerance=0.05)
    with pytest.raises(EpisodeError, match=r"film.mp4: there is no frame at 5.000 s, the nearest is at 1.100 s"):
        frames[1]
    assert frames[0].shape == (HEIGHT, WIDTH, 3)
    small = video_frames(VideoDecoder(), path, np.array([0.0]), size=(4, 4), tolerance=0.05)
    with pytest.raises(EpisodeError, match=r"a frame of \(48, 64\) at 0.000 s, where the others have \(4, 4\)"):
        small[0]
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(EpisodeError, match=r"text.mp4: cannot be opened as a video"):
        video_times(tmp_path / "text.mp4")
    with pytest.raises(EpisodeError, match=r"gone.mp4: cannot be opened as a video"):
        video_size(tmp_path / "gone.mp4")
    (tmp_path / "cut.mp4").write_bytes(path.read_bytes()[:1500])
    with pytest.raises(EpisodeError, match=r"cut.mp4"):
        video_times(tmp_path / "cut.mp4")
