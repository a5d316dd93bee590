"""What interventions did to the action of one step, beside what noise does and what a random region does."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from octoscope.array_typing import Bool, Float, UInt8
from octoscope.interventions.descriptions import Intervention
from octoscope.policies.action_units import ActionUnits


def action_change(
    before: Float[np.ndarray, "horizon dim"], after: Float[np.ndarray, "*batch horizon dim"]
) -> Float[np.ndarray, "*batch"]:
    """Returns how far actions are from one action: the root mean square over horizon and dimensions.

    Of normalised actions it is in standard deviations of the dataset's actions (half of its range, where the policy was trained on
    bounds); dimensions that the dataset leaves as recorded count as recorded. Callers leave out dimensions that the dataset never moves.

    >>> float(action_change(np.zeros((2, 2)), np.full((2, 2), 3.0)))
    3.0
    """
    return np.asarray(np.sqrt(((after - before).astype(np.float64) ** 2).mean(axis=(-2, -1))))


@dataclass(frozen=True, eq=False)
class Effect:
    """What one intervention did."""

    intervention: Intervention
    # The action after minus the action before, under the same noise.
    change: Float[np.ndarray, "horizon dim"]
    # The same in the units of `StepEffects.units`; None where the dataset's statistics are not known.
    robot_change: Float[np.ndarray, "horizon robot_dim"] | None
    # `action_change` it makes: how large the change is.
    size: float
    # `action_change` of random regions of the same area, and as many keys, that share at most 5 % of the region; empty where there is
    # no such thing.
    controls: Float[np.ndarray, " control"]
    # The current frame of each camera that was changed, as the policy got it.
    pictures: Mapping[str, UInt8[np.ndarray, "_ _ channel"]]
    # Patches of each camera's current frame that were masked as keys.
    masked: Mapping[str, Bool[np.ndarray, "_ _"]]
    # The words that the policy got instead, where they changed; "" for none.
    words: str | None
    # `action_change` when the masked keys are hidden from the current readout's own attention alone, by the fast pass that is exact for
    # the direct path only (see `knock_out_keys`); NaN where something else than keys is changed.
    direct: float = float("nan")
    # Why there are fewer controls than asked for; "" where there are not.
    controls_note: str = ""

    @property
    def label(self) -> str:
        """What the intervention is called."""
        return self.intervention.label

    def per_dimension(self) -> Float[np.ndarray, " dim"]:
        """Returns the root mean square over the horizon, in the dataset's units where they are known."""
        change = self.change if self.robot_change is None else self.robot_change
        return np.sqrt((change.astype(np.float64) ** 2).mean(axis=0))


@dataclass(frozen=True, eq=False)
class StepEffects:
    """The effects of all interventions on one step."""

    policy: str
    note: str
    episode: str
    step: int
    # "" for none.
    instruction: str
    seed: int
    # What the policy does undisturbed.
    action: Float[np.ndarray, "horizon dim"]
    robot_action: Float[np.ndarray, "horizon robot_dim"] | None
    units: ActionUnits
    # False for dimensions that the dataset never moves: they do not count in any size.
    moves: Bool[np.ndarray, " dim"]
    effects: tuple[Effect, ...]
    # `action_change` to the same inputs under other noises.
    noise: Float[np.ndarray, " draw"]
    # The noise floor of each dimension for itself, in the units of the effects: as `noise_floor`, the mean over draws of each draw's root
    # mean square, here over the horizon.
    noise_per_dimension: Float[np.ndarray, " dim"]
    # The current frame of each camera, as the policy sees it.
    pictures: Mapping[str, UInt8[np.ndarray, "_ _ channel"]]
    # Why there is no `direct` although keys were masked; "" where there is.
    direct_note: str = ""
    # What else must be known: that the instruction was cut.
    remarks: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """Returns what a reader of the effects must know, in sentences."""
        few: dict[str, list[str]] = {}
        for effect in self.effects:
            if effect.controls_note:
                few.setdefault(effect.controls_note, []).append(effect.label)
        lines = [f"Random places: {note}: {', '.join(labels)}." for note, labels in few.items()]
        return [*self.remarks, *lines, *([self.direct_note] if self.direct_note else [])]

    @property
    def noise_floor(self) -> float:
        """The mean over draws of the change under other noise; 0 for a policy that draws none, NaN where none were drawn."""
        return float(self.noise.mean()) if len(self.noise) else float("nan")
