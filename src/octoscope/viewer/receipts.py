"""Receipts: a number on the page, and where in which run it is stored, so that anybody who has the run can confirm it.

    octoscope:DIGEST:ARRAY:INDEX:VALUE
    octoscope:4f1c...:attention/transformer/readout_action:5,3,2,0,117:0.03125

DIGEST is of the run's manifest. INDEX names a place of each axis; "*" is the mean over an axis, "3+4" the mean over some places, of the
last axis (keys) their sum: a word of several pieces. A VALUE with "~" in front was read from a file that keeps rounded values.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from octoscope.errors import OctoscopeError, RunError, SelectionError
from octoscope.runs.run import Run
from octoscope.runs.stored_metadata import OWN
from octoscope.viewer.block import WORST_ERROR

_NAME = "octoscope"
_DIGITS = 16
# What two ways of rounding and of adding up leave of the same numbers.
_RELATIVE, _ABSOLUTE = 1e-4, 1e-7
_MOST_CHARACTERS = 2000


class ReceiptError(OctoscopeError):
    """A receipt cannot be read, or the run does not hold what it says."""


@dataclass(frozen=True)
class Receipt:
    """What a receipt says."""

    digest: str
    array: str
    # For each axis: places, None for all; several are averaged, keys added up.
    index: tuple[tuple[int, ...] | None, ...]
    value: float
    # Whether it was read from rounded values.
    rounded: bool

    @classmethod
    def parse(cls, text: str) -> "Receipt":
        """Reads a receipt.

        Raises:
          ReceiptError: If it is none.

        >>> Receipt.parse("octoscope:0123456789abcdef:attention/encoder/action:5,*,0+1:~0.25").index
        ((5,), None, (0, 1))
        """
        parts = text.strip().split(":")
        try:
            name, digest, array, index, value = parts
            axes = tuple(None if axis == "*" else tuple(map(int, axis.split("+"))) for axis in index.split(","))
            number = float(value.removeprefix("~"))
        except ValueError:
            name, digest, array, axes, number, value = "", "", "", (), 0.0, ""
        wrong = name != _NAME or len(digest) != _DIGITS or not np.isfinite(number) or len(text) > _MOST_CHARACTERS
        if wrong or any(place < 0 for axis in axes for place in axis or ()):
            raise ReceiptError(
                f"A receipt is octoscope:DIGEST:ARRAY:INDEX:VALUE, as the page copies it; got '{text[:80]}'."
            )
        return cls(digest, array, axes, number, value.startswith("~"))


def run_digest(run: Run) -> str:
    """Returns the digest by which receipts name a run: of its manifest, whatever files its arrays lie in."""
    told = {name: value for name, value in run.manifest.items() if name not in OWN}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def stored_value(run: Run, receipt: Receipt) -> tuple[float, float]:
    """Returns the number that a run holds where a receipt says, and by how much a rounded one may differ.

    Raises:
      ReceiptError: If the run has no such array or place.
      RunError: If it is damaged.
    """
    if not receipt.array.startswith("attention/") or not run.holds(receipt.array):
        raise ReceiptError(f"The run holds no array '{receipt.array[:80]}'.")
    first = receipt.index[0]
    shape = (len(run.steps), *run.read(receipt.array, slice(0, 1)).shape[1:])
    fits = len(receipt.index) == len(shape) and all(
        axis is None or max(axis) < size for axis, size in zip(receipt.index, shape, strict=False)
    )
    if not fits:
        raise ReceiptError(f"{receipt.array} has the shape {shape}; the receipt names another place.")
    places = range(shape[0]) if first is None else first
    values = np.stack([run.read(receipt.array, int(place)) for place in places]).astype(np.float64)
    for axis, chosen in enumerate(receipt.index[1:], start=1):
        values = values if chosen is None else values.take(chosen, axis=axis)
    *_, keys = receipt.index
    total = values.mean(axis=tuple(range(values.ndim - 1)))
    # A byte a value: half a step of the largest of each row that went in, for each key that was added.
    whole = np.stack([run.read(receipt.array, int(place)) for place in places]).astype(np.float64).max()
    return float(total.mean() if keys is None else total.sum()), float(whole) * WORST_ERROR * len(keys or (0,))


def check_receipt(run: Run, text: str) -> str:
    """Returns a sentence that confirms a receipt.

    Raises:
      ReceiptError: If it is none, is of another run, or the run holds another number there.
    """
    receipt = Receipt.parse(text)
    if receipt.digest != run_digest(run):
        raise ReceiptError(f"The receipt is of the run {receipt.digest}, this is {run_digest(run)}.")
    try:
        stored, rounding = stored_value(run, receipt)
    except SelectionError as error:
        raise ReceiptError(str(error)) from None
    allowed = rounding if receipt.rounded else _ABSOLUTE + _RELATIVE * abs(stored)
    if abs(stored - receipt.value) > allowed:
        raise ReceiptError(
            f"The receipt says {receipt.value:g}; the run holds {stored:g} in {receipt.array} at that place."
        )
    rounded = f" (rounded in the file; the run's own is {stored:g})" if receipt.rounded else ""
    return f"confirmed: {receipt.value:g}{rounded}, {receipt.array}, {run.manifest['policy']} over {run.manifest['episode']}"


def same_run(run: Run, text: str) -> bool:
    """Returns whether a receipt is of a run."""
    try:
        return Receipt.parse(text).digest == run_digest(run)
    except (ReceiptError, RunError):
        return False
