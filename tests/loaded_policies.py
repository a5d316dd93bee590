"""Policies that were loaded before, so that a hundred commands on the same files trace and compile them once.

A policy is loaded anew wherever a byte of its files has changed. Where loading itself is tested (`loads_anew`), it always is.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octoscope.embedded.files import EMBEDDED

# Each keeps its compiled programs alive.
_MOST = 4


class LoadedPolicies:
    """Stands in for `OctoModel.load_pretrained`."""

    def __init__(self) -> None:
        self._policies: OrderedDict[tuple, Any] = OrderedDict()
        self._original: Any = None

    def share(self) -> None:
        """From here on, a policy of the same name and files is the same object."""
        from octoscope.policies.octo.model import OctoModel

        if self._original is None:
            self._original = vars(OctoModel)["load_pretrained"]
            OctoModel.load_pretrained = staticmethod(self._load)

    @contextmanager
    def loads_anew(self) -> Iterator[None]:
        """Puts the product's own function back."""
        from octoscope.policies.octo.model import OctoModel

        sharing = vars(OctoModel)["load_pretrained"]
        OctoModel.load_pretrained = self._original
        try:
            yield
        finally:
            OctoModel.load_pretrained = sharing

    def _load(self, checkpoint: str | Path, *, step: int | None = None) -> Any:
        from octoscope.policies.octo.model import OctoModel

        load = self._original.__get__(None, OctoModel)
        folder = Path(checkpoint)
        if not folder.is_dir() and str(checkpoint) not in EMBEDDED:
            return load(checkpoint, step=step)
        key = (str(checkpoint), folder.resolve(), step, _digest(folder))
        if key not in self._policies:
            self._policies[key] = load(checkpoint, step=step)
            if len(self._policies) > _MOST:
                self._policies.popitem(last=False)
        self._policies.move_to_end(key)
        return self._policies[key]


def _digest(folder: Path) -> str:
    """Returns a digest of all files of a folder; that of nothing where there is none: an embedded policy's never change."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder)} {file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


LOADED = LoadedPolicies()
