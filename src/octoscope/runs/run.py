"""A run: one stored analysis of one episode, a zarr v3 group that opens without jax.

    attention/STACK/GROUP  (step, layer, head, query, key)  weights of the current timestep's GROUP tokens, after mask and softmax; of a
                                                          stack that runs several times for one action (step, pass, layer, ...)
    attention/STACK/layer, key, pass, query_GROUP         which layers, places of the layout and passes are kept
    step, attention/STACK/step                            which steps of the episode the run holds
    token_pad            (step, token)                    True where a token was masked out as a key
    frame_index          (step, window)                   which frame of the episode each timestep shows
    timestep_pad_mask    (step, window)                   False where the timestep is padded history
    frames/CAMERA        (time, height, width, channel)   RGB as recorded
    actions              (step, horizon, dim)             normalised, as the head gives them
    actions_robot        (step, horizon, robot_dim)       in the dataset's units; absent without statistics
    recorded_actions     (time, recorded_dim)             as stored, which may not be what the policy was trained on; may be absent
    masks/CAMERA         (time, height, width)            which object each pixel shows; absent when the episode has no masks
    encodings/POINT      (step, ...)                      encodings at a named point; (...) where the instruction alone makes them
    target_id            (time,)                          which of these objects the instruction names; with masks only
    object_color, object_shape  (time, object)            what each object of the masks is, as the dataset numbers it; with masks only

The manifest, in the group's attributes, says which policy, episode, instruction, seed and layout all this belongs to.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import zarr
from zarr.abc.store import Store

from octoscope.array_typing import Bool, Float, Int, UInt8
from octoscope.errors import RunError, SelectionError, nearest
from octoscope.policies.octo.point_fields import with_fields
from octoscope.runs.run_arrays import RunArrays
from octoscope.runs.run_dataset import run_dataset
from octoscope.runs.run_text import run_card, run_line
from octoscope.runs.sound_run import FORMAT, open_sound
from octoscope.runs.stored_attention import StoredAttention
from octoscope.runs.unfinished import Unfinished
from octoscope.tokens.attention_selection import AttentionSelection
from octoscope.tokens.encoding_point import EncodingPoint
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.stack import AttentionStack

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run, read piece by piece."""

    group: zarr.Group
    manifest: Mapping[str, Any]
    layout: TokenLayout
    # Name of the stack whose attention is looked at; the one that acts with "".
    stack_name: str = ""
    # Of a stack that runs several times for one action: the number of a pass, or "mean" of those that are kept; the last with None.
    forward_pass: int | Literal["mean"] | None = None

    @classmethod
    def open(cls, store: str | Path | Store) -> "Run":
        """Opens a finished run.

        Raises:
          RunError: If there is none, it is not finished, of another format, or damaged; `open_sound` says what is looked at.
        """
        if isinstance(store, str | Path):
            _check_finished(Path(store))
        return cls(*open_sound(store))

    def __repr__(self) -> str:
        """Returns one line."""
        return run_line(self)

    def _repr_html_(self) -> str:
        return run_card(self)

    def to_xarray(self, *, step: int | None = None) -> "xarray.Dataset":
        """Returns attention and actions with named axes and what their indices stand for, in memory; see `run_dataset`.

        Args:
          step: Only this step of the episode; all by default.
        """
        return run_dataset(self, step=step)

    @property
    def stacks(self) -> tuple[AttentionStack, ...]:
        """Stacks of which the run holds attention, in the order of the forward."""
        return tuple(stack for stack in self.layout.stacks if stack.name in self.manifest["attention"])

    @functools.cached_property
    def stack(self) -> AttentionStack:
        """The stack that is looked at."""
        return self.layout.stack(self.stack_name or self.stacks[-1].name)

    @property
    def policy_config(self) -> Mapping[str, Any]:
        """The config that the policy was made from, as its family writes it; empty where the run does not say."""
        return self.manifest.get("facts", {}).get("config") or self.manifest.get("config", {})

    def of_stack(self, name: str) -> "Run":
        """Returns the same run, looked at through another stack.

        Raises:
          SelectionError: If the run holds nothing of such a stack.
        """
        held = [stack.name for stack in self.stacks]
        if name not in held:
            raise SelectionError(
                f"The run holds no attention of a stack '{name}'. It holds: {', '.join(held)}.{nearest(name, held)}"
            )
        return replace(self, stack_name=name, forward_pass=None)

    def of_pass(self, forward_pass: int | Literal["mean"]) -> "Run":
        """Returns the same run, looked at in one pass of several that make an action, or in their mean.

        Raises:
          SelectionError: If the run does not hold that pass.
        """
        if forward_pass != "mean" and forward_pass not in self.selection.passes:
            raise SelectionError(
                f"The run holds the passes {_ranges(self.selection.passes)} of '{self.stack.name}', got {forward_pass}."
            )
        return replace(self, forward_pass=forward_pass)

    @property
    def steps(self) -> tuple[int, ...]:
        """The episode's steps that the run holds, in order."""
        return tuple(self.manifest["steps"])

    @property
    def query_groups(self) -> tuple[str, ...]:
        """Token groups whose attention is stored."""
        return self.selection.query_groups

    @property
    def num_layers(self) -> int:
        """Layers of the stack, kept or not."""
        return self.stack.num_layers

    @property
    def num_heads(self) -> int:
        """Attention heads of each layer."""
        return self.stack.num_heads

    @functools.cached_property
    def selection(self) -> AttentionSelection:
        """Which rows, keys and layers of the attention are in the run."""
        return AttentionSelection.from_manifest(self.stack.name, self.manifest["attention"][self.stack.name])

    @functools.cached_property
    def rules(self) -> Bool[np.ndarray, "query key"]:
        """Who may look at whom in the stack, over the whole layout, before padding is taken away."""
        return self.layout.rules(self.stack.name)

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers whose attention is stored, in rising order."""
        return self.selection.layers

    @property
    def key_groups(self) -> tuple[str, ...]:
        """Token groups whose keys are stored, in sequence order."""
        return self.selection.key_groups

    @functools.cached_property
    def captured_keys(self) -> Bool[np.ndarray, " key"]:
        """True where the weights of a key are known: stored, or 0 because the token is no key of the stack."""
        return self._attention.captured_keys

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that are in the policy's sequence."""
        return self.layout.cameras

    def index_of(self, step: int) -> int:
        """Returns the place of an episode's step in the run.

        Raises:
          SelectionError: If the run does not hold that step.
        """
        if step not in self.steps:
            raise SelectionError(f"The run holds the steps {_ranges(self.steps)}, got {step}.")
        return self.steps.index(step)

    def attention(
        self, query_group: str, *, step: int, layers: Sequence[int] | None = None
    ) -> Float[np.ndarray, "layer head query key"]:
        """Returns the weights of a group's tokens at the current timestep, at one step of the episode, in float32.

        Keys and layers keep their numbers: what the run does not hold is NaN. Keys that a row may not see are 0, and so are tokens that
        are no keys of the stack; but a row that may see nothing at all (in Octo, a word of a task that was not given) is what the policy
        makes of it: in Octo uniform over all keys.

        Args:
          query_group: The tokens that attend.
          step: Step of the episode.
          layers: Only these, in this order; every layer of the policy by default.

        Raises:
          SelectionError: If the group's attention, the step or a layer asked for is not in the run.
          RunError: If what was asked for is damaged; so for everything that is read below.
        """
        self._check_group(query_group)
        at = self.index_of(step)
        asked = range(self.num_layers) if layers is None else self.check_layers(layers)
        return self._attention.rows(query_group, self.attention_name(query_group), at, asked, all_layers=layers is None)

    def attention_over(
        self, query_group: str, *, steps: Sequence[int], rows: Sequence[int], layers: Sequence[int]
    ) -> Float[np.ndarray, "step layer head query key"]:
        """Returns what `attention` does, for some rows of a group at several steps at once: much faster where these follow each other.

        Args:
          query_group: The tokens that attend.
          steps: Of the episode. All rows and layers of them are read at once: give as many as fit into memory.
          rows: Places within the group.
          layers: Only these, in this order.

        Raises:
          SelectionError: If the group's attention, a step or a layer is not in the run.
        """
        places = [self.index_of(step) for step in steps]
        self._check_group(query_group)
        name = self.attention_name(query_group)
        return self._attention.rows_over(query_group, name, places, rows, self.check_layers(layers))

    def attention_matrix(
        self, *, step: int, layers: Sequence[int] | None = None
    ) -> Float[np.ndarray, "layer head query key"]:
        """Returns what every token gives to every token at one step, from a run that kept all rows.

        Args:
          step: Step of the episode.
          layers: Only these, in this order; every layer of the policy by default. Layers that are not in the run are NaN.

        Raises:
          SelectionError: If the run holds only some rows, or not the step or a layer asked for.
        """
        if not self.selection.all_timesteps:
            raise SelectionError(
                f"The run holds only the rows of {', '.join(self.query_groups)} at the current timestep. "
                "`recompute_attention` gives the whole matrix of one step; `--queries all` keeps it for every step."
            )
        asked = range(self.num_layers) if layers is None else self.check_layers(layers)
        names = {group: self.attention_name(group) for group in self.query_groups}
        return self._attention.matrix(names, self.index_of(step), asked)

    def check_layers(self, layers: Sequence[int]) -> Sequence[int]:
        """Returns the layers again.

        Raises:
          SelectionError: If one does not exist, or is not in the run.
        """
        for layer in layers:
            if not 0 <= layer < self.num_layers:
                raise SelectionError(
                    f"`layer` must be in 0..{self.num_layers - 1} for {self.manifest['policy']}, got {layer}."
                )
            if layer not in self.layers:
                raise SelectionError(
                    f"The run holds the layers {', '.join(map(str, self.layers))}, not layer {layer}. "
                    f"Capture it with --layers {layer}."
                )
        return layers

    def frame(self, camera: str, *, time: int) -> UInt8[np.ndarray, "height width 3"]:
        """Returns a frame of the episode as recorded."""
        return self._arrays.recent(f"frames/{camera}", time)

    def has_masks(self, camera: str) -> bool:
        """Returns whether the run holds masks of a camera's frames."""
        return self.holds(f"masks/{camera}")

    def mask(self, camera: str, *, time: int) -> UInt8[np.ndarray, "height width"]:
        """Returns which object each pixel of a frame shows, as the dataset numbers them; only where `has_masks`."""
        return self._arrays.recent(f"masks/{camera}", time)

    def named_object(self, camera: str, *, time: int) -> Bool[np.ndarray, "height width"] | None:
        """Returns where a frame shows the object that the instruction names, or None when the episode has no masks."""
        if not self.has_masks(camera):
            return None
        return self.mask(camera, time=time) == self._arrays.recent("target_id")[time]

    def frame_index(self, *, step: int) -> Int[np.ndarray, " window"]:
        """Returns which frame of the episode each timestep of the window shows."""
        return self._arrays.recent("frame_index")[self.index_of(step)]

    def timestep_pad_mask(self, *, step: int) -> Bool[np.ndarray, " window"]:
        """Returns False where a timestep is padded history."""
        return self._arrays.recent("timestep_pad_mask")[self.index_of(step)]

    def token_pad(self, *, step: int) -> Bool[np.ndarray, " token"]:
        """Returns True where a token was masked out as a key."""
        return self._arrays.recent("token_pad")[self.index_of(step)]

    def token_pads(self, *, steps: Sequence[int]) -> Bool[np.ndarray, "step token"]:
        """Returns True where a token was masked out as a key, at each of some steps."""
        return self._arrays.recent("token_pad")[[self.index_of(step) for step in steps]]

    @property
    def encoding_points(self) -> tuple[EncodingPoint, ...]:
        """Points whose encodings are stored, with shapes and axes, in the order of the forward; none unless they were asked for."""
        # Those of runs without stages are Octo's.
        return tuple(with_fields(EncodingPoint.from_json(point)) for point in self.manifest.get("encodings", ()))

    def encoding(self, point: str, *, step: int | None = None) -> Float[np.ndarray, "..."]:
        """Returns the encodings at one point, in float32: (step, ...), or (...) of one step.

        What depends on the instruction alone is stored once, and never has an axis of steps.

        Args:
          point: Name such as "blocks.3.residual".
          step: Step of the episode; all that the run holds by default.

        Raises:
          SelectionError: If the run does not hold that point or step.
        """
        known = {found.name: found for found in self.encoding_points}
        if point not in known:
            raise SelectionError(
                f"The run holds no encodings '{point}'.{nearest(point, known)} It holds: {', '.join(known) or 'none'}. "
                f"Capture them with --encodings '{point}'."
            )
        index = slice(None) if step is None or known[point].constant else self.index_of(step)
        return np.asarray(self.read(f"encodings/{point}", index), np.float32)

    @property
    def actions(self) -> Float[np.ndarray, "step horizon dim"]:
        """Predicted action chunks: in the dataset's units when its statistics are known, else normalised."""
        return self.read("actions_robot" if self.holds("actions_robot") else "actions")

    @property
    def recorded_actions(self) -> Float[np.ndarray, "time dim"] | None:
        """Recorded actions as the dataset stores them, or None when the episode has none.

        Training changed those of most datasets (gripper, axes, steps), so that they and `actions` may differ in meaning: see
        docs/runs.md before laying one curve over the other.
        """
        return self.read("recorded_actions") if self.holds("recorded_actions") else None

    def transform(self, camera: str) -> ImageTransform:
        """Returns how a camera's frames were brought to the policy's size."""
        data = self.manifest["transforms"][camera]
        return ImageTransform(**{name: tuple(value) for name, value in data.items()})

    def holds(self, name: str) -> bool:
        """Returns whether the run has an array; some are there only where the episode has what they hold.

        Raises:
          RunError: If it is damaged so that it cannot be told.
        """
        return self._arrays.holds(name)

    def read(self, name: str, index: Any = slice(None)) -> np.ndarray:
        """Returns a stored array as it is, or a part of it.

        Args:
          name: As above: "actions", "frames/primary".
          index: Of the first axis, or of the first and the second.

        Raises:
          RunError: If it is damaged: a file is gone, cut or changed, however long after the run was opened.
        """
        return self._arrays.read(name, index)

    @functools.cached_property
    def _arrays(self) -> RunArrays:
        return RunArrays(self.group, self.manifest.get("steps", ()))

    @functools.cached_property
    def _attention(self) -> StoredAttention:
        return StoredAttention(self._arrays, self.layout, self.stack, self.selection, self.forward_pass)

    def _check_group(self, query_group: str) -> None:
        if query_group not in self.query_groups:
            raise SelectionError(
                f"The run holds no attention of '{query_group}'. It holds: {', '.join(self.query_groups)}."
                + nearest(query_group, self.query_groups)
            )

    def attention_name(self, query_group: str) -> str:
        """Returns the name of the array that holds a group's weights."""
        if self.manifest["format"] < FORMAT:
            return f"attention/{query_group}"
        return self.selection.array_name(query_group)


def _check_finished(path: Path) -> None:
    unfinished = Unfinished(path)
    if path.exists() or not unfinished.exists():
        return
    raise RunError(
        f"The run at {path} was not finished: {unfinished.told_progress()} lie in {unfinished.folder}. Go on with --resume."
    )


def _ranges(steps: tuple[int, ...]) -> str:
    contiguous = steps == tuple(range(steps[0], steps[-1] + 1))
    return f"{steps[0]}..{steps[-1]}" if contiguous else ", ".join(map(str, steps))
