from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from octoscope.errors import OutputError
from octoscope.render.film import CODECS, FilmWriter, write_gif


def primaries() -> np.ndarray:
    """Red, green and blue side by side."""
    frame = np.zeros((64, 192, 3), np.uint8)
    for channel in range(3):
        frame[:, channel * 64 : channel * 64 + 64, channel] = 255
    return frame


def gray(level: int, height: int = 64, width: int = 96) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def write(path: Path, frames: list[np.ndarray], **settings) -> None:
    with FilmWriter(path, **settings) as film:
        for frame in frames:
            film.write(frame)


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as opened:
        return [frame.to_ndarray(format="rgb24") for frame in opened.decode(video=0)]


@pytest.mark.parametrize(("codec", "ending"), [("h264", "mp4"), ("vp9", "mp4"), ("vp9", "webm"), ("av1", "mp4")])
def test_red_green_and_blue_come_back(tmp_path: Path, codec: str, ending: str):
    path = tmp_path / f"film.{ending}"
    write(path, [primaries()] * 3, fps=3, codec=codec)
    frame = decoded(path)[-1].astype(int)
    for channel in range(3):
        expected = [255 * (channel == other) for other in range(3)]
        assert np.abs(frame[32, channel * 64 + 32] - expected).max() <= 6


def test_the_film_says_how_its_colours_are_meant(tmp_path: Path):
    write(tmp_path / "film.mp4", [primaries()], fps=3)
    with av.open(str(tmp_path / "film.mp4")) as opened:
        context = opened.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert context.pix_fmt == "yuv420p"


@pytest.mark.parametrize("fps", [2, 2.5, 5, 30])
def test_every_step_is_one_frame_in_order_and_as_long(tmp_path: Path, fps: float):
    path = tmp_path / "film.mp4"
    # Twelve steps: sorted as text, step 10 would come after step 1.
    write(path, [gray(20 * step) for step in range(12)], fps=fps)
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        assert stream.frames == 12
        assert float(stream.average_rate) == pytest.approx(fps, rel=1e-3)
        assert opened.duration / av.time_base == pytest.approx(12 / fps, abs=0.002)
        times = [float(frame.time) for frame in opened.decode(video=0)]
    assert times == pytest.approx([step / fps for step in range(12)], abs=0.002)
    levels = [float(frame.mean()) for frame in decoded(path)]
    assert levels == pytest.approx([20 * step for step in range(12)], abs=4)


@pytest.mark.parametrize("codec", CODECS)
def test_a_film_of_a_single_step_lasts_one_step(tmp_path: Path, codec: str):
    write(tmp_path / "film.mp4", [gray(90)], fps=2, codec=codec)
    with av.open(str(tmp_path / "film.mp4")) as opened:
        assert opened.duration / av.time_base == pytest.approx(0.5, abs=0.01)


def test_odd_sides_get_a_line_of_paper(tmp_path: Path):
    write(tmp_path / "film.mp4", [gray(0, 63, 95)], fps=2)
    (frame,) = decoded(tmp_path / "film.mp4")
    assert frame.shape == (64, 96, 3)
    assert frame[:60, :90].max() <= 8
    assert frame[63].mean() > 200


def test_the_index_stands_before_the_pictures(tmp_path: Path):
    write(tmp_path / "film.mp4", [gray(9)] * 3, fps=2)
    content = (tmp_path / "film.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_an_exception_leaves_the_earlier_film_and_nothing_else(tmp_path: Path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"earlier")
    with pytest.raises(ValueError, match="96 x 64 like the first, got 64 x 96"):
        write(path, [gray(0), gray(0, 96, 64)], fps=2)
    assert path.read_bytes() == b"earlier"
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]


def test_the_film_is_not_there_before_it_is_whole(tmp_path: Path):
    with FilmWriter(tmp_path / "film.mp4", fps=2) as film:
        film.write(gray(0))
        assert not (tmp_path / "film.mp4").exists()
    assert (tmp_path / "film.mp4").exists()


def test_a_film_without_frames_is_an_error(tmp_path: Path):
    with pytest.raises(OutputError, match="at least one frame"), FilmWriter(tmp_path / "film.mp4", fps=2):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "codec"), [("film.avi", "h264"), ("film.webm", "h264"), ("film", "av1")])
def test_endings_that_do_not_fit_are_refused(tmp_path: Path, name: str, codec: str):
    with pytest.raises(OutputError, match="must be named"):
        FilmWriter(tmp_path / name, fps=2, codec=codec)


def test_unknown_codec_offers_the_nearest(tmp_path: Path):
    with pytest.raises(OutputError, match="Did you mean 'h264'"):
        FilmWriter(tmp_path / "film.mp4", fps=2, codec="h265")


@pytest.mark.parametrize("fps", [0, -1.0, np.inf])
def test_a_film_that_stands_still_is_refused(tmp_path: Path, fps: float):
    with pytest.raises(ValueError, match="`fps` must be above 0"):
        FilmWriter(tmp_path / "film.mp4", fps=fps)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(OutputError, match="does not exist"), FilmWriter(tmp_path / "missing" / "film.mp4", fps=2):
        pass


def gif_frames(path: Path) -> tuple[list[np.ndarray], list[int]]:
    frames, durations = [], []
    with Image.open(path) as opened:
        for index in range(opened.n_frames):
            opened.seek(index)
            frames.append(np.asarray(opened.convert("RGB")).astype(int))
            durations.append(opened.info["duration"])
    return frames, durations


def test_gif_keeps_colours_order_and_length(tmp_path: Path):
    frames = [np.where(np.arange(192)[None, :, None] < 16 * step, np.uint8(255), primaries()) for step in range(12)]
    write_gif(tmp_path / "film.gif", frames, fps=3)
    shown, durations = gif_frames(tmp_path / "film.gif")
    assert len(shown) == 12
    assert sum(durations) == 4000
    for before, after in zip(frames, shown, strict=True):
        assert np.abs(before - after).max() <= 4


def test_gif_keeps_one_rare_hot_cell_and_white_paper(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 90, (120, 120, 1), dtype=np.uint8)
    frame = np.repeat(noise, 3, axis=-1)
    frame[:40] = 255
    frame[60:64, 60:64] = (252, 90, 20)
    write_gif(tmp_path / "film.gif", [frame], fps=2)
    (shown,), _ = gif_frames(tmp_path / "film.gif")
    assert np.abs(shown[62, 62] - (252, 90, 20)).max() <= 12
    assert shown[:40].min() >= 252


def test_gif_refuses_no_frames_and_too_many_a_second(tmp_path: Path):
    with pytest.raises(ValueError, match="at least one frame"):
        write_gif(tmp_path / "film.gif", [], fps=2)
    with pytest.raises(ValueError, match="at most 50"):
        write_gif(tmp_path / "film.gif", [gray(0)], fps=60)
