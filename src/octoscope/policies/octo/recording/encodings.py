"""Encodings at named points of one forward: word pieces in T5, tokens, the residual stream, the convolutions in front.

The forward is the policy's own, run beside the one that acts, so that no choice of points can change a bit of an action; the encodings
equal those of the acting forward to rounding. Only what is asked for is computed and leaves the device.
"""

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Array

from octoscope.errors import ObservationError
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.network.transformer import lay_out
from octoscope.policies.octo.recording.encoding_recorder import EncodingRecorder
from octoscope.tokens.encoding_point import EncodingPoint, choose_points

DEFAULT_POINTS = ("blocks.*.residual",)


def encoding_points(
    model: OctoModel, observation: Mapping[str, Any], task: Mapping[str, Any]
) -> tuple[EncodingPoint, ...]:
    """Returns every point whose encodings can be captured for these inputs; nothing is computed, only shapes are followed.

    Args:
      model: The policy.
      observation: With leading (1, window), as `OctoModel.run_transformer` takes it.
      task: Of one example, from `OctoModel.create_tasks`.

    Raises:
      ObservationError: If a shape is not what the policy was made for, or there is more than one example.

    >>> model = OctoModel.load_pretrained("drawn")
    >>> batch = model.example_batch
    >>> points = {point.name: point for point in encoding_points(model, batch["observation"], batch["task"])}
    >>> points["blocks.0.residual"].axes, points["tokens.task_language.t5.0"].constant
    (('token', 'embed'), True)
    """
    pad = _check_one_example(model, observation, task)
    leaves, structure = jax.tree.flatten((observation, task, pad))
    shapes = structure, tuple((np.shape(leaf), np.asarray(leaf).dtype.name) for leaf in leaves)
    followed = _FOLLOWED.setdefault(model, {})
    if shapes in followed:
        return followed[shapes]
    found: list[EncodingPoint] = []

    def note(points: Mapping[str, EncodingPoint]) -> Sequence[str]:
        found.extend(points.values())
        return ()

    jax.eval_shape(_forward(model, note), model.params, observation, task, pad)
    followed[shapes] = tuple(found)
    return followed[shapes]


def capture_encodings(
    model: OctoModel,
    observation: Mapping[str, Any],
    task: Mapping[str, Any],
    points: str | Sequence[str] = DEFAULT_POINTS,
) -> dict[str, np.ndarray]:
    """Returns the encodings at some points of one forward, by name, in float32 and without the batch axis.

    Args:
      model: The policy.
      observation: With leading (1, window).
      task: Of one example.
      points: Names or patterns ("blocks.*.mlp"); `encoding_points` gives all names with shapes and axes.

    Raises:
      ObservationError: If a shape is not what the policy was made for, or there is more than one example.
      SelectionError: If a pattern names nothing, offering the nearest.

    >>> model = OctoModel.load_pretrained("drawn")
    >>> batch = model.example_batch
    >>> found = capture_encodings(model, batch["observation"], batch["task"], "blocks.*.residual")
    >>> list(found), found["blocks.1.residual"].shape == (model.token_layout(**{
    ...     "observations": batch["observation"], "tasks": batch["task"]}).size, 64)
    (['blocks.0.residual', 'blocks.1.residual', 'blocks.2.residual'], True)
    """
    chosen = choose_points(encoding_points(model, observation, task), points)
    captured = capture_chosen(model, observation, task, tuple(point.name for point in chosen))
    return {name: np.asarray(array) for name, array in captured.items()}


def capture_chosen(
    model: OctoModel, observation: Mapping[str, Any], task: Mapping[str, Any], names: tuple[str, ...]
) -> Mapping[str, Array]:
    """Returns the encodings at points whose names are known to exist, on the device; compiled once per choice."""
    return compiled_forward(model, names)(model.params, observation, task, model.check_inputs(observation, task))


def compiled_forward(model: OctoModel, names: tuple[str, ...]) -> Any:
    """Returns the compiled (params, observation, task, pad) -> encodings by name, of which only `names` are computed."""
    known = _COMPILED.setdefault(model, {})
    if names not in known:
        known[names] = jax.jit(_forward(model, lambda _: names))
    return known[names]


def _forward(model: OctoModel, choose: Callable[[Mapping[str, EncodingPoint]], Sequence[str]]) -> Any:
    """Returns the forward as a function; `choose` is shown all points while it is traced, and says which are returned."""
    # Not the model itself: compiled programs that hold it would never let it go.
    module = model.module

    def forward(params: Any, observation: Any, task: Any, pad: Any) -> dict[str, Array]:
        recorder = EncodingRecorder()
        with nn.intercept_methods(recorder):
            outputs: Any = module.apply({"params": params}, observation, task, pad, method=OctoModule.run_transformer)
        found = recorder.points(outputs, lay_out(outputs))
        return {name: found[name][1] for name in choose({name: point for name, (point, _) in found.items()})}

    return forward


def _check_one_example(model: OctoModel, observation: Mapping[str, Any], task: Mapping[str, Any]) -> Array:
    pad = model.check_inputs(observation, task)
    if len(pad) != 1:
        raise ObservationError(f"Encodings are captured of one example at a time, got a batch of {len(pad)}.")
    return pad


# Compiling takes longer than running, and following shapes nearly as long.
_FOLLOWED: weakref.WeakKeyDictionary[OctoModel, dict[Any, tuple[EncodingPoint, ...]]] = weakref.WeakKeyDictionary()
_COMPILED: weakref.WeakKeyDictionary[OctoModel, dict[tuple[str, ...], Any]] = weakref.WeakKeyDictionary()
