"""Runs of formats 1 and 2, brought to today's manifest when they are opened; nothing on disk is changed.

Both are runs of Octo alone: who may look at whom, and what a piece of the instruction is, stands in them only as Octo's names, a flag,
and T5's spellings. Format 1 has one file per step, and all layers and keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from octoscope.plain_data import read_plain
from octoscope.policies.octo.attention_rules import STACK, with_octo_stack
from octoscope.policies.octo.words.word_pieces import describe_pieces
from octoscope.tokens.layout import TokenLayout, TokenSpan
from octoscope.tokens.words import InstructionReading

_ATTENTION = ("query_groups", "query_timesteps", "key_groups", "layers")
_MOST_TOKENS = 10**4
# The last format that is brought to today's.
OLDER = 2


@dataclass(frozen=True)
class _OldLayout:
    """The layout as formats 1 and 2 hold it."""

    spans: tuple[TokenSpan, ...]
    window: int
    # False for the checkpoints of December 2023.
    use_correct_attention: bool
    # One for each language token, as T5's tokenizer spells it.
    word_pieces: tuple[str, ...] | None = None
    unrecorded: tuple[str, ...] = ()
    reading: InstructionReading | None = None


def upgraded_manifest(manifest: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Returns what a run of an older format says, as one of today would say it.

    Args:
      manifest: As it is stored.
      shapes: Of the run's arrays, by name: format 1 leaves the numbers of layers and heads to them.

    Raises:
      KeyError, TypeError, ValueError: If the manifest is damaged.
    """
    query_groups = manifest["query_groups"]
    shape = shapes[f"attention/{query_groups[0]}"]
    num_layers = manifest.get("num_layers") or shape[1]
    layout = _layout(manifest["layout"], num_layers, manifest.get("num_heads") or shape[2])
    kept = {
        "query_groups": query_groups,
        "query_timesteps": manifest.get("query_timesteps", "current"),
        "key_groups": manifest.get("key_groups", list(layout.groups)),
        "layers": manifest.get("layers", list(range(num_layers))),
    }
    gone = (*_ATTENTION, "num_layers", "num_heads", "jax_version")
    same = {name: value for name, value in manifest.items() if name not in gone}
    framework = {"name": "jax", "version": manifest.get("jax_version", "")}
    return {**same, "framework": framework, "layout": layout.to_json(), "attention": {STACK: kept}}


def _layout(data: Any, num_layers: int, num_heads: int) -> TokenLayout:
    old: _OldLayout = read_plain(_OldLayout, data, "layout")
    layout = TokenLayout(old.spans, old.window, unrecorded=old.unrecorded)
    if not 0 < sum(span.size for span in old.spans) <= _MOST_TOKENS:
        raise ValueError(f"layout: {layout.size} tokens")
    if old.word_pieces is not None:
        layout = layout.with_pieces(describe_pieces(old.word_pieces), old.reading)
    return with_octo_stack(layout, num_layers, num_heads, use_correct_attention=old.use_correct_attention)
