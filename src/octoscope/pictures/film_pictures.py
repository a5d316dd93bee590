"""What FiLM does to feature maps: scale and shift of the channels it moves most, their maps before and after, two instructions compared."""

from collections.abc import Sequence

import numpy as np

from octoscope.array_typing import Float, UInt8
from octoscope.encodings.film import FilmEffect, FilmPair
from octoscope.pictures.attention_sheet import describe_run
from octoscope.render.color_scale import ColorScale
from octoscope.render.heat_panel import render_heat_panel
from octoscope.render.map_tile import render_map_tile
from octoscope.render.panel_page import render_panel_page
from octoscope.runs.run import Run

_NAMED, _DRAWN, _COLUMNS = 18, 9, 3
_CAUTION = "What FiLM changes need not reach the action: removing it is the test."


def render_film(run: Run, effect: FilmEffect) -> UInt8[np.ndarray, "height width 3"]:
    """Draws what one FiLM layer does at one step.

    The grid: scale, shift and movement of the channels that are moved most, strongest first; the feature map of a channel becomes
    before * (1 + scale) + shift, and movement is the root mean square of that change over the map. Below, for the nine strongest, the
    map before and after, on one scale for the two, and the change.

    Args:
      run: Where it is from, for the title.
      effect: From `film_effect`.
    """
    strongest = effect.strongest[:_NAMED].tolist()
    numbers = np.stack([effect.scale, effect.shift, effect.moved])[:, strongest]
    tiles: list[np.ndarray] = []
    for channel in effect.strongest[:_DRAWN]:
        before, after = effect.before[..., channel], effect.after[..., channel]
        tiles.append(_three_maps(before, after, (f"channel {channel}: before", "after", "change")))
    return render_panel_page(
        [*_head(numbers, ("scale", "shift", "movement"), strongest), *tiles],
        title=f"FiLM {effect.layer}: what the instruction does to the image encoder, step {effect.step}",
        subtitle=[
            *describe_run(run),
            f"all changes together: {effect.moved_part:.0%} of the size of the feature maps (root mean squares); "
            f"{len(effect.scale)} channels, the strongest first",
        ],
        footnote=f"A channel becomes before * (1 + scale) + shift. Before and after on one scale, changes each on their own. {_CAUTION}",
        columns=_COLUMNS,
    )


def render_film_pair(
    first: Run, second: Run, pair: FilmPair, *, names: Sequence[str] | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws what one FiLM layer does differently under two instructions, for the channels that differ most.

    The grid: how much scale and shift change from the first instruction to the second, and the root mean square of the difference between
    the two maps. Below, for the nine strongest, the map under each on one scale, and the difference.

    Args:
      first: The run of one instruction.
      second: That of the other.
      pair: From `compare_film`.
      names: What the two are called; their instructions by default.
    """
    names = names or [_told(run) for run in (first, second)]
    strongest = pair.strongest[:_NAMED].tolist()
    numbers = np.stack([pair.scale_change, pair.shift_change, pair.moved])[:, strongest]
    tiles: list[np.ndarray] = []
    for channel in pair.strongest[:_DRAWN]:
        a, b = pair.first.after[..., channel], pair.second.after[..., channel]
        tiles.append(_three_maps(a, b, (f"channel {channel}: first", "second", "difference")))
    return render_panel_page(
        [*_head(numbers, ("scale change", "shift change", "difference"), strongest), *tiles],
        title=f"FiLM {pair.first.layer} under two instructions, step {pair.first.step}",
        subtitle=[*describe_run(first), f"first: {names[0]}; second: {names[1]}"],
        footnote=f"Maps after FiLM; first and second on one scale, differences each on their own. {_CAUTION}",
        columns=_COLUMNS,
    )


def _told(run: Run) -> str:
    return f'"{run.manifest["instruction"]}"' if run.manifest["instruction"] else "an encoding without words"


def _head(
    numbers: Float[np.ndarray, "kind channel"], kinds: Sequence[str], channels: Sequence[int]
) -> list[UInt8[np.ndarray, "height width 3"]]:
    """Returns the grid of numbers, cut into panels that fill one row of the page."""
    share = -(-len(channels) // _COLUMNS)
    parts = [range(start, min(start + share, len(channels))) for start in range(0, len(channels), share)]
    scale = _around([numbers])
    panels: list[np.ndarray] = []
    for part in parts:
        panels.append(
            render_heat_panel(
                numbers[:, part],
                title="strongest channels" if part.start == 0 else "further ones",
                row_labels=list(kinds),
                column_labels=[str(channels[place]) for place in part],
                row_name="",
                column_name="",
                scale=scale,
            )
        )
    return panels + [np.full((1, 1, 3), 255, np.uint8)] * (_COLUMNS - len(panels))


def _three_maps(
    first: Float[np.ndarray, "row column"], second: Float[np.ndarray, "row column"], titles: tuple[str, str, str]
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns two maps on one scale and their difference on its own, side by side."""
    scale, difference = _around([first, second]), second - first
    tiles = [
        render_map_tile(first, title=titles[0], scale=scale),
        render_map_tile(second, title=titles[1], scale=scale),
        render_map_tile(difference, title=titles[2], scale=_around([difference])),
    ]
    gap = np.full((tiles[0].shape[0], 10, 3), 255, np.uint8)
    return np.concatenate([tiles[0], gap, tiles[1], gap, tiles[2]], axis=1)


def _around(maps: Sequence[Float[np.ndarray, "..."]]) -> ColorScale:
    """Returns the scale from the lowest to the highest value of all, which differ by something."""
    low, high = min(float(part.min()) for part in maps), max(float(part.max()) for part in maps)
    return ColorScale(vmin=low, vmax=high if high > low else low + 1.0, cmap="viridis")
