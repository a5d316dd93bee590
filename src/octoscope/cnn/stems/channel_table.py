"""The channels of an encoder in numbers: a line per layer, and a line per channel."""

from collections.abc import Mapping

import numpy as np

from octoscope.cnn.stems.channel_statistics import ChannelStatistics
from octoscope.runs.column_table import ColumnTable


def layer_table(
    found: Mapping[str, ChannelStatistics], *, dead_below: float = 0.0, alike_above: float = 0.95
) -> ColumnTable:
    """Returns one line per layer: how many channels it has, how many are dead or repeat another, how many would do.

    Args:
      found: From `channel_statistics`, over all frames of an episode set.
      dead_below: A channel that is nowhere above this is dead.
      alike_above: A channel whose correlation with another is above this repeats it.

    >>> from octoscope.cnn.stems.channel_statistics import channel_statistics
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    >>> table = layer_table(channel_statistics(load_embedded_network(), frames, ["relu1", "relu2"]))
    >>> table.columns["layer"], table.columns["channels"]
    (['relu1', 'relu2'], [24, 32])
    """
    stats = list(found.values())
    return ColumnTable(
        {
            "layer": [one.layer.name for one in stats],
            "channels": [one.layer.channels for one in stats],
            "rows": [one.layer.size[0] for one in stats],
            "columns": [one.layer.size[1] for one in stats],
            "frames": [one.frames for one in stats],
            f"dead (never above {dead_below:g})": [len(one.dead(threshold=dead_below)) for one in stats],
            f"repeat another (correlation above {alike_above:g})": [
                len(one.duplicates(threshold=alike_above)) for one in stats
            ],
            "effective channels": [one.effective for one in stats],
        }
    )


def channel_table(
    found: Mapping[str, ChannelStatistics], *, dead_below: float = 0.0, alike_above: float = 0.95
) -> ColumnTable:
    """Returns one line per channel; see `layer_table` for the arguments.

    "repeats" is the channel that this one repeats, -1 where there is none; "closest" the largest correlation with any other channel.
    """
    columns: dict[str, list[str | int | float]] = {
        name: []
        for name in ("layer", "channel", "largest", "mean", "deviation", "active", "dead", "repeats", "closest")
    }
    for one in found.values():
        dead, copies = set(one.dead(threshold=dead_below)), one.duplicates(threshold=alike_above)
        others = np.where(np.eye(one.layer.channels, dtype=bool), -np.inf, np.nan_to_num(one.correlation, nan=-np.inf))
        for channel in range(one.layer.channels):
            closest = float(others[channel].max())
            row = (
                one.layer.name,
                channel,
                *(float(values[channel]) for values in (one.largest, one.mean, one.deviation, one.active)),
                int(channel in dead),
                copies[channel][0] if channel in copies else -1,
                closest if np.isfinite(closest) else float("nan"),
            )
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    return ColumnTable(columns)
