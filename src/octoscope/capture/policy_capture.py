"""One step of an episode through any policy, and what a run keeps of it."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from octoscope.capture.provenance import array_digest, computed_on
from octoscope.capture.step_capture import Arrays
from octoscope.episodes.episode import Episode
from octoscope.episodes.windows import observation_window
from octoscope.policies.bind import BoundEpisode
from octoscope.policies.noise import Noise
from octoscope.policies.policy_model import WantedAttention, Watched
from octoscope.runs.attention_selection import AttentionSelection


@dataclass(frozen=True, eq=False)
class PolicyCapture:
    """Acts at one step after another, and keeps what was selected of the attention of that very forward."""

    bound: BoundEpisode
    # One for each stack of which something is kept.
    selections: tuple[AttentionSelection, ...]
    # Of the noise; that of a step depends on the seed and the step alone.
    seed: int
    # Of the stored weights.
    dtype: str
    # Steps in one forward.
    batch: int = 1

    @property
    def episode(self) -> Episode:
        """The episode that is acted in."""
        return self.bound.episode

    def arrays_of(self, steps: Sequence[int]) -> list[Arrays]:
        """Returns the arrays of several steps, each from a forward of its own."""
        return [self.arrays_at(step) for step in steps]

    def arrays_at(self, step: int) -> Arrays:
        """Returns the arrays that a run stores for one step, from a forward of its own."""
        inputs = self.bound.at(step)
        watched = self.bound.policy.watch(inputs, Noise(self.seed, step), self._wanted())
        arrays: Arrays = {}
        for selection in self.selections:
            arrays |= self._attention_arrays(selection, watched)
        times, real = observation_window(step, self.bound.window)
        arrays["token_pad"] = (watched.token_pad, ("token",))
        arrays["timestep_pad_mask"] = (real, ("window",))
        arrays["frame_index"] = (times, ("window",))
        arrays["actions"] = (watched.actions, ("horizon", "dim"))
        robot = self.bound.policy.action_space(self.bound.episode.dataset).to_robot(watched.actions)
        if robot is not None:
            arrays["actions_robot"] = (np.asarray(robot, np.float32), ("horizon", "robot_dim"))
        return arrays

    @property
    def bytes_per_step(self) -> int:
        """What one step takes before compression."""
        return sum(each.bytes_per_step(self.bound.layout, dtype=self.dtype) for each in self.selections)

    def manifest(self, steps: Sequence[int]) -> dict[str, Any]:
        """Returns what the run says of itself; nothing in it depends on when or where it is made, but for versions and the device."""
        bound, card = self.bound, self.bound.policy.card
        return {
            "octoscope_version": version("octoscope"),
            "framework": {"name": card.framework, "version": card.framework_version},
            **computed_on(card.device),
            "batch": self.batch,
            "policy": card.name,
            "policy_family": card.family,
            "policy_note": card.note,
            "policy_step": card.step,
            "policy_sha256": card.digest,
            "facts": dict(card.facts),
            "episode": bound.episode.name,
            "episode_length": len(bound.episode),
            "episode_sha256": self._episode_digest(),
            "dataset": bound.episode.dataset,
            "instruction": bound.instruction or "",
            "remarks": list(bound.remarks),
            **({"recorded_instruction": bound.episode.instruction} if self._other_words else {}),
            "goal_images": sorted(bound.goal_images),
            "goal_sha256": {camera: array_digest(image) for camera, image in sorted(bound.goal_images.items())},
            "observations": {
                "given": {
                    **{camera: {"from": camera, "normalization": "0..255"} for camera in bound.cameras},
                    **{name: {"from": note} for name, note in bound.number_notes.items()},
                },
                "left_out": [camera for camera in bound.policy.needs.cameras if camera not in bound.cameras],
            },
            "seed": self.seed,
            "steps": list(steps),
            "attention": {each.stack: each.to_manifest() for each in self.selections},
            "dtype": self.dtype,
            "compute": "exact",
            "layout": bound.layout.to_json(),
            "transforms": {camera: dataclasses.asdict(made) for camera, made in bound.transforms.items()},
        }

    @property
    def _other_words(self) -> bool:
        return bool(self.bound.episode.instruction and self.bound.instruction) and (
            self.bound.instruction != self.bound.episode.instruction
        )

    def _wanted(self) -> list[WantedAttention]:
        layout = self.bound.layout
        return [
            WantedAttention(
                each.stack,
                tuple(int(place) for group in each.query_groups for place in each.query_places(layout, group)),
                tuple(int(place) for place in each.key_places(layout)),
                each.layers,
                each.passes,
            )
            for each in self.selections
        ]

    def _attention_arrays(self, selection: AttentionSelection, watched: Watched) -> Arrays:
        weights, layout = watched.weights[selection.stack].astype(self.dtype), self.bound.layout
        several = layout.stack(selection.stack).num_passes > 1
        arrays: Arrays = {}
        start = 0
        for group in selection.query_groups:
            stop = start + len(selection.query_places(layout, group))
            rows = weights[..., start:stop, :]
            arrays[selection.array_name(group)] = (rows if several else rows[0], selection.axes(layout, group))
            start = stop
        return arrays

    def _episode_digest(self) -> str:
        episode = self.bound.episode
        shown = {camera: episode.images[camera] for camera in self.bound.cameras}
        actions = {} if episode.actions is None else {"actions": episode.actions}
        given = sorted({**shown, **self.bound.numbers, **actions}.items())
        return hashlib.sha256("\n".join(f"{name} {array_digest(array)}" for name, array in given).encode()).hexdigest()
