"""Which noise a policy acts under: a name for random numbers, of which each policy makes its own generator."""

from dataclasses import dataclass

from octoscope.errors import SelectionError

# Of seeds: what fits the key of every generator.
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Noise:
    """The noise of one step. The same name gives the same numbers; draws of different seeds, steps or numbers never meet."""

    seed: int
    # Step of the episode.
    step: int
    # 0 is the noise that a run's action was made under; others are for noise floors.
    draw: int = 0

    def __post_init__(self) -> None:
        """Refuses what names no noise.

        Raises:
          SelectionError: If the seed is out of range.
        """
        check_seed(self.seed)

    def other(self, draw: int) -> "Noise":
        """Returns another draw for the same step, numbered from 1."""
        return Noise(self.seed, self.step, draw)


def check_seed(seed: int) -> None:
    """Refuses a seed that no generator takes.

    Raises:
      SelectionError: If it is negative or too large.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise SelectionError(f"`seed` must be in 0..{LARGEST_SEED}, got {seed}.")
