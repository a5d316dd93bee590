"""The channels of an encoder in numbers: a line per layer, and a line per channel."""

from collections.abc import Mapping

import numpy as np

from octoscope.cnn.stems.channel_statistics import ChannelStatistics
from octoscope.runs.column_table import ColumnTable


def layer_table(
    statistics: Mapping[str, ChannelStatistics], *, dead_below: float = 0.0, alike_above: float = 0.95
) -> ColumnTable:
    """Returns one line per layer: how many channels it has, how many are dead or repeat another, how many would do.

    Args:
      statistics: From `channel_statistics`, over all frames of an episode set.
      dead_below: A channel that is nowhere above this is dead.
      alike_above: A channel whose correlation with another is above this repeats it.

    >>> from octoscope.cnn.stems.channel_statistics import channel_statistics
    >>> from octoscope.cnn.networks.embedded_network import load_embedded_network
    >>> frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    >>> table = layer_table(channel_statistics(load_embedded_network(), frames, ["relu1", "relu2"]))
    >>> table.columns["layer"], table.columns["channels"]
    (['relu1', 'relu2'], [24, 32])
    """
    stats = list(statistics.values())
    return ColumnTable(
        {
            "layer": [each.layer.name for each in stats],
            "channels": [each.layer.channels for each in stats],
            "rows": [each.layer.size[0] for each in stats],
            "columns": [each.layer.size[1] for each in stats],
            "frames": [each.frames for each in stats],
            f"dead (never above {dead_below:g})": [len(each.dead(threshold=dead_below)) for each in stats],
            f"repeat another (correlation above {alike_above:g})": [
                len(each.duplicates(threshold=alike_above)) for each in stats
            ],
            "effective channels": [each.effective for each in stats],
        }
    )


def channel_table(
    statistics: Mapping[str, ChannelStatistics], *, dead_below: float = 0.0, alike_above: float = 0.95
) -> ColumnTable:
    """Returns one line per channel; see `layer_table` for the arguments.

    "repeats" is the channel that this one repeats, -1 where there is none; "closest" the largest correlation with any other channel.
    """
    columns: dict[str, list[str | int | float]] = {
        name: []
        for name in ("layer", "channel", "largest", "mean", "deviation", "active", "dead", "repeats", "closest")
    }
    for each in statistics.values():
        dead, copies = (
            set(each.dead(threshold=dead_below)),
            each.duplicates(threshold=alike_above),
        )
        others = np.where(
            np.eye(each.layer.channels, dtype=bool),
            -np.inf,
            np.nan_to_num(each.correlation, nan=-np.inf),
        )
        for channel in range(each.layer.channels):
            closest = float(others[channel].max())
            row = (
                each.layer.name,
                channel,
                *(
                    float(values[channel])
                    for values in (
                        each.largest,
                        each.mean,
                        each.deviation,
                        each.active,
                    )
                ),
                int(channel in dead),
                copies[channel][0] if channel in copies else -1,
                closest if np.isfinite(closest) else float("nan"),
            )
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    return ColumnTable(columns)
