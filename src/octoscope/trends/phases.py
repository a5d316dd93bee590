"""Phases of an episode, cut by gripper and speed: a rule that is printed, and how much hangs on its numbers."""

from dataclasses import dataclass, replace

import numpy as np

from octoscope.array_typing import Int
from octoscope.trends import motion
from octoscope.trends.motion import Motion

PHASES = ("reach", "hover", "grasp", "carry", "after")
# A gripper that moves less, in its own unit, does not switch.
_LEAST_RANGE = 0.1


@dataclass(frozen=True)
class PhaseRule:
    """How phases are cut."""

    # Slower than this part of the episode's median speed is "hover".
    slow: float = 0.5
    # Steps on either side of the gripper's first switch that are "grasp".
    around: int = 1

    def sentence(self) -> str:
        """Returns the rule as it is printed."""
        steps = "1 step" if self.around == 1 else f"{self.around} steps"
        return (
            f"Phases: 'grasp' is within {steps} of the gripper's first switch (its number crosses the middle of its range in the "
            f"episode, if that is {_LEAST_RANGE:g} or more); 'carry' from there to its second switch, 'after' from then on; before the "
            f"first switch, or where there is none, 'hover' is slower than {self.slow:g} of the episode's median speed and 'reach' is "
            f"all else. {motion.RULE}"
        )

    def others(self) -> tuple["PhaseRule", ...]:
        """Returns the rule with each of its numbers lower and higher."""
        return (
            replace(self, slow=self.slow / 2),
            replace(self, slow=self.slow * 1.5),
            replace(self, around=0),
            replace(self, around=self.around + 1),
        )


def phases_of(recorded: Motion, rule: PhaseRule) -> Int[np.ndarray, " step"]:
    """Returns the phase of each step, as its place in `PHASES`; -1 where the speed is not known.

    >>> still = Motion(speed=(1.0, 1.0, 0.1, 0.1, 1.0, 1.0, 1.0), gripper=(1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    >>> [PHASES[phase] for phase in phases_of(still, PhaseRule())]
    ['reach', 'reach', 'grasp', 'grasp', 'grasp', 'carry', 'after']
    """
    speed = np.array(recorded.speed, np.float64)
    known = np.isfinite(speed)
    typical = float(np.median(speed[known])) if known.any() else 0.0
    phases = np.where(speed < rule.slow * typical, PHASES.index("hover"), PHASES.index("reach"))
    switches = _switches(np.array(recorded.gripper, np.float64))
    steps = np.arange(len(speed))
    if len(switches):
        phases[steps >= switches[0]] = PHASES.index("carry")
        if len(switches) > 1:
            phases[steps >= switches[1]] = PHASES.index("after")
        # The switch lies between two steps: the one before counts as the first of it.
        near = (steps >= switches[0] - rule.around) & (steps <= switches[0] + rule.around)
        phases[near] = PHASES.index("grasp")
    return np.where(known, phases, -1)


def _switches(gripper: np.ndarray) -> np.ndarray:
    known = gripper[np.isfinite(gripper)]
    if len(known) < 2 or np.ptp(known) < _LEAST_RANGE:
        return np.array([], int)
    above = gripper > (known.min() + known.max()) / 2
    return np.flatnonzero(above[1:] != above[:-1]) + 1
