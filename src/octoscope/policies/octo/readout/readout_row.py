"""One forward of a policy, kept so that its current readout can be run again alone, with its attention changed.

A pass costs a fraction of a forward, because nothing but the readout reads the readout: see `octo.readout_rows`. All of it is exact for the
DIRECT path alone, see `readout_effects`.
"""

import functools
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from octoscope.array_typing import Bool, Float32, Int
from octoscope.errors import ObservationError, SelectionError, nearest
from octoscope.policies.octo.acting import acting_head
from octoscope.policies.octo.heads.discrete_head import DiscreteActionHead
from octoscope.policies.octo.model import OctoModel
from octoscope.policies.octo.network.module import OctoModule
from octoscope.policies.octo.readout.readout_rows import KeptForward, act_on, keep_forward, readout_span, run_readout
from octoscope.policies.octo.readout.readout_sets import run_readout_sets
from octoscope.tokens.layout import TokenLayout, TokenSpan

# Sets of keys that are run side by side; more need more memory and are no faster.
_SIDE_BY_SIDE = 256


@dataclass(frozen=True, eq=False)
class ReadoutRow:
    """One forward of a policy, kept so that its current readout can be run again alone, as often as wanted.

    >>> import octoscope as osc
    >>> model = osc.OctoModel.load_pretrained("drawn")
    >>> batch = model.example_batch
    >>> row = ReadoutRow.keep(model, batch["observation"], batch["task"])
    >>> row.gradients(horizon_step=0, dimension=2).shape  # (layer, head, query, key)
    (3, 4, 1, 198)
    """

    programs: "_Programs"
    # Of the policy.
    params: Mapping[str, Any]
    layout: TokenLayout
    kept: KeptForward
    # Key of the head's noise.
    rng: Array | None

    @classmethod
    def keep(
        cls,
        model: OctoModel,
        observations: Mapping[str, Any],
        tasks: Mapping[str, Any],
        *,
        rng: Array | None = None,
        head: str | None = None,
        embodiment_action_dim: int | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> "ReadoutRow":
        """Runs the policy once, and keeps the keys and values of every layer.

        Args:
          model: The policy.
          observations: One example: arrays with leading (1, window), and `timestep_pad_mask`.
          tasks: From `create_tasks`, batch 1.
          rng: Key of the head's noise, the same for every later pass; jax.random.PRNGKey(0) by default. A run's step has
            jax.random.fold_in(jax.random.PRNGKey(seed), step).
          head: Which action head; "action" by default.
          embodiment_action_dim: Action dimensions the robot has; the rest stays noise.
          params: Other parameters of the same shapes; the policy's own by default.

        Raises:
          ObservationError: If a shape is not what the policy was made for, or there is more than one example.
          SelectionError: If there is no such head, or other tokens read the readout.
        """
        pad = model.check_inputs(observations, tasks)
        if pad.shape[0] != 1:
            raise ObservationError(f"Give one example, with leading (1, window); got a batch of {pad.shape[0]}.")
        head = acting_head(model) if head is None else head
        if head not in model.module.heads:
            known = model.module.heads
            raise SelectionError(f"The policy has no head '{head}'. It has: {', '.join(known)}.{nearest(head, known)}")
        layout = model.token_layout(observations, tasks)
        span = readout_span(layout, model.module.heads[head].readout_key)
        programs = _programs_of(model, span, head, embodiment_action_dim)
        rng = jax.random.PRNGKey(0) if rng is None else rng
        params = model.params if params is None else params
        kept = programs.keep(params, dict(observations), dict(tasks), pad, rng)
        return cls(programs, params, layout, kept, rng)

    @property
    def queries(self) -> Int[np.ndarray, " query"]:
        """Places of the readout's tokens."""
        return np.arange(self.programs.span.start, self.programs.span.stop)

    @property
    def visible(self) -> Bool[np.ndarray, " key"]:
        """Keys that the readout may look at."""
        return np.any(np.asarray(self.kept.mask), axis=0)

    @property
    def actions(self) -> Float32[np.ndarray, "horizon dim"]:
        """Normalised actions of the forward."""
        return np.asarray(self.kept.actions)

    @property
    def weights(self) -> Float32[np.ndarray, "layer head query key"]:
        """The readout's attention in the forward."""
        return np.asarray(self.kept.weights)

    def gradients(
        self, *, horizon_step: int | None = 0, dimension: int | None = None
    ) -> Float32[np.ndarray, "layer head query key"]:
        """Returns d(action) / d(attention weight) of the readout; see `readout_gradients`.

        Raises:
          SelectionError: If the chunk has no such entry, or the head chooses bins, which have no gradient.
        """
        chosen = np.zeros(self.kept.actions.shape, np.float32)
        steps = _entries("horizon_step", horizon_step, chosen.shape[0])
        chosen[steps, _entries("dimension", dimension, chosen.shape[1])] = 1.0
        return self.weighted_gradients(chosen)

    def weighted_gradients(
        self, weights: Float32[np.ndarray, "horizon dim"]
    ) -> Float32[np.ndarray, "layer head query key"]:
        """Returns the same of a sum of the action's entries, each times its weight.

        Raises:
          SelectionError: If the head chooses bins, which have no gradient.
        """
        if isinstance(self.programs.action_head, DiscreteActionHead):
            raise SelectionError(
                f"The head '{self.programs.head}' chooses bins, so its actions have no gradient. Use `knock_out` instead."
            )
        return np.asarray(self.programs.gradients(self.params, self.kept, self.rng, weights))

    def knock_out(
        self, sets: Bool[np.ndarray, "set key"], *, layers: Sequence[int] | None = None
    ) -> Float32[np.ndarray, "set horizon dim"]:
        """Returns normalised actions with each set of keys hidden from the readout; see `knock_out_keys`.

        Raises:
          SelectionError: If the matrix does not fit the sequence, a layer does not exist, or a set leaves nothing to look at.
        """
        sets = np.asarray(sets)
        if sets.ndim != 2 or sets.shape[1] != self.layout.size or sets.dtype != bool or len(sets) == 0:
            raise SelectionError(
                f"`sets` must be boolean, (set, key) with {self.layout.size} keys and at least one set; got {sets.dtype} "
                f"{sets.shape}. Make its rows with `layout.select(...)`."
            )
        on = np.zeros(self.kept.keys.shape[0], bool)
        for layer in range(len(on)) if layers is None else layers:
            on[_entries("layer", layer, len(on))] = True
        blind = ~(np.asarray(self.kept.mask)[None] & ~sets[:, None]).any(axis=-1).all(axis=-1)
        if blind.any():
            raise SelectionError(
                f"Set {int(blind.argmax())} hides every key that the readout may look at: leave it at least one."
            )
        return np.asarray(self.programs.knock_out(self.params, self.kept, self.rng, sets, on))


@dataclass(frozen=True, eq=False)
class _Programs:
    """The compiled passes over one span of one policy."""

    module: OctoModule
    span: TokenSpan
    head: str
    embodiment_action_dim: int | None

    @property
    def action_head(self) -> Any:
        return self.module.heads[self.head]

    @functools.cached_property
    def keep(self) -> Any:
        asked = {"span": self.span, "head": self.head, "embodiment_action_dim": self.embodiment_action_dim}
        return jax.jit(functools.partial(keep_forward, self.module, **asked))

    @functools.cached_property
    def gradients(self) -> Any:
        def gradients(params: Any, kept: KeptForward, rng: Array | None, chosen: Array) -> Array:
            def score(added: Array) -> Array:
                encodings = run_readout(params, kept, start=self.span.start, added=added)
                return jnp.sum(self._act_on(params, kept, encodings, rng) * chosen)

            return jax.grad(score)(jnp.zeros_like(kept.weights))

        return jax.jit(gradients)

    @functools.cached_property
    def knock_out(self) -> Any:
        def knock_out(params: Any, kept: KeptForward, rng: Array | None, sets: Array, on: Array) -> Array:
            def act(hidden: Array) -> Array:
                encodings = run_readout_sets(params, kept, hidden, on, start=self.span.start)
                return jax.vmap(lambda one: self._act_on(params, kept, one, rng))(encodings)

            return _over_blocks(act, sets, size=_SIDE_BY_SIDE)

        return jax.jit(knock_out)

    def _act_on(self, params: Any, kept: KeptForward, encodings: Array, rng: Array | None) -> Array:
        asked = {"span": self.span, "head": self.head, "embodiment_action_dim": self.embodiment_action_dim}
        return act_on(self.module, params, kept, encodings, rng, **asked)


# Compiling takes longer than running. The values hold no policy, or no policy would ever be let go.
_COMPILED: weakref.WeakKeyDictionary[OctoModel, dict[Any, _Programs]] = weakref.WeakKeyDictionary()


def _programs_of(model: OctoModel, span: TokenSpan, head: str, embodiment_action_dim: int | None) -> _Programs:
    known = _COMPILED.setdefault(model, {})
    return known.setdefault(
        (span, head, embodiment_action_dim), _Programs(model.module, span, head, embodiment_action_dim)
    )


def _over_blocks(run: Any, sets: Array, *, size: int) -> Array:
    """Runs blocks of sets one after another; the last one is what is left."""
    blocks = [run(sets[start : start + size]) for start in range(0, sets.shape[0], size)]
    return jnp.concatenate(blocks)


def _entries(what: str, index: int | None, count: int) -> slice:
    if index is None:
        return slice(None)
    if not 0 <= index < count:
        raise SelectionError(f"`{what}` must be in 0..{count - 1}, got {index}.")
    return slice(index, index + 1)
