"""Whether numbers that somebody copied from the page are in the runs that they name."""

from pathlib import Path

from octoscope.errors import RunError
from octoscope.runs.find_runs import find_runs
from octoscope.runs.run import Run
from octoscope.studies.options.runs import CheckReceiptOptions
from octoscope.studies.telling import Tell, silent
from octoscope.viewer.receipts import Receipt, ReceiptError, check_receipt, run_digest


def check_receipts(options: CheckReceiptOptions, *, tell: Tell = silent, progress: bool = False) -> None:
    """Tells a sentence for each receipt that a run confirms.

    Raises:
      ReceiptError: If one is no receipt, is of no run there, or its run holds another number.
    """
    receipt = Receipt.parse(options.receipt)
    digests: list[str] = []
    for path in (path for given in options.runs for path in _runs_at(given)):
        run = Run.open(path)
        digests.append(run_digest(run))
        if receipt.digest == digests[-1]:
            tell(f"{path}: {check_receipt(run, options.receipt)}")
            return
    raise ReceiptError(
        f"The receipt is of the run {receipt.digest}; none of {len(digests)} is that: {', '.join(digests[:5])}."
    )


def _runs_at(given: Path) -> list[Path]:
    """Returns the run at a path, or the whole runs below it.

    Raises:
      RunError: If there is none.
    """
    if (given / "zarr.json").exists():
        return [given]
    paths = [summary.path for summary in find_runs(given) if summary.whole]
    if not paths:
        raise RunError(f"There is no whole run in {given}.")
    return paths
