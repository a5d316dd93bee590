"""Parameters that are not finite, named: one NaN makes all that follows NaN."""

from collections.abc import Iterable

import numpy as np

# Parameters named in a message.
_SHOWN = 5


def describe_not_finite(arrays: Iterable[tuple[str, np.ndarray]]) -> str | None:
    """Returns one sentence that names the parameters that are not finite in float32; None when all are."""
    broken: list[str] = []
    for path, array in arrays:
        with np.errstate(over="ignore"):
            bad = int(array.size - np.isfinite(array.astype(np.float32, copy=False)).sum())
        if bad:
            broken.append(f"{path} ({bad:,} of {array.size:,})")
    if not broken:
        return None
    more = f" and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    return (
        f"Parameters are not finite: {', '.join(broken[:_SHOWN])}{more}. The training diverged or the file is damaged: take an "
        "earlier step, or copy the file again."
    )
