"""The arrays of one step of an episode through any policy: what was selected of its attention, its action, its encodings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octoscope.episodes.windows import observation_window
from octoscope.errors import SelectionError
from octoscope.policies.abilities import Encodes
from octoscope.policies.bind import BoundEpisode
from octoscope.policies.finite_actions import check_finite_actions
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import WantedAttention, Watched
from octoscope.policies.recording import Arrays, Recorder, RecordOptions, RecordsRuns
from octoscope.tokens.attention_selection import AttentionSelection
from octoscope.tokens.encoding_point import EncodingPoint, choose_points, stored_encodings
from octoscope.tokens.layout import TokenLayout


def find_recorder(bound: BoundEpisode, selections: Sequence[AttentionSelection], options: RecordOptions) -> Recorder:
    """Returns the policy's own recorder, or one that takes a step after another through `watch`.

    Raises:
      SelectionError: If the policy does not compute as is asked, or has no such encodings.
    """
    if isinstance(bound.policy, RecordsRuns):
        return bound.policy.recorder(bound, selections, options)
    for name, asked in (("compute", options.compute != "exact"), ("batch", options.batch not in (None, 1))):
        if asked:
            raise SelectionError(
                f"`{name}` {getattr(options, name)!r} is nothing that {bound.policy.card.name} offers: it computes exactly, a step at a "
                f"time. Leave `{name}` out."
            )
    return PolicyRecorder(bound, tuple(selections), options, _points(bound, options))


@dataclass(frozen=True, eq=False)
class PolicyRecorder:
    """Acts at one step after another, and keeps what was selected of the attention of that very forward."""

    bound: BoundEpisode
    # One for each stack of which something is kept.
    selections: tuple[AttentionSelection, ...]
    options: RecordOptions
    # Encodings that are kept; they come from a forward beside the one that acts.
    points: tuple[EncodingPoint, ...] = ()

    @property
    def batch(self) -> int:
        """Steps in one forward."""
        return 1

    @property
    def bytes_per_step(self) -> int:
        """What one step takes before compression."""
        weights = sum(each.bytes_per_step(self.bound.layout, dtype=self.options.dtype) for each in self.selections)
        return weights + sum(point.nbytes(self.options.dtype) for point in self.points if not point.constant)

    def facts(self) -> dict[str, Any]:
        """Returns what the manifest says of how it computes."""
        kept = {"encodings": [point.to_json() for point in self.points]} if self.points else {}
        return {"compute": "exact", "batch": 1, **kept}

    def constants(self) -> Arrays:
        """Returns encodings that are the same at every step."""
        return self._encoded(0, [point for point in self.points if point.constant])

    def arrays_of(self, steps: Sequence[int]) -> list[Arrays]:
        """Returns the arrays of several steps, each from a forward of its own."""
        return [self._arrays_at(step) for step in steps]

    def _arrays_at(self, step: int) -> Arrays:
        inputs = self.bound.at(step)
        layout = self.bound.layout
        wanted = [wanted_attention(each, layout) for each in self.selections]
        watched = self.bound.policy.watch(inputs, Noise(self.options.seed, step), wanted)
        self._check_finite(watched, step)
        arrays: Arrays = {}
        for selection in self.selections:
            arrays |= attention_arrays(selection, watched, layout, dtype=self.options.dtype)
        times, real = observation_window(step, self.bound.window)
        arrays["token_pad"] = (watched.token_pad, ("token",))
        arrays["timestep_pad_mask"] = (real, ("window",))
        arrays["frame_index"] = (times, ("window",))
        arrays["actions"] = (watched.actions, ("horizon", "dim"))
        robot = self.bound.policy.action_space(self.bound.episode.dataset).to_robot(watched.actions, inputs)
        if robot is not None:
            check_finite_actions(np.asarray(robot), step=step)
            arrays["actions_robot"] = (np.asarray(robot, np.float32), ("horizon", "robot_dim"))
        return arrays | self._encoded(step, [point for point in self.points if not point.constant])

    def _check_finite(self, watched: Watched, step: int) -> None:
        """Refuses a step whose attention or action is not finite, naming the first layer of a stack that is not."""
        for each in self.selections:
            finite = np.isfinite(watched.weights[each.stack]).all(axis=(0, 2, 3, 4))
            if not finite.all():
                layer = each.layers[int(finite.argmin())]
                check_finite_actions(watched.actions, step=step, layer=layer, stack=each.stack)
        check_finite_actions(watched.actions, step=step)

    def _encoded(self, step: int, points: Sequence[EncodingPoint]) -> Arrays:
        if not points:
            return {}
        assert isinstance(self.bound.policy, Encodes), "points were found"
        made: Mapping[str, np.ndarray] = self.bound.policy.encode(
            self.bound.unchecked_at(step), [point.name for point in points]
        )
        return stored_encodings(made, points, dtype=self.options.dtype)


def wanted_attention(selection: AttentionSelection, layout: TokenLayout) -> WantedAttention:
    """Returns a selection as a policy is asked for it."""
    queries = (place for group in selection.query_groups for place in selection.query_places(layout, group))
    keys = selection.key_places(layout)
    return WantedAttention(
        selection.stack,
        tuple(int(place) for place in queries),
        tuple(int(place) for place in keys),
        selection.layers,
        selection.passes,
    )


def attention_arrays(selection: AttentionSelection, watched: Watched, layout: TokenLayout, *, dtype: str) -> Arrays:
    """Returns what was asked for of a stack as a run stores it: an array for each query group."""
    weights = watched.weights[selection.stack].astype(dtype)
    several = layout.stack(selection.stack).num_passes > 1
    arrays: Arrays = {}
    start = 0
    for group in selection.query_groups:
        stop = start + len(selection.query_places(layout, group))
        rows = weights[..., start:stop, :]
        arrays[selection.array_name(group)] = (rows if several else rows[0], selection.axes(layout, group))
        start = stop
    return arrays


def _points(bound: BoundEpisode, options: RecordOptions) -> tuple[EncodingPoint, ...]:
    if not options.encodings:
        return ()
    if not isinstance(bound.policy, Encodes):
        raise SelectionError(f"{bound.policy.card.name} does not tell its encodings: leave `encodings` out.")
    return choose_points(bound.policy.encoding_points(bound.unchecked_at(0)), options.encodings)
