"""The folder of pictures and the film of one run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from octoscope.attention.maps import captured_spans
from octoscope.attention.query import QueryRow, find_query
from octoscope.errors import OutputError, SelectionError, nearest
from octoscope.notebook import shows_progress
from octoscope.render.background_writer import BackgroundWriter
from octoscope.render.film import FilmWriter, write_gif
from octoscope.render.image_file import write_jpeg, write_png
from octoscope.render.sheet_page import render_sheet
from octoscope.render.view import save_view
from octoscope.runs.run import Run
from octoscope.user_path import user_path
from octoscope.views.attention_film import attention_film
from octoscope.views.attention_sheet import attention_sheet, check_heads, check_layers
from octoscope.views.weight_scale import weight_scales

SHEETS = "attention_results"
FILM = "attention_video"
# How the files of sheets end, by the name of the format.
PICTURE_FORMATS = {"png": ".png", "jpeg": ".jpg", "svg": ".svg", "pdf": ".pdf"}
# Packing pixels leaves the interpreter free; matplotlib does not, and is not made for several threads.
_PIXEL_WRITERS = {"png": write_png, "jpeg": write_jpeg}


def film_cameras(run: Run, camera: str | None = None) -> dict[str, str]:
    """Returns the camera that each film shows, by the film's name without its suffix.

    Raises:
      SelectionError: If the camera does not exist, or the run holds no attention to any patch.
    """
    cameras = list(dict.fromkeys(name for name, _ in captured_spans(run.layout, run.key_groups, camera)))
    return {FILM if shown == cameras[0] else f"{FILM}_{shown}": shown for shown in cameras}


def write_attention_results(
    run: Run,
    folder: str | Path,
    *,
    query: str | QueryRow | None = None,
    layers: Sequence[int] | None = None,
    camera: str | None = None,
    heads: Sequence[int] | None = None,
    fps: float = 3.0,
    codec: str = "h264",
    gif: bool = False,
    picture_format: str = "png",
    scale: str = "even",
    progress: bool | None = None,
) -> None:
    """Writes `attention_results/step_S_layer_L.png` for every step and layer, and `attention_video.mp4` in step order.

    The film shows the first camera; each further camera gets its own, `attention_video_CAMERA.mp4`.

    Args:
      run: The run.
      folder: Made when missing; must not hold `attention_results` yet.
      query: Whose attention: a group, "GROUP:TOKEN" or "word:WORD"; the first readout by default.
      layers: Only these; all by default.
      camera: Only this one; all by default.
      heads: Only these; all by default.
      fps: Steps shown per second.
      codec: "h264", "vp9" or "av1".
      gif: Also write `attention_video.gif`.
      picture_format: Of the sheets: "png"; "jpeg", written in a third of the time, colours a few levels off; "svg" or "pdf".
      scale: How weights become colours: "even", "linear", "log" or "tile", see `WeightScale`.
      progress: Show a progress bar; in notebooks alone by default.

    Raises:
      SelectionError: If the query, a layer, the camera, a head, the format or the scale does not exist.
      OutputError: If a file cannot be written.
    """
    if picture_format not in PICTURE_FORMATS:
        raise SelectionError(
            f"`picture_format` must be one of {', '.join(PICTURE_FORMATS)}, got '{picture_format}'."
            + nearest(picture_format, PICTURE_FORMATS)
        )
    folder = user_path(folder)
    suffix = PICTURE_FORMATS[picture_format]
    row = find_query(run.layout, query)
    layers, heads = check_layers(run, layers), check_heads(run, heads)
    scales = weight_scales(run, row, kind=scale, layers=layers, camera=camera)
    films = film_cameras(run, camera)
    try:
        (folder / SHEETS).mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{folder / SHEETS} cannot be made ({error.strerror}). Give a folder without one.") from None
    with tqdm(
        total=len(run.steps) * (len(layers) + len(films)),
        desc="draw",
        unit="picture",
        disable=not shows_progress(progress),
    ) as bar:
        with BackgroundWriter() as writer:
            for step in run.steps:
                for layer in layers:
                    sheet = attention_sheet(
                        run, step=step, layer=layer, query=row, camera=camera, heads=heads, scale=scales[layer]
                    )
                    path = folder / SHEETS / f"step_{step}_layer_{layer}{suffix}"
                    if picture_format in _PIXEL_WRITERS:
                        writer.submit(_PIXEL_WRITERS[picture_format], path, render_sheet(sheet))
                    else:
                        save_view(sheet, path)
                    bar.update()
        for name, shown in films.items():
            shown_film = attention_film(run, query=row, layers=layers, camera=shown, heads=heads, scale=scale)
            kept: list[np.ndarray] = []
            with FilmWriter(folder / f"{name}.mp4", fps=fps, codec=codec) as film, BackgroundWriter() as writer:
                for frame in map(render_sheet, shown_film.frames):
                    writer.submit(film.write, frame)
                    kept += [frame] if gif else []
                    bar.update()
            if gif:
                write_gif(folder / f"{name}.gif", kept, fps=fps)
