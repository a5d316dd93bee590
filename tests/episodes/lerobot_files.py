"""Small LeRobot datasets for tests, as LeRobot lays them out, with pictures in their tables."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from octoscope.episodes.image_codec import encode_png

DATA = {
    2: "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    3: "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
}
VIDEO = {
    2: "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    3: "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
}
FEATURES: dict[str, Any] = {
    "observation.image": {"dtype": "image", "shape": [3, 4, 6], "names": ["channels", "height", "width"]},
    "observation.state": {"dtype": "float32", "shape": [2], "names": ["x", "y"]},
    "observation.state.gripper_position": {"dtype": "float64", "shape": [1], "names": None},
    "action": {"dtype": "float32", "shape": [3], "names": None},
    "note": {"dtype": "string", "shape": [1], "names": None},
    "next.done": {"dtype": "bool", "shape": [1], "names": None},
    **{
        name: {"dtype": "int64", "shape": [1], "names": None}
        for name in ("frame_index", "episode_index", "index", "task_index")
    },
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
}
WORDS = ["lift the cup", "close the drawer", "flip the pot"]


def picture(episode: int, step: int) -> np.ndarray:
    """Returns the picture of a step, which tells which one it is."""
    return np.full((4, 6, 3), [episode, step, 7], np.uint8)


def columns(episode: int, steps: int, *, tasks: list[int] | None = None, start: int = 0) -> dict[str, Any]:
    """Returns the rows of one episode; the state counts episode and step."""
    count = np.arange(steps)
    pictures = [{"bytes": encode_png(picture(episode, step)), "path": f"frame_{step:06d}.png"} for step in range(steps)]
    return {
        "observation.image": pictures,
        "observation.state": np.stack([np.full(steps, episode), count], 1).astype(np.float32).tolist(),
        "observation.state.gripper_position": (count / 2).tolist(),
        "action": np.stack([count, count + 1, count + 2], 1).astype(np.float32).tolist(),
        "note": ["said"] * steps,
        "next.done": (count == steps - 1).tolist(),
        "timestamp": (count / 10).astype(np.float32).tolist(),
        "frame_index": count.tolist(),
        "episode_index": [episode] * steps,
        "index": (start + count).tolist(),
        "task_index": tasks or [episode % len(WORDS)] * steps,
    }


def write_info(root: Path, version: int, *, features: dict[str, Any] | None = None, **changes: Any) -> None:
    """Writes meta/info.json."""
    (root / "meta").mkdir(parents=True, exist_ok=True)
    info = {
        "codebase_version": {2: "v2.1", 3: "v3.0"}[version],
        "fps": 10,
        "chunks_size": 1000,
        "splits": {"train": "0:3"},
        "data_path": DATA[version],
        "video_path": VIDEO[version],
        "features": features or FEATURES,
        **changes,
    }
    (root / "meta" / "info.json").write_text(json.dumps(info))


def write_lerobot(
    root: Path,
    version: int,
    rows: dict[int, dict[str, Any]],
    *,
    files: dict[int, list[int]] | None = None,
    lengths: dict[int, int] | None = None,
    words_column: str = "task",
    **changes: Any,
) -> Path:
    """Writes a dataset.

    Args:
      root: Its folder.
      version: 2 or 3.
      rows: Of each episode index.
      files: Version 3: which episodes each file holds; all in the first by default.
      lengths: What the index says, where it is to differ from the rows.
      words_column: Version 3: how the column of words is called.
      **changes: Of info.json.
    """
    write_info(root, version, **changes)
    said = {episode: len(columns["frame_index"]) for episode, columns in rows.items()} | (lengths or {})
    if version == 2:
        for episode, columns in rows.items():
            write_table(root / f"data/chunk-{episode // 1000:03d}/episode_{episode:06d}.parquet", columns)
        entries = [{"episode_index": episode, "tasks": [], "length": said[episode]} for episode in rows]
        (root / "meta/episodes.jsonl").write_text("\n".join(map(json.dumps, entries)) + "\n\n")
        tasks = [{"task_index": index, "task": words} for index, words in enumerate(WORDS)]
        (root / "meta/tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)))
        return root
    files = files or {0: list(rows)}
    for number, episodes in files.items():
        joined = {
            name: [value for episode in episodes for value in rows[episode][name]]
            for name in rows[episodes[0]]
            if name in FEATURES
        }
        write_table(root / f"data/chunk-000/file-{number:03d}.parquet", joined)
    entries = [
        {
            "episode_index": episode,
            "tasks": ["unordered"],
            "length": said[episode],
            "data/chunk_index": 0,
            "data/file_index": number,
            "dataset_from_index": 999,
            "stats/action/mean": [0.0],
            **{name: rows[episode][name] for name in rows[episode] if name.startswith("videos/")},
        }
        for number, episodes in files.items()
        for episode in episodes
    ]
    write_table(root / "meta/episodes/chunk-000/file-000.parquet", pa.Table.from_pylist(entries))
    write_table(root / "meta/tasks.parquet", {words_column: WORDS, "task_index": list(range(len(WORDS)))})
    return root


def write_table(path: Path, table: Any) -> None:
    """Writes a parquet file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), path)
