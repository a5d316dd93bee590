"""What an option may be given, said beside its type: `seed: Seed = 0`. Checked before anything is opened."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, runtime_checkable

from octoscope.errors import SelectionError, nearest
from octoscope.studies.selection import check_selection, parse_pairs, parse_share

# Far more than any recording has, and still a number that arrays can be asked for.
MOST = 10**9


@runtime_checkable
class Allowed(Protocol):
    """What may be given; a rule for tuples is asked for each entry unless it says otherwise."""

    def check(self, name: str, value: Any) -> None:
        """Raises SelectionError, naming the option, what is allowed, and what came."""
        ...


@dataclass(frozen=True)
class Between:
    """A number, both ends included; nan never is."""

    least: int | float
    most: int | float
    # The least itself is too small.
    above: bool = False

    def check(self, name: str, value: int | float) -> None:
        """Raises SelectionError outside."""
        if not self.least <= value <= self.most or (self.above and value == self.least):
            wanted = f"in {self.least}..{self.most}{f', above {self.least}' if self.above else ''}"
            if value < self.least and self.most == MOST:
                wanted = f"at least {self.least}"
            raise SelectionError(f"{name} must be {wanted}, got {_shortened(value)}.")


@dataclass(frozen=True)
class OneOf:
    """One of some names."""

    names: tuple[str, ...]

    def check(self, name: str, value: str) -> None:
        """Raises SelectionError for another, with the nearest."""
        if value not in self.names:
            raise SelectionError(
                f"{name} must be of {', '.join(self.names)}, got '{_shortened(value)}'.{nearest(value, self.names)}"
            )


@dataclass(frozen=True)
class Selected:
    """Indices and ranges: "all", "3", "0,2,5", "4:8". Whether there are so many is known later."""

    what: str
    # Whether names are taken as well; whether there are such is known later.
    or_names: bool = False

    def check(self, name: str, value: str) -> None:
        """Raises SelectionError where it is none."""
        if not self.or_names:
            check_selection(value, what=self.what)
        elif not all(part.strip() for part in value.split(",")):
            raise SelectionError(f'{name} takes names and numbers with commas between, got "{_shortened(value)}".')


@dataclass(frozen=True)
class Passes:
    """Passes that make one action: "last", "all", "mean", or a selection."""

    def check(self, name: str, value: str) -> None:
        """Raises SelectionError where it is none."""
        if value not in ("last", "all", "mean"):
            check_selection(value, what="pass")


@dataclass(frozen=True)
class Pair:
    """NAME=VALUE."""

    example: str

    def check(self, name: str, value: str) -> None:
        """Raises SelectionError where a part is missing."""
        parse_pairs((value,), what=name, example=self.example)


@dataclass(frozen=True)
class Share:
    """I/N: the I-th of N parts, from 0."""

    def check(self, name: str, value: str) -> None:
        """Raises SelectionError where it is none."""
        parse_share(value, what=name)


Index = Annotated[int, Between(-MOST, MOST)]
Positive = Annotated[int, Between(1, MOST)]
NotNegative = Annotated[int, Between(0, MOST)]


def check_value(name: str, value: Any, rules: Iterable[Any]) -> None:
    """Asks every rule about a value, and about each entry of a tuple.

    Raises:
      SelectionError: If one does not allow it.
    """
    for rule in rules:
        # Nothing at all is the default of many.
        if not isinstance(rule, Allowed) or value is None or value == ():
            continue
        entries = value if isinstance(value, tuple) else (value,)
        for entry in entries:
            rule.check(name, entry)


def _shortened(value: object, most: int = 60) -> str:
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"
