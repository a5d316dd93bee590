"""Writes a run and kills itself with SIGKILL before a chosen file operation; no jax, so that many kills take seconds.

python killed_writer.py FOLDER KILLS [SEED]: writes FOLDER/whole.zarr in one go, then KILLS runs that are killed twice each (0: once before
every single operation), resumes each, and prints how many have the bytes of the whole one.
"""

import contextlib
import dataclasses
import hashlib
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from octoscope.policies.octo.attention_rules import with_octo_stack
from octoscope.runs import run_writer
from octoscope.runs.run_writer import RunWriter, open_finished
from octoscope.tokens.attention_selection import AttentionSelection, select_attention
from octoscope.tokens.image_transform import ImageTransform
from octoscope.tokens.layout import TokenLayout
from octoscope.tokens.token_source import TokenSource

STEPS = 7
_EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")


@contextlib.contextmanager
def shards_of_three_steps() -> Iterator[None]:
    kept = run_writer.steps_per_shard
    run_writer.steps_per_shard = lambda _: 3
    try:
        yield
    finally:
        # Tests write in their own process too.
        run_writer.steps_per_shard = kept


@shards_of_three_steps()
def write(path: Path) -> None:
    layout, selection, manifest = small_manifest()
    frames = np.arange(STEPS * 8 * 8 * 3, dtype=np.uint8).reshape(STEPS, 8, 8, 3)
    actions = np.linspace(0, 1, STEPS * 3, dtype=np.float32).reshape(STEPS, 3)
    whole = {
        "frames/primary": (frames, ("time", "height", "width", "channel")),
        "recorded_actions": (actions, ("time", "recorded_dim")),
    }
    if open_finished(path, manifest=manifest) is not None:
        return
    with RunWriter(path, manifest=manifest, whole=whole, resume=True) as writer:
        for step in range(writer.written, STEPS):
            weights = np.random.default_rng(step).random((2, 3, 4, 4)).astype(np.float32)
            weights /= weights.sum(axis=-1, keepdims=True)
            writer.append_step(
                {
                    selection.array_name("obs_primary"): (
                        weights.astype(np.float16),
                        selection.axes(layout, "obs_primary"),
                    ),
                    "token_pad": (np.zeros(layout.size, bool), ("token",)),
                    "timestep_pad_mask": (np.ones(1, bool), ("window",)),
                    "frame_index": (np.array([step]), ("window",)),
                    "actions": (np.full((2, 3), step + 1, np.float32), ("horizon", "dim")),
                }
            )


def small_manifest() -> tuple[TokenLayout, AttentionSelection, dict]:
    groups = [("obs_primary", 4, TokenSource("image", ("image_primary",), grid=(2, 2)))]
    layout = with_octo_stack(TokenLayout.assemble([], groups, window=1), 2, 3)
    (selection,) = select_attention(layout, query_groups=["obs_primary"])
    manifest = {
        "policy": "test",
        "policy_note": "",
        "policy_step": 3,
        "episode": "small/train/0",
        "episode_length": STEPS,
        "dataset": "small",
        "instruction": "push",
        "goal_images": [],
        "seed": 0,
        "config": {"model": {"observation_tokenizers": {"primary": {"kwargs": {"task_film_keys": []}}}}},
        "steps": list(range(STEPS)),
        "attention": {selection.stack: selection.to_manifest()},
        "dtype": "float16",
        "layout": layout.to_json(),
        "transforms": {"primary": dataclasses.asdict(ImageTransform.resize((8, 8), (8, 8)))},
    }
    return layout, selection, manifest


def in_child(path: Path, *, kill_at: int | None, work: Callable[[Path], None] = write) -> tuple[bool, int]:
    """Works in a process of its own; returns whether it was killed, and how many operations it did up to 255."""
    pid = os.fork()
    if pid == 0:
        seen = 0

        def count(event: str, arguments: tuple) -> None:
            nonlocal seen
            if event in _EVENTS and str(path.parent) in str(arguments[0]):
                if seen == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

        sys.addaudithook(count)
        work(path)
        os._exit(min(seen, 255))
    status = os.waitpid(pid, 0)[1]
    return os.WIFSIGNALED(status), os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0


def digest(folder: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        found.update(f"{file.relative_to(folder)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def main() -> None:
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    random_ = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    _, operations = in_child(folder / "w" / "whole.zarr", kill_at=None)
    expected = digest(folder / "w" / "whole.zarr")
    points = (
        [[n] for n in range(operations)]
        if not kills
        else [[random_.randrange(operations), random_.randrange(operations)] for _ in range(kills)]
    )
    killed = equal = 0
    for number, at in enumerate(points):
        path = folder / str(number) / "run.zarr"
        path.parent.mkdir()
        for kill_at in at:
            killed += in_child(path, kill_at=kill_at)[0]
        died, _ = in_child(path, kill_at=None)
        assert not died, f"resuming after a kill at {at} died"
        assert sorted(p.name for p in path.parent.iterdir()) == ["run.zarr"], (at, list(path.parent.iterdir()))
        equal += digest(path) == expected
    sys.stdout.write(f"operations {operations} runs {len(points)} killed {killed} equal {equal}\n")


if __name__ == "__main__":
    main()
