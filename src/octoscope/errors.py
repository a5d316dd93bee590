"""What a user can mend: every error here says what was expected, what came and what to do next."""

import difflib
from collections.abc import Iterable


class OctoscopeError(Exception):
    """Something the user can mend; the command line prints it without a traceback and exits with code 2."""


class CheckpointError(OctoscopeError):
    """A checkpoint is missing, unreadable, or does not fit the policy its config describes."""


class ConfigError(OctoscopeError):
    """A checkpoint's config names something that is not known here."""


class DeviceError(OctoscopeError):
    """A device was asked for that is not there."""


class EpisodeError(OctoscopeError):
    """An episode or dataset is missing, unreadable, or lacks what was asked for."""


class ObservationError(OctoscopeError):
    """An observation or task does not have the shape the policy was made for."""


class SelectionError(OctoscopeError):
    """A step, layer, head, camera or query was asked for that does not exist."""


class OutputError(OctoscopeError):
    """The output folder cannot be written, or holds an earlier result."""


class RunError(OctoscopeError):
    """A run is missing, incomplete, or of another format."""


class FindingError(OctoscopeError):
    """A finding is missing, damaged, or of another format."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after the work at hand was finished; says what was kept and how to go on."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the known name closest to `name`, or "" when none is close.

    >>> nearest("primry", ["primary", "wrist"])
    " Did you mean 'primary'?"
    """
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def check_at_least(least: int, **numbers: int | None) -> None:
    """Refuses the first of some named numbers that is too small; None passes.

    Raises:
      SelectionError: If one is below `least`.

    >>> check_at_least(1, batch=0)
    Traceback (most recent call last):
    octoscope.errors.SelectionError: `batch` must be at least 1, got 0.
    """
    for name, number in numbers.items():
        if number is not None and number < least:
            raise SelectionError(f"`{name}` must be at least {least}, got {number}.")
