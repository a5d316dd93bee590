"""What removing each channel of an encoder does to the action: ranked per layer, beside other noise and beside a random other channel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from octoscope.array_typing import UInt8
from octoscope.cnn.stems.channel_effects import CHANNEL_FILLS, ChannelEffects
from octoscope.render.image_file import write_png
from octoscope.render.line_panel import Curve, render_line_panel
from octoscope.render.palette import INK, MARK, QUIET_INK
from octoscope.render.panel_page import render_panel_page
from octoscope.runs.column_table import ColumnTable

_NOTE = (
    "Each panel is a layer; its channels stand from the strongest to the weakest, so that one place on the axis is different channels "
    "in the two curves. Size: root mean square change of the normalised action chunk under the same noise, mean over steps; 1 is one "
    "standard deviation of the dataset's actions. Grey: what a random other channel does (mean over the layer, filled with its mean). "
    "{floor} Channels go one at a time: two that stand in for each other both look idle. Steps were not acted out; this is no statement "
    "about success."
)
_DASHED = "Dashed: what other noise of the action head does, nothing removed."
_ABOVE = (
    "What other noise of the action head does, nothing removed, lies above the scale: its figure is under the title."
)


def render_channel_effects(
    effects: Sequence[ChannelEffects], *, top: float | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """Returns a page with one panel per layer, all on one scale.

    Args:
      effects: From `remove_channels`, of one policy and camera.
      top: Upper end of the scale; by default a little above the strongest effect, and above the noise floor where that is near.
    """
    strongest = max(float(one.mean_size(fill).max()) for one in effects for fill in CHANNEL_FILLS)
    floor = max(one.noise_floor for one in effects)
    top = top or 1.08 * (max(strongest, floor) if floor < 1.5 * strongest else strongest)
    panels = [_panel(one, top) for one in effects]
    first = effects[0]
    lines = [
        f"Mean over {len(first.frames)} steps; filled with the channel's mean over {first.averaged_over} frames, unit by unit, or with 0. "
        f"Other noise changes the action by {first.noise_floor:.2f} ({first.noise.shape[1]} draws a step)"
        + (", which is above the scale." if first.noise_floor > top else ".")
    ]
    lines += [f"{first.policy}: {first.note}"] if first.note else []
    title = f"Effect on the action of removing a channel: {first.policy} {first.camera}"
    note = _NOTE.format(floor=_ABOVE if floor > top else _DASHED)
    return render_panel_page(panels, title=title, subtitle=lines, footnote=note, columns=2)


def channel_effects_table(effects: Sequence[ChannelEffects]) -> ColumnTable:
    """Returns one line for each layer, channel and fill, with the change of every dimension in its unit."""
    columns: dict[str, list[str | int | float]] = {
        name: []
        for name in ("camera", "layer", "channel", "fill", "size", "random other channel", "other noise", "steps")
    }
    labels = effects[0].units.labels()
    columns |= {label: [] for label in labels}
    for one in effects:
        for fill in CHANNEL_FILLS:
            sizes, others, changes = one.mean_size(fill), one.other_channel(fill), one.mean_change(fill)
            for channel in one.strongest(fill):
                row = (one.camera, one.layer.name, channel, fill, float(sizes[channel]), float(others[channel]))
                for name, value in zip(columns, (*row, one.noise_floor, len(one.frames)), strict=False):
                    columns[name].append(value)
                for label, value in zip(labels, changes[channel], strict=True):
                    columns[label].append(float(value))
    return ColumnTable(columns)


def write_channel_effects(
    folder: str | Path, effects: Sequence[ChannelEffects], *, name: str = "channel_effects"
) -> None:
    """Writes NAME.png and NAME.csv."""
    write_png(Path(folder) / f"{name}.png", render_channel_effects(effects))
    channel_effects_table(effects).write(folder, name)


def _panel(one: ChannelEffects, top: float) -> UInt8[np.ndarray, "height width 3"]:
    count = one.layer.channels
    level = np.ones(count)
    curves = [
        Curve(level * one.noise_floor, "other noise", QUIET_INK, 1.5, dashed=True),
        Curve(level * float(one.mean_size("mean").mean()), "random other", QUIET_INK, 1.5),
    ]
    for fill, color in zip(CHANNEL_FILLS, (INK, MARK), strict=True):
        curves.append(Curve(np.sort(one.mean_size(fill))[::-1], f"fill {fill}", color))
    if one.noise_floor > top:
        curves = curves[1:]
    size = f"{one.layer.size[0]} x {one.layer.size[1]}"
    named = ", ".join(str(number) for number in one.strongest("mean", 3))
    title = f"{one.layer.name}: {count} channels, {size}. Strongest: {named}"
    return render_line_panel(
        curves, steps=range(1, count + 1), title=title, top=top, x_label="rank", width=520, height=230, label_width=96
    )
