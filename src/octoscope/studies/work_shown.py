"""What a study will cost, told before it begins, and how far it has come, by forwards of the policy."""

import contextlib
from collections.abc import Iterator

from tqdm import tqdm

from octoscope.policies.forward_count import counting_forwards
from octoscope.studies.telling import Tell

# Rather too few digits than ones that nobody can know.
_DIGITS = 2


@contextlib.contextmanager
def work_shown(forwards: int | None, *, tell: Tell, progress: bool) -> Iterator[None]:
    """Tells about how many forwards are to come, and shows them while the block runs.

    Args:
      forwards: About so many; None where nobody knows, 0 where there are none.
      tell: Takes the sentence.
      progress: Show a bar, which tells from its pace how long the rest takes.
    """
    if not forwards and forwards is not None:
        yield
        return
    if forwards is not None:
        tell(f"About {rounded(forwards):,} forwards of the policy; the bar says how long the rest takes.")
    with (
        tqdm(total=forwards, desc="forwards", unit="forward", disable=not progress, smoothing=0.1) as bar,
        counting_forwards(bar.update),
    ):
        yield
        # An estimate that was not met would leave a bar that looks unfinished.
        bar.total = bar.n


def rounded(forwards: int) -> int:
    """Returns a number to two digits.

    >>> rounded(12345), rounded(96), rounded(7)
    (12000, 96, 7)
    """
    scale = 10 ** max(0, len(str(forwards)) - _DIGITS)
    return round(forwards / scale) * scale
