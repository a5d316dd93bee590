"""What several methods give to every key of the readout's row at one step: as patch grids, and as a table."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Float
from octoscope.attention.maps import AttentionMap, cut_maps
from octoscope.attention.query import QueryRow
from octoscope.attention.sinks import Sink
from octoscope.errors import SelectionError, nearest
from octoscope.runs.column_table import ColumnTable
from octoscope.runs.run import Run


@dataclass(frozen=True, eq=False)
class MethodMaps:
    """What each method gives to every key, for the readout of one step."""

    # The readout's attention at every step of the episode.
    run: Run
    query: QueryRow
    step: int
    # By method, as they are: each has its own unit (see KEY_METHODS). NaN for a key that was not asked for.
    values: Mapping[str, Float[np.ndarray, " key"]]
    # Of the query, in any layer, over the run.
    sinks: tuple[Sink, ...]
    # What gradients are of, rollout's and flow's share that bypasses attention, methods left out.
    remarks: tuple[str, ...]

    def maps(self, method: str) -> tuple[AttentionMap, ...]:
        """Returns a method's values cut into patch grids, each with the frame that its tokens came from; the head axis has length 1.

        Raises:
          SelectionError: If there is no map of that method.
        """
        if method not in self.values:
            raise SelectionError(
                f"There is no map '{method}', only {', '.join(self.values)}.{nearest(method, self.values)}"
            )
        return cut_maps(self.run, self.query, self.values[method][None], step=self.step)

    def columns(self) -> ColumnTable:
        """Returns a row for each method and patch."""
        rows = [
            (self.step, method, found.camera, found.group, -found.steps_back, row, column, float(value))
            for method in self.values
            for found in self.maps(method)
            for (row, column), value in np.ndenumerate(found.weights[0])
        ]
        names = ("step", "method", "camera", "group", "timestep", "row", "column", "value")
        return ColumnTable(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
