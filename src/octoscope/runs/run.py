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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from zarr.abc.store import Store

from octoscope.array_typing import Bool, Float, Int, UInt8
from octoscope.errors import RunError, SelectionError, nearest
from octoscope.policies.octo.point_fields import with_fields
from octoscope.runs.chunk_files import HOW, STEP, rows_as_people_say
from octoscope.runs.recent_reads import RecentReads
from octoscope.runs.shard_reader import ShardReader
from octoscope.runs.sound_run import FORMAT, open_sound
from octoscope.runs.stored_arrays import axis_names
from octoscope.runs.unfinished import Unfinished
from octoscope.runs.whole_chunks_store import folder_of, place_of
from octoscope.tokens.attention_selection import AttentionSelection
from octoscope.tokens.encoding_point import EncodingPoint
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.stack import AttentionStack

# Up to this many bytes a step, the attention of a group is read whole.
_SMALL_STEP = 8 * 2**20


@dataclass(frozen=True)
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
        captured = np.ones(self.layout.size, bool)
        captured[self.layout.places(self.stack.key_groups)] = False
        captured[self.selection.key_places(self.layout)] = True
        return captured

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
        stored, at = self._attention(query_group), self.index_of(step)
        few = stored.nbytes // stored.shape[0] <= _SMALL_STEP
        asked = range(self.num_layers) if layers is None else self.check_layers(layers)
        # All layers of a step are read at once, and kept for whoever asks for the next layer; of some of a large step, a chunk each.
        name = self.attention_name(query_group)
        whole = self._reads(name, at) if few else self.read(name, at) if layers is None else None
        whole = None if whole is None else self._in_pass(whole)
        rows = self.layout.find_spans(query_group, timestep=-1)[0].size
        keys = self._key_places
        weights = self._no_weights(len(asked), self.num_heads, rows)
        for place, layer in enumerate(asked):
            if layer in self.layers:
                index = self.layers.index(layer)
                kept = self._layer(name, at, index) if whole is None else whole[index]
                # Where all timesteps are kept, the current one comes last.
                weights[place][..., keys] = kept[:, -rows:]
            else:
                weights[place] = np.nan
        return weights

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
        size = self.layout.find_spans(query_group, timestep=-1)[0].size
        # Where all timesteps are kept, the current one comes last.
        rows_kept = np.arange(len(self.selection.query_places(self.layout, query_group)))[-size:][list(rows)].tolist()
        layers_kept = [self.layers.index(layer) for layer in self.check_layers(layers)]
        name = self.attention_name(query_group)
        weights = self._no_weights(len(places), len(layers), self.num_heads, len(rows))
        for first, count in _stretches(places):
            stored = self.read(name, slice(places[first], places[first] + count))
            stored = self._in_pass(np.moveaxis(stored, 1, 0)) if self.stack.num_passes > 1 else stored
            stored = stored if layers_kept == list(range(stored.shape[1])) else stored[:, layers_kept]
            stored = stored if rows_kept == list(range(stored.shape[3])) else stored[:, :, :, rows_kept]
            # Where all keys are kept, a plain copy is several times as fast.
            kept = slice(None) if len(self._key_places) == self.layout.size else self._key_places
            weights[first : first + count][..., kept] = stored
        return weights

    def _no_weights(self, *sizes: int) -> Float[np.ndarray, "..."]:
        """Returns rows to be filled, NaN for keys that the run does not hold."""
        shape = (*sizes, self.layout.size)
        if self.captured_keys.all():
            return np.empty(shape, np.float32)
        weights = np.zeros(shape, np.float32)
        weights[..., ~self.captured_keys] = np.nan
        return weights

    @functools.cached_property
    def _key_places(self) -> Int[np.ndarray, " key"]:
        return self.selection.key_places(self.layout)

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
        size, keys = self.layout.size, self.selection.key_places(self.layout)
        matrix = np.full((len(asked), self.num_heads, size, size), np.nan, np.float32)
        # Tokens that do not look in this stack look at nothing, and nobody looks at tokens that are no keys of it.
        queries = np.zeros(size, bool)
        queries[self.layout.places(self.stack.query_groups)] = True
        nothing = ~queries[:, None] | self.captured_keys[None]
        matrix[:, :, nothing] = np.where(np.isin(asked, self.layers), 0.0, np.nan)[:, None, None]
        for group in self.query_groups:
            stored = self._in_pass(self.read(self.attention_name(group), self.index_of(step)))
            places = self.selection.query_places(self.layout, group)
            for at, layer in enumerate(asked):
                if layer in self.layers:
                    matrix[at][:, places[:, None], keys[None]] = stored[self.layers.index(layer)]
        return matrix

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
        return self._reads(f"frames/{camera}", time)

    def has_masks(self, camera: str) -> bool:
        """Returns whether the run holds masks of a camera's frames."""
        return self.holds(f"masks/{camera}")

    def mask(self, camera: str, *, time: int) -> UInt8[np.ndarray, "height width"]:
        """Returns which object each pixel of a frame shows, as the dataset numbers them; only where `has_masks`."""
        return self._reads(f"masks/{camera}", time)

    def named_object(self, camera: str, *, time: int) -> Bool[np.ndarray, "height width"] | None:
        """Returns where a frame shows the object that the instruction names, or None when the episode has no masks."""
        if not self.has_masks(camera):
            return None
        return self.mask(camera, time=time) == self._reads("target_id")[time]

    def frame_index(self, *, step: int) -> Int[np.ndarray, " window"]:
        """Returns which frame of the episode each timestep of the window shows."""
        return self._reads("frame_index")[self.index_of(step)]

    def timestep_pad_mask(self, *, step: int) -> Bool[np.ndarray, " window"]:
        """Returns False where a timestep is padded history."""
        return self._reads("timestep_pad_mask")[self.index_of(step)]

    def token_pad(self, *, step: int) -> Bool[np.ndarray, " token"]:
        """Returns True where a token was masked out as a key."""
        return self._reads("token_pad")[self.index_of(step)]

    def token_pads(self, *, steps: Sequence[int]) -> Bool[np.ndarray, "step token"]:
        """Returns True where a token was masked out as a key, at each of some steps."""
        return self._reads("token_pad")[[self.index_of(step) for step in steps]]

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
        try:
            return self._reader(name) is not None or name in self.group
        except Exception as error:  # whatever a changed zarr.json leads zarr to
            raise self._damaged(name, error) from None

    def read(self, name: str, index: Any = slice(None)) -> np.ndarray:
        """Returns a stored array as it is, or a part of it.

        Args:
          name: As above: "actions", "frames/primary".
          index: Of the first axis, or of the first and the second.

        Raises:
          RunError: If it is damaged: a file is gone, cut or changed, however long after the run was opened.
        """
        reader = self._reader(name)
        values = None if reader is None else reader.read(index)
        if values is not None:
            return values
        try:
            return np.asarray(self._array(name)[index])
        except RunError:
            raise
        except Exception as error:  # zarr's codecs raise their own kinds
            raise self._damaged(self._told(name, index), error) from None

    def _damaged(self, what: str, error: Exception) -> RunError:
        return RunError(
            f"The run {place_of(self.group.store)} is damaged: {what} cannot be read ({type(error).__name__}: {error}). {HOW}"
        )

    def _told(self, name: str, index: Any) -> str:
        first = index[0] if isinstance(index, tuple) else index
        array = self._opened.get(name)
        if array is None or not isinstance(first, int):
            return name
        axis = (*axis_names(array), "")[0]
        return f"{name} at {rows_as_people_say(axis, range(first, first + 1), self.steps if axis == STEP else ())}"

    def _attention(self, query_group: str) -> zarr.Array:
        self._check_group(query_group)
        return self._array(self.attention_name(query_group))

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

    def _layer(self, name: str, at: int, index: int) -> Float[np.ndarray, "head query key"]:
        if self.stack.num_passes == 1:
            return self.read(name, (at, index))
        return self._in_pass(self.read(name, (at, slice(None), index)))

    def _in_pass(self, weights: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Returns the weights of the pass that is looked at, from those of one step, which begin with the pass if there are several."""
        if self.stack.num_passes == 1:
            return weights
        if self.forward_pass == "mean":
            return weights.mean(axis=0, dtype=np.float32)
        return weights[-1 if self.forward_pass is None else self.selection.passes.index(self.forward_pass)]

    @functools.cached_property
    def _reads(self) -> RecentReads:
        return RecentReads(lambda name, index: np.array(self.read(name, slice(None) if index is None else index)))

    @functools.cached_property
    def _opened(self) -> dict[str, zarr.Array]:
        return {}

    @functools.cached_property
    def _readers(self) -> dict[str, ShardReader | None]:
        return {}

    def _reader(self, name: str) -> ShardReader | None:
        """Returns what reads an array without zarr; None in memory, and where the array is laid out in another way."""
        folder = folder_of(self.group.store)
        if folder is not None and name not in self._readers:
            self._readers[name] = ShardReader.open(folder / name)
        return None if folder is None else self._readers[name]

    def _array(self, name: str) -> zarr.Array:
        # Opening an array takes as long as reading a small one.
        if name not in self._opened:
            try:
                array = self.group[name]
                assert isinstance(array, zarr.Array), f"{name} is an array in every run"
            except Exception as error:  # whatever a changed zarr.json leads zarr to
                raise self._damaged(name, error) from None
            self._opened[name] = array
        return self._opened[name]


def _check_finished(path: Path) -> None:
    unfinished = Unfinished(path)
    if path.exists() or not unfinished.exists():
        return
    raise RunError(
        f"The run at {path} was not finished: {unfinished.told_progress()} lie in {unfinished.folder}. Go on with --resume."
    )


def _stretches(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yields where places begin to follow each other, and how many do.

    >>> list(_stretches([3, 4, 5, 9]))
    [(0, 3), (3, 1)]
    """
    first = 0
    for at in range(1, len(places) + 1):
        if at == len(places) or places[at] != places[at - 1] + 1:
            yield first, at - first
            first = at


def _ranges(steps: tuple[int, ...]) -> str:
    contiguous = steps == tuple(range(steps[0], steps[-1] + 1))
    return f"{steps[0]}..{steps[-1]}" if contiguous else ", ".join(map(str, steps))
