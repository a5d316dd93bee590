"""octoscope: see what a robot policy looks at, and test whether it matters.

The public names stand in `__init__.pyi`, where type checkers read them. Each is imported on first use, so that what reads runs and draws
pictures never loads jax.
"""

import ast
import importlib
from pathlib import Path
from typing import Any


def _read_stub() -> dict[str, tuple[str, str]]:
    """Returns for each public name the module it lives in, and what it is called there."""
    imported: dict[str, tuple[str, str]] = {}
    public: dict[str, tuple[str, str]] = {}
    for line in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom):
            imported |= {alias.name: (str(line.module), alias.name) for alias in line.names}
            # As in any stub: only what is imported under its own name once more is public.
            public |= {alias.name: imported[alias.name] for alias in line.names if alias.asname}
        elif (
            isinstance(line, ast.Assign) and isinstance(line.value, ast.Name) and isinstance(line.targets[0], ast.Name)
        ):
            public[line.targets[0].id] = imported[line.value.id]
    return public


_PUBLIC = _read_stub()
__all__ = sorted(_PUBLIC)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Returns a public name, importing its module now."""
    if name == "__version__":
        from importlib.metadata import version

        return version("octoscope")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'octoscope' has no attribute '{name}'")
    module, own_name = _PUBLIC[name]
    return getattr(importlib.import_module(module), own_name)


def __dir__() -> list[str]:
    """Returns the public names."""
    return __all__
