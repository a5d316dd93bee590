"""The index of a LeRobot dataset: which episodes there are, how long, where they lie, and the words of each task.

Only these columns are read: version 3 stores a hundred statistics of each episode beside them, and hubs have datasets of 56,000.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from octoscope.array_typing import Int
from octoscope.episodes.lerobot.directory import LeRobotDirectory
from octoscope.errors import EpisodeError


@dataclass(frozen=True)
class EpisodeIndex:
    """One entry an episode, in the order of their indices."""

    # As the dataset counts them; some may have been deleted.
    episode_index: Int[np.ndarray, " episode"]
    # Steps of each.
    length: Int[np.ndarray, " episode"]
    # Version 3: where in shared files each lies, by LeRobot's names of these columns.
    places: Mapping[str, np.ndarray]
    # Words by task index.
    tasks: Mapping[int, str]

    def selected(self, rows: Int[np.ndarray, " row"]) -> "EpisodeIndex":
        """Returns the index of some of the episodes."""
        places = {name: column[rows] for name, column in self.places.items()}
        return EpisodeIndex(self.episode_index[rows], self.length[rows], places, self.tasks)


def read_episode_index(directory: LeRobotDirectory) -> EpisodeIndex:
    """Returns the index.

    Raises:
      EpisodeError: If a file of it is missing or damaged.
    """
    index = _read_tables(directory) if directory.shared_files else _read_lines(directory)
    order = np.argsort(index.episode_index, kind="stable")
    repeated = index.episode_index[order][1:] == index.episode_index[order][:-1]
    if repeated.any():
        number = int(index.episode_index[order][1:][repeated][0])
        raise EpisodeError(f"{directory.root}: meta lists episode {number} twice. Download the meta folder again.")
    return index.selected(order)


def _read_lines(directory: LeRobotDirectory) -> EpisodeIndex:
    import pyarrow as pa

    meta = directory.root / "meta"
    episodes = _json_lines(meta / "episodes.jsonl", {"episode_index": pa.int64(), "length": pa.int64()})
    tasks = _json_lines(meta / "tasks.jsonl", {"task_index": pa.int64(), "task": pa.string()})
    words = dict(zip(tasks["task_index"].to_pylist(), tasks["task"].to_pylist(), strict=True))
    return EpisodeIndex(episodes["episode_index"].to_numpy(), episodes["length"].to_numpy(), {}, words)


def _json_lines(path: Path, types: Mapping[str, Any]) -> Any:
    """Returns a table of these fields of each line; read by pyarrow in a quarter of the time that Python's json takes."""
    import pyarrow as pa
    import pyarrow.json

    schema = pa.schema(list(types.items()))
    options = pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    try:
        table = pyarrow.json.read_json(path, parse_options=options)
    except (OSError, pa.ArrowException) as error:
        raise EpisodeError(f"{path} is not what LeRobot writes ({error}). Download it again.") from error
    missing = [name for name in types if table[name].null_count]
    if missing:
        raise EpisodeError(f"{path} is not what LeRobot writes: a line has no '{missing[0]}'. Download it again.")
    return table


def _read_tables(directory: LeRobotDirectory) -> EpisodeIndex:
    import pyarrow as pa

    meta = directory.root / "meta"
    files = sorted((meta / "episodes").glob("*/*.parquet"))
    if not files:
        raise EpisodeError(f"{meta / 'episodes'}: holds no tables of episodes. Download the meta folder again.")
    videos = [f"videos/{key}/" for key, feature in directory.features.items() if feature.get("dtype") == "video"]
    wanted = ["episode_index", "length", "data/chunk_index", "data/file_index"]
    wanted += [video + name for video in videos for name in ("chunk_index", "file_index", "from_timestamp")]
    table = pa.concat_tables([read_columns(file, wanted) for file in files], promote_options="permissive")
    for name in wanted[:4]:
        if name not in table.column_names:
            raise EpisodeError(f"{meta / 'episodes'}: its tables have no column '{name}'. Download them again.")
    columns = {name: table[name].to_numpy() for name in table.column_names}
    words = read_columns(meta / "tasks.parquet", None)
    # The words are pandas' index, whose column is called "task" or, when it had no name, "__index_level_0__".
    texts = [name for name in words.column_names if name != "task_index" and pa.types.is_string(words[name].type)]
    texts += [name for name in words.column_names if pa.types.is_large_string(words[name].type)]
    if "task_index" not in words.column_names or not texts:
        raise EpisodeError(
            f"{meta / 'tasks.parquet'}: expected task_index and words, got {', '.join(words.column_names)}."
        )
    name = "task" if "task" in texts else texts[0]
    tasks = dict(zip(words["task_index"].to_pylist(), words[name].to_pylist(), strict=True))
    episode_index, length = (columns.pop(name).astype(np.int64) for name in ("episode_index", "length"))
    return EpisodeIndex(episode_index, length, columns, tasks)


def read_columns(path: Path, names: list[str] | None, *, episode: int | None = None) -> Any:
    """Returns a table's columns, as far as it has them.

    Args:
      path: A parquet file.
      names: The columns; all when None.
      episode: Only the rows of this episode index.

    Raises:
      EpisodeError: If the file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        there = pq.read_schema(path).names
        chosen = None if names is None else [name for name in names if name in there]
        filters = None if episode is None else [("episode_index", "=", episode)]
        # A folder called NAME=VALUE would become a column.
        return pq.read_table(path, columns=chosen, filters=filters, partitioning=None)  # pyright: ignore[reportArgumentType]
    except (OSError, pa.ArrowException, KeyError) as error:
        raise EpisodeError(
            f"{path}: cannot be read as a parquet table ({error}). Copy or download it again."
        ) from error
