"""A run in a line, and on a card."""

from typing import TYPE_CHECKING

from octoscope.escaping.html_card import html_card
from octoscope.escaping.visible import visible

if TYPE_CHECKING:
    from octoscope.runs.run import Run


def run_line(run: "Run") -> str:
    """Returns whose run it is and what it holds, in a line."""
    facts = run.manifest
    return (
        f"Run of {visible(str(facts['policy']))} over '{visible(str(facts['episode']))}': {len(run.steps)} of "
        f"{facts['episode_length']} steps; {_stacks(run)}"
    )


def run_card(run: "Run") -> str:
    """Returns the same with its words and the frames of its middle step, as HTML."""
    facts = run.manifest
    middle = run.steps[len(run.steps) // 2] if run.steps else 0
    shown = [camera for camera in run.cameras if run.holds(f"frames/{camera}")] if run.steps else []
    frames = [run.frame(camera, time=int(run.frame_index(step=middle)[-1])) for camera in shown]
    told = {
        "policy": " ".join(filter(None, (str(facts["policy"]), str(facts.get("policy_note", ""))))),
        "episode": str(facts["episode"]),
        "instruction": str(facts.get("instruction", "")),
        "steps": f"{len(run.steps)} of {facts['episode_length']}",
        "attention": _stacks(run),
        "computed": f"seed {facts.get('seed')}, {facts.get('device', 'device unknown')}, {facts.get('dtype', '')}",
    }
    return html_card("Run", told, frames)


def _stacks(run: "Run") -> str:
    several = len(run.stacks) > 1
    return ", ".join(
        f"{f'{stack.name}: ' if several else ''}{len(run.of_stack(stack.name).layers)} layers x {stack.num_heads} heads of "
        f"{', '.join(run.of_stack(stack.name).query_groups)}"
        for stack in run.stacks
    )
