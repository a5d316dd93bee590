"""How often 95 % intervals of a mean over few episodes hold it: `python benchmarks/interval_coverage.py`; about two minutes.

Prints the tables of docs/faithfulness.md. Values are drawn from populations of known mean, shaped as scores are.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tyro
from scipy import stats

from octoscope.intervals import UNBOUNDED, mean_interval

Draw = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Population:
    """What episodes are drawn from."""

    draw: Draw
    mean: float
    bounds: tuple[float, float] = UNBOUNDED


# Gauss-Hermite: the mean of tanh of a normal variable has no formula.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
_CORRELATION = float((np.tanh(1.2 + 0.5 * _NODES) * _WEIGHTS).sum() / _WEIGHTS.sum())
POPULATIONS: Mapping[str, Population] = {
    "normal": Population(lambda rng, count: rng.normal(size=count), 0.0),
    "exponential": Population(lambda rng, count: rng.exponential(size=count), 1.0, (0.0, np.inf)),
    "lognormal": Population(lambda rng, count: np.exp(rng.normal(size=count)), float(np.exp(0.5)), (0.0, np.inf)),
    "small share": Population(lambda rng, count: rng.beta(0.5, 4.5, count), 0.1, (0.0, 1.0)),
    "share": Population(lambda rng, count: rng.beta(2, 18, count), 0.1, (0.0, 1.0)),
    "correlation": Population(lambda rng, count: np.tanh(rng.normal(1.2, 0.5, count)), _CORRELATION, (-1.0, 1.0)),
    "hits, 9 of 10": Population(lambda rng, count: (rng.random(count) < 0.9) * 1.0, 0.9, (0.0, 1.0)),
}
_COUNTS = (3, 4, 5, 6, 8, 10, 15, 20, 30)


def ours(values: np.ndarray, population: Population) -> tuple[float, float]:
    """Returns what octoscope gives."""
    return mean_interval(values, bounds=population.bounds)


def student(values: np.ndarray, population: Population) -> tuple[float, float]:
    """Returns Student's t interval."""
    found = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    return found.low, found.high


def percentile(values: np.ndarray, population: Population) -> tuple[float, float]:
    """Returns SciPy's percentile bootstrap."""
    return _scipy(values, "percentile")


def bca(values: np.ndarray, population: Population) -> tuple[float, float]:
    """Returns SciPy's bias-corrected and accelerated bootstrap."""
    return _scipy(values, "BCa")


def _scipy(values: np.ndarray, method: str) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    found = stats.bootstrap((values,), np.mean, n_resamples=1000, method=method, rng=rng).confidence_interval
    return found.low, found.high


def coverage(interval: Callable[..., tuple[float, float]], population: Population, count: int, samples: int) -> float:
    """Returns the part of samples whose interval holds the mean; NaN where none has one."""
    rng = np.random.default_rng(count)
    held = []
    for _ in range(samples):
        low, high = interval(population.draw(rng, count), population)
        held.append(np.nan if np.isnan(low) else low <= population.mean <= high)
    return float("nan") if np.isnan(held).all() else float(np.nanmean(held))


def main(samples: int = 1000) -> None:
    """Prints both tables, in percent.

    Args:
      samples: Of each population and number of episodes; 1000 give two standard errors of 1.4 %.
    """
    warnings.simplefilter("ignore")
    print(f"| n | {' | '.join(POPULATIONS)} |\n|---|{'---|' * len(POPULATIONS)}")
    for count in _COUNTS:
        print(f"| {count} | {_cells(ours, POPULATIONS, count, samples)} |", flush=True)
    few = {name: POPULATIONS[name] for name in ("normal", "small share", "correlation", "hits, 9 of 10")}
    print(f"\n| interval, n | {' | '.join(few)} |\n|---|{'---|' * len(few)}")
    for name, interval in (("percentile", percentile), ("BCa", bca), ("Student's t", student), ("octoscope", ours)):
        for count in (3, 5, 8, 15):
            print(f"| {name}, {count} | {_cells(interval, few, count, samples)} |", flush=True)


def _cells(
    interval: Callable[..., tuple[float, float]], chosen: Mapping[str, Population], count: int, samples: int
) -> str:
    covers = [coverage(interval, population, count, samples) for population in chosen.values()]
    return " | ".join("none" if np.isnan(part) else f"{100 * part:.0f}" for part in covers)


if __name__ == "__main__":
    tyro.cli(main)
