"""Whether `octoscope trends` finds what is built in and nothing else: `python benchmarks/trend_simulations.py [--bridge RUNS ...]`.

Captures the embedded policy, and the same network with random weights, on the embedded episodes (a minute), and asks:
* does the named object get more weight than the others, and do phases and families of tasks differ?
* in what part of 1,000 tables with shuffled labels is anything found? At most 5 %.
* how often do the intervals hold the true difference, at 8 tasks of 10 episodes? At least 92 % of a nominal 95.
With the runs of a policy that knows nothing, such as a random one over recorded episodes, also: is nothing found?
"""

import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tyro

import octoscope as osc
from octoscope.capture.watch_options import WatchOptions
from octoscope.policies.octo.redrawn_weights import randomized_params
from octoscope.studies.options.trends import TrendsOptions
from octoscope.studies.trends import trends
from octoscope.trends.contrasts import NAMED_OBJECT
from octoscope.trends.episode_table import EpisodeTable, TableBuilder
from octoscope.trends.find_paths import find_run_paths
from octoscope.trends.group_measures import CONTRAST
from octoscope.trends.nested_means import compare_tasks, compare_with_zero, nested_interval, task_means
from octoscope.trends.phases import PhaseRule
from octoscope.trends.summary_file import read_summary
from octoscope.trends.trend import Trend, make_trend

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
# Of mean 0: what tasks and episodes differ by.
POPULATIONS: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: rng.uniform(-1.0, 1.0, size=shape),
    "small share": lambda rng, shape: rng.beta(0.5, 4.5, size=shape) - 0.1,
    "exponential": lambda rng, shape: rng.exponential(size=shape) - 1.0,
}


def capture(folder: Path, *, random: bool) -> list[Path]:
    """Returns the runs of the embedded policy, or of the same with random weights, over the embedded episodes."""
    model = osc.OctoModel.load_pretrained("demo")
    if random:
        redrawn = dataclasses.replace(model, params=randomized_params(model.params, [".*"], seed=1))
        redrawn.save_pretrained(folder / "policy")
        model = osc.OctoModel.load_pretrained(folder / "policy")
    paths = []
    for number, episode in enumerate(osc.open_episodes("demo")):
        paths.append(folder / f"{number:02}.zarr")
        osc.attend(model, episode, paths[-1], options=WatchOptions(query_groups=["readout_action"]))
    return paths


def table_of(paths: list[Path], rule: PhaseRule | None) -> EpisodeTable:
    """Returns the table of some runs."""
    builder = TableBuilder(rule)
    for path in paths:
        builder.add(path, read_summary(path))
    return builder.table()


def built_in(folder: Path, shuffles: int) -> None:
    """Prints what is found on the embedded tasks."""
    for name in ("trained", "random"):
        (folder / name).mkdir()
    trained, random = capture(folder / "trained", random=False), capture(folder / "random", random=True)
    print(
        "| embedded tasks | tests | found | largest effect found | tables of shuffled labels with anything |\n|---|---|---|---|---|"
    )
    for by, rule in (("phase", PhaseRule()), ("verb", None)):
        table, control = table_of(trained, rule), table_of(random, rule)
        _print(by, make_trend(table, by, random=control, shuffles=shuffles))
        _print(f"{by}, random weights", make_trend(control, by, shuffles=shuffles))
    named = table_of(trained, None).of_measures(CONTRAST)
    control = table_of(random, None).of_measures(CONTRAST)
    assert named is not None, "the embedded episodes have masks"
    assert control is not None, "the embedded episodes have masks"
    _print("named object", make_trend(named, NAMED_OBJECT, random=control, shuffles=shuffles))
    _print("named object, random weights", make_trend(control, NAMED_OBJECT, shuffles=shuffles))


def _print(name: str, trend: Trend) -> None:
    first = int(trend.order[0])
    largest = f"{trend.effect[first]:+.1f}" if trend.found.any() else "-"
    rate = "-" if np.isnan(trend.shuffled_rate) else f"{100 * trend.shuffled_rate:.1f} %"
    print(f"| {name} | {trend.tested} | {int(trend.found.sum())} | {largest} | {rate} |", flush=True)


def coverage(samples: int) -> None:
    """Prints how often intervals hold the true difference, in percent: differences within episodes, and between two halves of the tasks."""
    sizes = ((5, 10), (8, 10), (8, 3), (20, 5))
    heads = [f"{tasks} x {episodes}" for tasks, episodes in sizes]
    print(
        "\n| tasks x episodes, in percent: ours (Student's t alone) | "
        + " | ".join(heads)
        + " |\n|---|"
        + "---|" * len(sizes)
    )
    for name, draw in POPULATIONS.items():
        for kind in ("within", "between"):
            cells = [_covered(draw, kind, *size, samples) for size in sizes]
            print(
                f"| {name}, {kind} | " + " | ".join(f"{ours:.1f} ({student:.1f})" for ours, student in cells) + " |",
                flush=True,
            )


def _covered(draw: Draw, kind: str, tasks: int, episodes: int, samples: int) -> tuple[float, float]:
    rng = np.random.default_rng([tasks, episodes])
    of_task = np.repeat(draw(rng, (tasks, samples)), episodes, axis=0)
    values, numbers = of_task + draw(rng, (tasks * episodes, samples)), np.repeat(np.arange(tasks), episodes)
    member = np.arange(tasks) < tasks // 2 if kind == "between" else None
    low, high = nested_interval(values, numbers, member)
    means = task_means(values, numbers)
    student = compare_with_zero(means) if member is None else compare_tasks(means, member)
    return 100 * float(((low <= 0) & (high >= 0)).mean()), 100 * float(
        (np.abs(student.estimate) <= student.half_width).mean()
    )


def nothing(runs: tuple[Path, ...]) -> None:
    """Prints what is found in the runs of a policy that knows nothing, and what n could have shown."""
    with tempfile.TemporaryDirectory() as output:
        for by in ("phase", "task", "verb", "object"):
            lines: list[str] = []
            trend = trends(
                TrendsOptions(runs, by=by, output=Path(output)), tell=lambda *told, lines=lines: lines.extend(told)
            )
            print(
                f"\n{len(find_run_paths(runs).paths)} runs by {by}: {int(trend.found.sum())} found. {lines[0]}",
                flush=True,
            )


def main(shuffles: int = 1000, samples: int = 2000, bridge: tuple[Path, ...] = ()) -> None:
    """Prints the tables of docs/trends.md.

    Args:
      shuffles: Tables of shuffled labels.
      samples: Of each population and size.
      bridge: Runs of a policy that knows nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        built_in(Path(folder), shuffles)
    coverage(samples)
    if bridge:
        nothing(bridge)


if __name__ == "__main__":
    tyro.cli(main)
