"""How long many runs take to read: `python benchmarks/trend_reading.py [--runs 1000]`; needs 1 GB of disk and about three minutes.

Runs of 50 steps at the size of the embedded policy (4 layers, 4 heads, 198 tokens), and at octo-base's with the readout's rows alone (12
layers, 12 heads, 690 tokens). Bounds, in processor time: tables of one run 30 ms; 1,000 runs of the embedded size 60 s the first time and
2 s from then on. Peak memory is measured in processes of their own, for a tenth of the runs and for all.
"""

import dataclasses
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tyro

from octoscope.attention.head_statistics import head_table
from octoscope.attention.share_table import share_table
from octoscope.attention.sinks import find_sinks
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter
from octoscope.tokens.attention_selection import select_attention
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.rules import Rules
from octoscope.tokens.stack import AttentionStack
from octoscope.tokens.token_source import TokenSource
from octoscope.trends.phases import PhaseRule
from octoscope.trends.summary_file import read_summary, summary_path
from octoscope.trends.table_file import EpisodeTables

STEPS = 50
# Layers, heads, patches a side of the first camera and of the second, words.
SIZES = {"embedded": (4, 4, 8, 4, 12), "octo-base, readout": (12, 12, 16, 8, 16)}


def write_run(path: Path, size: str) -> Path:
    """Writes a run of random weights; what they are costs no time and no memory."""
    layers, heads, first, second, words = SIZES[size]
    cameras = [
        (f"obs_{name}", side * side, TokenSource("image", (f"image_{name}",), grid=(side, side)))
        for name, side in (("primary", first), ("wrist", second))
    ]
    readout = ("readout_action", 1, TokenSource("readout"))
    layout = TokenLayout.assemble([("task_language", words, TokenSource("language"))], [*cameras, readout], window=2)
    rules = np.tri(layout.size, dtype=bool)
    stack = AttentionStack("transformer", layers, heads, layout.groups, layout.groups, Rules.of(rules))
    layout = layout.with_stacks([stack])
    (selection,) = select_attention(layout, query_groups=["readout_action"])
    transform = dataclasses.asdict(ImageTransform.resize((64, 64), (64, 64)))
    manifest = {
        "policy": size,
        "policy_note": "",
        "policy_step": 0,
        "episode": path.stem,
        "dataset": "random",
        "episode_length": STEPS,
        "instruction": "pick up the ball",
        "goal_images": [],
        "steps": list(range(STEPS)),
        "attention": {"transformer": selection.to_manifest()},
        "layout": layout.to_json(),
        "transforms": {"primary": transform, "wrist": transform},
    }
    frames = np.zeros((STEPS, 64, 64, 3), np.uint8)
    whole = {f"frames/{name}": (frames, ("time", "height", "width", "channel")) for name in ("primary", "wrist")}
    rng = np.random.default_rng(0)
    with RunWriter(path, manifest=manifest, whole=whole) as writer:
        for step in range(STEPS):
            weights = rng.exponential(size=(layers, heads, 1, layout.size)).astype(np.float32)
            weights /= weights.sum(axis=-1, keepdims=True)
            writer.append_step(
                {
                    selection.array_name("readout_action"): (
                        weights.astype(np.float16),
                        selection.axes(layout, "readout_action"),
                    ),
                    "token_pad": (np.zeros(layout.size, bool), ("token",)),
                    "timestep_pad_mask": (np.array([step > 0, True]), ("window",)),
                    "frame_index": (np.array([max(0, step - 1), step]), ("window",)),
                    "actions": (rng.normal(size=(1, 7)).astype(np.float32), ("horizon", "dim")),
                }
            )
    return path


def copies(run: Path, folder: Path, count: int) -> list[Path]:
    """Returns as many runs as asked for; their files are links, so that they cost no disk."""
    paths = [folder / f"{number:06}.zarr" for number in range(count)]
    for path in paths:
        for parent, _, files in os.walk(run):
            target = path / Path(parent).relative_to(run)
            target.mkdir(parents=True, exist_ok=True)
            for name in files:
                (target / name).hardlink_to(Path(parent) / name)
    return paths


def processor_time(work: Callable[[], object], rounds: int = 7) -> float:
    """Returns the median of rounds, in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - start))
    return float(np.median(times))


def by_zarr(path: Path) -> float:
    """Returns what the same shares cost where every array is read through zarr, step by step."""
    from octoscope.attention.shares import attention_shares

    def work() -> None:
        run = Run.open(path)
        array = run.group[run.attention_name("readout_action")]
        for step in range(STEPS):
            weights = np.asarray(array[step])[:, :, 0].astype(np.float64)  # pyright: ignore[reportIndexIssue]  # an array
            attention_shares(run.layout, weights)

    return processor_time(work, 3)


def read_all(folder: Path, count: int) -> None:
    """Reads the runs of a folder into a table of phases, and prints processor time in seconds and peak memory in MB."""
    paths = sorted(folder.glob("*.zarr"))[:count]
    read_summary(paths[0])
    start = time.process_time()
    rule = PhaseRule()
    EpisodeTables(paths, [rule], folder=folder.with_name(f"{folder.name}_{count}")).of(rule)
    print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def measured(folder: Path, count: int) -> tuple[float, float]:
    """Returns what `read_all` prints, in a process of its own."""
    command = [sys.executable, __file__, "--inside", str(folder), "--runs", str(count)]
    seconds, megabytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(megabytes)


def main(runs: int = 1000, sizes: tuple[str, ...] = tuple(SIZES), inside: Path | None = None) -> None:
    """Prints the tables.

    Args:
      runs: How many.
      sizes: Of `SIZES`.
      inside: Of a child process: the folder that it reads.
    """
    if inside is not None:
        read_all(inside, runs)
        return
    print(
        "| size | share_table | the same by zarr, step by step | ratio | heads | sinks | opening | run, MB | summary, MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for number, size in enumerate(sizes):
            folder = Path(temporary) / str(number)
            folder.mkdir()
            path = write_run(folder / "run.zarr", size)
            run = Run.open(path)
            works: list[Callable[[], object]] = [
                lambda run=run: share_table(run),
                lambda run=run: head_table(run),
                lambda run=run: find_sinks(run),
                lambda path=path: Run.open(path),
            ]
            shares, heads, sinks, opening = (processor_time(work) for work in works)
            zarr = by_zarr(path)
            read_summary(path)
            weights = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
            kept = summary_path(path).stat().st_size / 1e6
            print(
                f"| {size} | {shares:.1f} ms | {zarr:.0f} ms | {shares / zarr:.2f} | {heads:.1f} ms | {sinks:.1f} ms | {opening:.1f} ms "
                f"| {weights:.1f} | {kept:.2f} |",
                flush=True,
            )
        print(
            f"\n| size | first time, {runs} runs | again | ratio | peak memory, {runs // 10} and {runs} runs |\n|---|---|---|---|---|"
        )
        for number, size in enumerate(sizes):
            many = Path(temporary) / f"many_{number}"
            copies(Path(temporary) / str(number) / "run.zarr", many, runs)
            first, _ = measured(many, runs)
            again, most = measured(many, runs)
            _, few = measured(many, runs // 10)
            print(
                f"| {size} | {first:.1f} s | {again:.2f} s | {again / first:.3f} | {few:.0f}, {most:.0f} MB |",
                flush=True,
            )


if __name__ == "__main__":
    tyro.cli(main)
