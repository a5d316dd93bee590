"""How soon the first page of a large dataset is there: `python benchmarks/episode_listing.py [EPISODES]`.

A LeRobot dataset of 100,000 episodes of pictures, in both layouts, and an RLDS one of as many; only the index is whole, and the first
shards of data. Times are of opening and of the first page of 20 with its thumbnails, in processor and clock seconds.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import octoscope as osc
from octoscope.episodes.image_codec import encode_png
from octoscope.episodes.listing import list_episodes
from octoscope.episodes.tf_example import encode_example
from octoscope.episodes.tfrecord import write_tfrecord

STEPS, PAGE = 10, 20
FRAME = encode_png(np.zeros((64, 64, 3), np.uint8))
FEATURES = {
    "observation.image": {"dtype": "image", "shape": [64, 64, 3], "names": ["height", "width", "channels"]},
    **{
        name: {"dtype": "int64", "shape": [1], "names": None} for name in ("frame_index", "episode_index", "task_index")
    },
}


def rows(episodes: range) -> pa.Table:
    """Returns the data of some episodes."""
    count = STEPS * len(episodes)
    return pa.table(
        {
            "observation.image": [{"bytes": FRAME, "path": None}] * count,
            "frame_index": list(range(STEPS)) * len(episodes),
            "episode_index": np.repeat(np.array(episodes), STEPS),
            "task_index": np.repeat(np.array(episodes), STEPS),
        }
    )


def write_lerobot(root: Path, episodes: int, *, shared: bool) -> Path:
    """Writes version 3 or 2.1, as many tasks as episodes."""
    (root / "meta/episodes/chunk-000" if shared else root / "meta").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    info = {"fps": 10, "features": FEATURES, "splits": {"train": f"0:{episodes}"}}
    (root / "meta/info.json").write_text(json.dumps(info))
    numbers, words = np.arange(episodes), [f"task {number}" for number in range(episodes)]
    if not shared:
        entries = ({"episode_index": number, "tasks": [words[number]], "length": STEPS} for number in range(episodes))
        (root / "meta/episodes.jsonl").write_text("\n".join(map(json.dumps, entries)))
        tasks = ({"task_index": number, "task": words[number]} for number in range(episodes))
        (root / "meta/tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)))
        for number in range(PAGE):
            pq.write_table(rows(range(number, number + 1)), root / f"data/chunk-000/episode_{number:06d}.parquet")
        return root
    statistics = {f"stats/{number}": np.zeros(episodes) for number in range(100)}
    places = {"data/chunk_index": np.zeros(episodes, np.int64), "data/file_index": numbers // 1000}
    index = {"episode_index": numbers, "length": np.full(episodes, STEPS), **places, **statistics}
    pq.write_table(pa.table(index), root / "meta/episodes/chunk-000/file-000.parquet")
    pq.write_table(pa.table({"task_index": numbers, "task": words}), root / "meta/tasks.parquet")
    pq.write_table(rows(range(1000)), root / "data/chunk-000/file-000.parquet")
    return root


def write_rlds(root: Path, episodes: int) -> Path:
    """Writes the first of many shards of 100 episodes."""
    root.mkdir()
    shards = max(1, episodes // 100)
    split = {"name": "train", "shardLengths": ["100"] * shards}
    (root / "dataset_info.json").write_text(json.dumps({"name": "many", "fileFormat": "tfrecord", "splits": [split]}))
    example = {
        "steps/is_first": np.eye(1, STEPS, dtype=np.int64)[0],
        "steps/language_instruction": [b"lift the cup"] * STEPS,
        "steps/observation/image": [FRAME] * STEPS,
    }
    write_tfrecord(root / f"many-train.tfrecord-00000-of-{shards:05d}", [encode_example(example)] * 100)
    return root


def main(episodes: int) -> None:
    """Prints the times."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            "LeRobot 3.0": write_lerobot(Path(folder) / "three", episodes, shared=True),
            "LeRobot 2.1": write_lerobot(Path(folder) / "two", episodes, shared=False),
            "RLDS": write_rlds(Path(folder) / "rlds", episodes),
        }
        for name, path in paths.items():
            clock, processor = time.perf_counter(), time.process_time()
            source = osc.open_episodes(path)
            opened, opened_processor = time.perf_counter() - clock, time.process_time() - processor
            entries = list_episodes(source, per_page=PAGE)
            whole, whole_processor = time.perf_counter() - clock, time.process_time() - processor
            assert (len(source), len(entries)) == (episodes, PAGE)
            assert not any(entry.problem for entry in entries)
            print(
                f"{name}, {len(source)} episodes: opened in {opened_processor:.2f} s of processor time ({opened:.2f} by the clock), "
                f"first page after {whole_processor:.2f} ({whole:.2f})"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
