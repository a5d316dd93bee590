"""A policy from whatever lies at a path: each family says whether a folder is of its kind.

Families register in the entry-point group `octoscope.policies`: a function that takes the path as it was typed and returns a policy, or
None where what lies there is not for it.
"""

from importlib.metadata import EntryPoint, entry_points

from octoscope.errors import CheckpointError
from octoscope.policies.policy_model import PolicyModel

GROUP = "octoscope.policies"


def open_policy(path: str) -> PolicyModel:
    """Returns the policy at a path, of whatever family claims it first, in the order of their names.

    Args:
      path: A folder, 'hf://owner/name', or a name that a family knows ('demo', 'toy').

    Raises:
      CheckpointError: If no family knows what lies there, or what lies there is broken.
    """
    policy = find_policy(path)
    if policy is None:
        names = ", ".join(family.name for family in _families()) or "none"
        raise CheckpointError(f"{path} is no policy that is known here. Families asked: {names}. Check the path.")
    return policy


def find_policy(path: str) -> PolicyModel | None:
    """Returns the policy at a path; None where no family claims what lies there.

    Raises:
      CheckpointError: If what lies there is broken.
    """
    policies = (family.load()(path) for family in _families())
    return next((policy for policy in policies if policy is not None), None)


def _families() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda point: point.name)
