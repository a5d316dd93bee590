"""What FiLM does to feature maps: scale and shift of the channels it moves most, their maps before and after, two instructions compared."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from octoscope.array_typing import Float, UInt8
from octoscope.encodings.film_conditioning import FilmEffect, FilmPair
from octoscope.pictures.attention_sheet import describe_run
from octoscope.render.color_scale import ColorScale
from octoscope.render.heat_panel import render_heat_panel
from octoscope.render.lettering import draw_text, line_height
from octoscope.render.map_tile import render_map_tile
from octoscope.render.palette import PAPER
from octoscope.render.panel_page import render_panel_page
from octoscope.render.photo import resize_photo
from octoscope.runs.run import Run

_NAMED, _DRAWN, _COLUMNS, _FRAME, _LABEL = 10, 9, 3, 132, 12
_CAUTION = "What FiLM changes need not reach the action: removing it is the test."
_COLORS = (
    "Blue is below 0, brown above, pale is 0; what has no sign goes from dark to bright. "
    "Frames: the current one of each camera of this encoder, as recorded."
)


def render_film(run: Run, effect: FilmEffect) -> UInt8[np.ndarray, "height width 3"]:
    """Draws what one FiLM layer does at one step.

    The grids: scale and shift of the ten channels that are moved most, strongest first, in colours centred on 0; and their movement. The
    feature map of a channel becomes before * (1 + scale) + shift, and movement is the root mean square of that change over the map. Beside
    them the frame; below, for the nine strongest, the map before and after, on one scale for the two, and the change, centred on 0.

    Args:
      run: Where it is from, for the title.
      effect: From `film_effect`.
    """
    strongest = effect.strongest[:_NAMED].tolist()
    signed, sizes = np.stack([effect.scale, effect.shift])[:, strongest], effect.moved[None, strongest]
    tiles: list[np.ndarray] = [_frames(run, effect.layer, effect.step)]
    for channel in effect.strongest[:_DRAWN]:
        before, after = effect.before[..., channel], effect.after[..., channel]
        tiles.append(_three_maps(before, after, (f"channel {channel}: before", "after", "change")))
    return render_panel_page(
        [*_head(signed, ("scale", "shift"), sizes, "movement", strongest), *tiles],
        title=f"FiLM {effect.layer}: what the instruction does to the image encoder, step {effect.step}",
        subtitle=[
            *describe_run(run),
            f"all changes together: {effect.moved_part:.0%} of the size of the feature maps (root mean squares); "
            f"{len(effect.scale)} channels, the strongest first",
        ],
        footnote=f"A channel becomes before * (1 + scale) + shift. Before and after on one scale, changes each on their own. "
        f"{_COLORS} {_CAUTION}",
        columns=_COLUMNS,
    )


def render_film_pair(
    first: Run, second: Run, pair: FilmPair, *, names: Sequence[str] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws what one FiLM layer does differently under two instructions, for the channels that differ most.

    The grids: how much scale and shift change from the first instruction to the second, in colours centred on 0, and the root mean square
    of the difference between the two maps. Beside them the frame; below, for the nine strongest, the map under each on one scale, and the
    difference.

    Args:
      first: The run of one instruction.
      second: That of the other.
      pair: From `compare_film`.
      names: What the two are called; their instructions by default.
    """
    names = names or [_told(run) for run in (first, second)]
    strongest = pair.strongest[:_NAMED].tolist()
    signed, sizes = np.stack([pair.scale_change, pair.shift_change])[:, strongest], pair.moved[None, strongest]
    tiles: list[np.ndarray] = [_frames(first, pair.first.layer, pair.first.step)]
    for channel in pair.strongest[:_DRAWN]:
        a, b = pair.first.after[..., channel], pair.second.after[..., channel]
        tiles.append(_three_maps(a, b, (f"channel {channel}: first", "second", "difference")))
    return render_panel_page(
        [*_head(signed, ("scale change", "shift change"), sizes, "difference", strongest), *tiles],
        title=f"FiLM {pair.first.layer} under two instructions, step {pair.first.step}",
        subtitle=[*describe_run(first), f"first: {names[0]}; second: {names[1]}"],
        footnote=f"Maps after FiLM; first and second on one scale, differences each on their own. {_COLORS} {_CAUTION}",
        columns=_COLUMNS,
    )


def _told(run: Run) -> str:
    return f'"{run.manifest["instruction"]}"' if run.manifest["instruction"] else "an encoding without words"


def _head(
    signed: Float[np.ndarray, "kind channel"],
    kinds: Sequence[str],
    sizes: Float[np.ndarray, "1 channel"],
    size_name: str,
    channels: Sequence[int],
) -> list[UInt8[np.ndarray, "height width 3"]]:
    """Returns the two grids at the top of the page: what has a sign, and how much it comes to."""
    columns = [str(channel) for channel in channels]
    return [
        render_heat_panel(
            values,
            title=title,
            row_labels=list(rows),
            column_labels=columns,
            row_name="",
            column_name="",
            scale=scale,
        )
        for values, title, rows, scale in (
            (signed, "strongest channels", kinds, ColorScale.around_zero([signed])),
            (sizes, "root mean square", [size_name], ColorScale.spanning([sizes], cmap="viridis")),
        )
    ]


def _frames(run: Run, layer: str, step: int) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the current frame of every camera that the layer's encoder sees, side by side."""
    group = f"obs_{layer.rpartition('.')[0]}"
    span = next(span for span in reversed(run.layout.spans) if span.group == group)
    time = int(run.frame_index(step=step)[-1])
    held = [camera for camera in span.source.cameras if camera not in run.layout.unrecorded]
    tiles = []
    for camera in held:
        photo = resize_photo(run.frame(camera, time=time), _FRAME)
        line = line_height(_LABEL)
        canvas = Image.new("RGB", (max(photo.shape[1], _FRAME) + 10, _FRAME + line), PAPER)
        draw_text(canvas, (0, 0), f"{camera}, step {step}", size=_LABEL)
        canvas.paste(Image.fromarray(photo), (0, line))
        tiles.append(np.asarray(canvas))
    return np.concatenate(tiles, axis=1) if tiles else np.full((1, 1, 3), 255, np.uint8)


def _three_maps(
    first: Float[np.ndarray, "row column"], second: Float[np.ndarray, "row column"], titles: tuple[str, str, str]
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns two maps on one scale and their difference on its own, side by side."""
    scale, difference = _around([first, second]), second - first
    tiles = [
        render_map_tile(first, title=titles[0], scale=scale),
        render_map_tile(second, title=titles[1], scale=scale),
        render_map_tile(difference, title=titles[2], scale=ColorScale.around_zero([difference])),
    ]
    gap = np.full((tiles[0].shape[0], 10, 3), 255, np.uint8)
    return np.concatenate([tiles[0], gap, tiles[1], gap, tiles[2]], axis=1)


def _around(maps: Sequence[Float[np.ndarray, "..."]]) -> ColorScale:
    """Returns the scale from the lowest to the highest value of all, which differ by something."""
    low, high = min(float(part.min()) for part in maps), max(float(part.max()) for part in maps)
    return ColorScale(vmin=low, vmax=high if high > low else low + 1.0, cmap="viridis")
