"""How long a forward of a policy took in the last call on this machine, so that the next can say how long it will take."""

import contextlib
import json
import math

from octoscope.runs.durable_file import write_durably
from octoscope.user_path import user_cache

_FILE = "pace.json"


def last_pace(work: str) -> float | None:
    """Returns the seconds that a forward took in such work, all else that it does included; None where nobody knows."""
    pace = _paces().get(work)
    return pace if isinstance(pace, float) and math.isfinite(pace) and pace > 0 else None


def note_pace(work: str, seconds: float) -> None:
    """Keeps it for the next call; where it cannot be kept, nothing is lost but a sentence."""
    folder = user_cache()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / _FILE, json.dumps({**_paces(), work: seconds}).encode())


def told_time(seconds: float) -> str:
    """Returns a time as people say it.

    >>> told_time(0.4), told_time(48.0), told_time(400.0), told_time(9000.0)
    ('a second', '48 s', '7 min', '2.5 h')
    """
    if seconds < 1.5:
        return "a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _paces() -> dict[str, object]:
    try:
        paces = json.loads((user_cache() / _FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return paces if isinstance(paces, dict) else {}
