"""What tests and doctests share: what is left out when an optional package is missing, and the embedded policies."""

import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

_NEEDS_TORCH = ["src/octoscope/cnn/*/torch_*.py", "src/octoscope/policies/torch_hooks/*.py"]
collect_ignore_glob = [] if importlib.util.find_spec("torch") else _NEEDS_TORCH


@pytest.fixture(scope="session", autouse=True)
def _embedded_policies_are_loaded_once() -> Iterator[None]:
    """Lets tests, doctests and commands share the embedded policies, and with them what jax has traced and compiled for them."""
    from octoscope.embedded.files import EMBEDDED
    from octoscope.policies.octo.model import OctoModel

    load = OctoModel.load_pretrained
    once = functools.cache(load)

    def load_pretrained(cls: type[OctoModel], checkpoint: str | Path, *, step: int | None = None) -> OctoModel:
        return once(checkpoint) if checkpoint in EMBEDDED and step is None else load(checkpoint, step=step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OctoModel, "load_pretrained", classmethod(load_pretrained))
        yield
