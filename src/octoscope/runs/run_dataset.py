"""A run as an xarray dataset: every axis has its name, every index what it stands for."""

from typing import TYPE_CHECKING, Any

import numpy as np

from octoscope.errors import SelectionError
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_names import token_names

if TYPE_CHECKING:
    import xarray

    from octoscope.runs.run import Run

# Besides attention; what else a run holds is read by its name.
_ARRAYS = {
    "actions": ("step", "horizon", "dim"),
    "actions_robot": ("step", "horizon", "robot_dim"),
    "token_pad": ("step", "token"),
    "timestep_pad_mask": ("step", "window"),
    "frame_index": ("step", "window"),
}


def run_dataset(run: "Run", *, step: int | None = None) -> "xarray.Dataset":
    """Returns a run's attention and actions as they are stored, all in memory.

    Weights are variables named by their query group ("readout_action"), of several stacks "STACK/GROUP" with axes of each stack's own
    ("encoder.key"). `key` and `query_GROUP` count places of the sequence; `key_name`, `key_group`, `key_timestep`, `key_row` and
    `key_column` say what lies there (-1 where a token has none), and `query_GROUP_name` likewise.

    Args:
      run: The run.
      step: Only this step of the episode; all by default.

    Raises:
      SelectionError: If xarray is not installed, or the run does not hold the step.
      RunError: If an array is damaged.
    """
    try:
        import xarray
    except ImportError:
        raise SelectionError(
            "`to_xarray` needs xarray: pip install 'octoscope[notebook]'. `run.attention` gives arrays without."
        ) from None
    at: Any = slice(None) if step is None else slice(run.index_of(step), run.index_of(step) + 1)
    steps = list(run.steps)[at]
    coords: dict[str, Any] = {"step": steps, **_token_coords(run.layout, "token", np.arange(run.layout.size))}
    variables: dict[str, Any] = {}
    for stack in run.stacks:
        selection, mark = run.of_stack(stack.name).selection, f"{stack.name}." if len(run.stacks) > 1 else ""
        for group in selection.query_groups:
            axes = ("step", *(f"{mark}{axis}" for axis in selection.axes(run.layout, group)))
            name = f"{stack.name}/{group}" if mark else group
            variables[name] = (axes, run.read(selection.array_name(group), at))
            places = selection.query_places(run.layout, group)
            coords |= _token_coords(run.layout, f"{mark}query_{group}", places)
        coords |= {f"{mark}layer": list(selection.layers), f"{mark}head": np.arange(stack.num_heads)}
        coords |= _token_coords(run.layout, f"{mark}key", selection.key_places(run.layout))
        if stack.num_passes > 1:
            coords[f"{mark}pass"] = list(selection.passes)
    for name, axes in _ARRAYS.items():
        if run.holds(name):
            variables[name] = (axes, run.read(name, at))
    told = {name: run.manifest.get(name, "") for name in ("policy", "episode", "dataset", "instruction", "seed")}
    return xarray.Dataset(variables, coords, attrs=told)


def _token_coords(layout: TokenLayout, axis: str, places: np.ndarray) -> dict[str, Any]:
    """Returns what places of the sequence are, along an axis."""
    tokens, names = layout.tokens(), token_names(layout)
    at = [tokens[place] for place in places]
    told = {
        "name": [names[place] for place in places],
        "group": [token.group for token in at],
        "timestep": [-1 if token.timestep is None else token.timestep for token in at],
        "row": [-1 if token.row is None else token.row for token in at],
        "column": [-1 if token.column is None else token.column for token in at],
    }
    return {axis: places, **{f"{axis}_{what}": (axis, values) for what, values in told.items()}}
