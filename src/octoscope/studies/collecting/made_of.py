"""What all episodes of a work have in common: the policy, the dataset, and what is given."""

from octoscope.policies.policy_model import as_policy
from octoscope.studies.opening import Opened
from octoscope.studies.options.given import Given

_GIVEN = ("split", "cameras", "turn", "swap_red_blue", "observation", "window", "task", "goal_image")


def made_of(opened: Opened, given: Given) -> dict[str, object]:
    """Returns policy, dataset and what is given; JSON."""
    policy, source = as_policy(opened.model), opened.source
    return {
        "policy": {
            "name": policy.card.name,
            "family": policy.card.family,
            "step": policy.card.step,
            "sha256": policy.digest(),
        },
        "dataset": {
            "name": getattr(source, "name", ""),
            "split": getattr(source, "split", ""),
            "episodes": len(source),
        },
        "given": {name: getattr(given, name) for name in _GIVEN},
    }
