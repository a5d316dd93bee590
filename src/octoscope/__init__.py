"""octoscope: see what an Octo robot policy looks at, and test whether it matters."""

import importlib
from typing import Any

# Public name -> module it lives in. Loaded on first use, so that what reads runs and draws pictures never loads jax.
_PUBLIC = {
    "AttentionMap": "octoscope.attention.maps",
    "Episode": "octoscope.episodes.episode",
    "NormalizationType": "octoscope.octo.action_normalization",
    "OctoModel": "octoscope.octo.model",
    "OctoscopeError": "octoscope.errors",
    "QueryRow": "octoscope.attention.query",
    "Run": "octoscope.runs.run",
    "TokenLayout": "octoscope.tokens.layout",
    "attend": "octoscope.capture.attend",
    "attention_maps": "octoscope.attention.maps",
    "attention_rule_mask": "octoscope.tokens.attention_rules",
    "attention_shares": "octoscope.attention.shares",
    "attention_weights": "octoscope.octo.states",
    "find_query": "octoscope.attention.query",
    "open_episodes": "octoscope.episodes.sources",
    "render_film_frames": "octoscope.pictures.attention_film",
    "render_layout": "octoscope.pictures.layout_picture",
    "render_sheet": "octoscope.pictures.attention_sheet",
    "resize_image": "octoscope.octo.image_resize",
    "write_attention_results": "octoscope.pictures.attention_results",
}
# Public names that differ from the name in their module.
_RENAMED = {"render_sheet": "render_attention_sheet", "render_film_frames": "attention_film_frames"}

__all__ = sorted(_PUBLIC)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Returns a public name, importing its module now."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'octoscope' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), _RENAMED.get(name, name))


def __dir__() -> list[str]:
    """Returns the public names."""
    return __all__
