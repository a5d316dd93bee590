"""A policy in a line, and on a card: what it is and what it takes, without its weights."""

from typing import TYPE_CHECKING, Any, cast

from octoscope.escaping.html_card import html_card
from octoscope.escaping.visible import visible

if TYPE_CHECKING:
    from octoscope.policies.policy_model import PolicyModel


class ShowsItself:
    """For policies whose own representation would print arrays; a policy need not inherit it."""

    def __repr__(self) -> str:
        """Returns one line."""
        policy = cast("PolicyModel", self)
        facts = "; ".join(f"{name} {fact}" for name, fact in _facts(policy).items() if fact)
        return f"{type(self).__name__} '{visible(policy.card.name)}' ({policy.card.family}): {facts}"

    def _repr_html_(self) -> str:
        policy = cast("PolicyModel", self)
        card = policy.card
        computed = f"{card.framework} {card.framework_version} on {card.device}"
        step = "" if card.step is None else str(card.step)
        told = {"family": card.family, **_facts(policy), "training step": step, "computed by": computed}
        return html_card(f"Policy {card.name}", told | {"note": card.note})


def _facts(policy: "PolicyModel") -> dict[str, str]:
    needs = policy.needs
    numbers = {name: "x".join(map(str, shape)) or "1" for name, shape in needs.numbers.items()}
    count = parameter_count(getattr(policy, "params", None))
    return {
        "cameras": ", ".join(f"{name} {width}x{height}" for name, (height, width) in needs.cameras.items()),
        "numbers": ", ".join(f"{name} ({shape})" for name, shape in numbers.items()),
        "words": "yes" if needs.words else "no",
        "window": f"{needs.window} of at most {needs.longest_window}" if needs.longest_window > 1 else "1",
        "parameters": f"{count:,}" if count else "",
    }


def parameter_count(params: Any) -> int:
    """Returns how many numbers nested mappings of arrays hold.

    >>> import numpy as np
    >>> parameter_count({"a": {"b": np.zeros((2, 3))}, "c": np.zeros(4)})
    10
    """
    if hasattr(params, "items"):
        return sum(parameter_count(part) for part in params.values())
    return int(getattr(params, "size", 0))
