"""A policy from whatever lies at a path: each family says whether a folder is of its kind.

Families register in the entry-point group `octoscope.policies`: a function that takes the path as it was typed and `OpenOptions`, and
returns a policy, or None where what lies there is not for it.
"""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from octoscope.errors import CheckpointError, SelectionError
from octoscope.policies.abilities import Redrawable
from octoscope.policies.device_names import Device
from octoscope.policies.policy_model import PolicyModel

GROUP = "octoscope.policies"
# Asked last: it says what is wrong with what nobody knows.
_LAST = "octo"


@dataclass(frozen=True)
class OpenOptions:
    """How a policy is opened."""

    # What it runs on; a GPU where there is one, by default.
    device: Device = "auto"
    # Training step of the parameters, where a checkpoint holds several; the latest by default.
    step: int | None = None
    # Whether compiled programs are kept in the user's cache folder, so that the next start needs seconds less.
    keep_compiled: bool = False
    # Seed to draw all weights anew from, of a policy that is `Redrawable`: a control that has learnt nothing.
    random_weights: int | None = None

    def refuse_step(self) -> None:
        """For a family whose folders hold one step.

        Raises:
          SelectionError: If a step was asked for.
        """
        if self.step is not None:
            raise SelectionError("--checkpoint-step is for Octo's checkpoints: leave it out for this policy.")


def open_policy(path: str, options: OpenOptions | None = None) -> PolicyModel:
    """Returns the policy at a path, of whatever family claims it first, in the order of their names; Octo is asked last.

    Args:
      path: A folder, 'hf://owner/name', or a name that a family knows ('demo', 'demo-act', 'toy').
      options: Device and training step; by default a GPU where there is one, and the latest.

    Raises:
      CheckpointError: If no family knows what lies there, or what lies there is broken.
      DeviceError: If the device is not there.
      SelectionError: If there are no steps to choose from, or its weights cannot be drawn anew.
    """
    for family in _families():
        policy = family.load()(path, options or OpenOptions())
        if policy is not None:
            return _drawn(policy, options)
    names = ", ".join(family.name for family in _families()) or "none"
    raise CheckpointError(f"{path} is no policy that is known here. Families asked: {names}. Check the path.")


def claimed_policy(path: str, options: OpenOptions | None = None) -> PolicyModel | None:
    """Returns the policy at a path where a family other than the one that is asked last claims it; None elsewhere. See `open_policy`."""
    for family in _families():
        policy = None if family.name == _LAST else family.load()(path, options or OpenOptions())
        if policy is not None:
            return policy
    return None


def _drawn(policy: PolicyModel, options: OpenOptions | None) -> PolicyModel:
    if options is None or options.random_weights is None:
        return policy
    if not isinstance(policy, Redrawable):
        raise SelectionError(
            f"--random-weights: the weights of {policy.card.name} ({policy.card.family}) cannot be drawn anew here; leave it out."
        )
    return policy.redrawn(policy.stages, seed=options.random_weights)


def _families() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda point: (point.name == _LAST, point.name))
