"""Times several ways of doing the same thing in alternating rounds, so that other work on the machine hits all of them alike."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax

# Seconds on the clock and seconds of processor time, which other work on the machine hardly touches, of each round, by name.
Rounds = dict[str, list[tuple[float, float]]]


def alternate(ways: Mapping[str, Callable[[], Any]], *, rounds: int) -> Rounds:
    """Returns the times of every round; each way is called once before, to compile."""
    for call in ways.values():
        jax.block_until_ready(call())
    times: Rounds = {name: [] for name in ways}
    for _ in range(rounds):
        for name, call in ways.items():
            start = time.perf_counter(), time.process_time()
            jax.block_until_ready(call())
            times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return times


def median_ratio(times: Rounds, name: str, to: str, *, clock: int = 0) -> float:
    """Returns the median over rounds of one way's time to another's in the same round; clock 1 is processor time."""
    return statistics.median(one[clock] / other[clock] for one, other in zip(times[name], times[to], strict=True))


def print_table(times: Rounds, to: str, bounds: Mapping[str, float]) -> None:
    """Prints each way's median seconds, its ratio to one of them by either clock, and the bound that it is held to."""
    for name, rounds in times.items():
        bound = f"   bound {bounds[name]:.2f}" if name in bounds else ""
        wall, processor = (median_ratio(times, name, to, clock=clock) for clock in (0, 1))
        seconds = statistics.median(one for one, _ in rounds)
        print(f"{name:44s} {seconds:8.3f} s   ratio {wall:6.3f} (processor time {processor:6.3f}){bound}", flush=True)


def print_machine(rounds: int) -> None:
    """Prints what the figures depend on."""
    device = jax.devices()[0]
    kind = "" if device.device_kind == device.platform else f" {device.device_kind}"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{device.platform}{kind}, {os.cpu_count()} cores ({platform.machine()}), load {load}, jax {jax.__version__}")
    print(f"medians of {rounds} alternating rounds; ratios are medians of per-round ratios")
