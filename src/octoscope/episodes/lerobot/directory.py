"""A LeRobot dataset's directory: what meta/info.json says, and in which of two layouts the files lie.

Versions 2.0 and 2.1 write a table and a video per episode, version 3.0 many episodes into each. Which it is, is decided by
the files: the version that info.json names, and its templates, can be those of a dataset before it was converted.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from octoscope.errors import EpisodeError

# A dataset itself, or a folder (with folders) that holds one: OWNER/NAME.
_DEEPEST = 2
_DATA = {
    False: "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    True: "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
}
_VIDEO = {
    False: "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    True: "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
}
# What only a template of that layout has.
_OWN = {False: "{episode_index", True: "{file_index"}


@dataclass(frozen=True)
class LeRobotDirectory:
    """What lies where."""

    root: Path
    # Whether many episodes share a file (version 3).
    shared_files: bool
    fps: float
    # As info.json has them, by name.
    features: Mapping[str, Mapping[str, Any]]
    # "0:80" by name of the split, which counts episode indices.
    splits: Mapping[str, str]
    # Episodes per folder, version 2.
    chunk_size: int
    data_template: str
    video_template: str

    def data_path(self, **numbers: int) -> Path:
        """Returns the table that holds an episode."""
        return self.inside(fill_template(self.data_template, **numbers))

    def video_path(self, key: str, **numbers: int) -> Path:
        """Returns the video that holds a camera's frames of an episode."""
        return self.inside(fill_template(self.video_template, video_key=key, **numbers))

    def inside(self, relative: str) -> Path:
        """Returns a path in the dataset.

        Raises:
          EpisodeError: If it leads out of it.
        """
        parts = PurePosixPath(relative.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", relative):
            raise EpisodeError(f"{self.root}: names a file outside the dataset, '{relative}', which is not opened.")
        return self.root / parts


def find_lerobot(path: Path) -> Path | None:
    """Returns the dataset at `path` or in a folder below; None where there is none.

    Raises:
      EpisodeError: If several lie below, or one of version 1.
    """
    if (path / "meta_data" / "info.json").is_file():
        raise EpisodeError(
            f"{path}: a LeRobot dataset of version 1, which is not read. Convert it with LeRobot's convert_dataset_v1_to_v2."
        )
    for depth in range(_DEEPEST + 1):
        roots = sorted(info.parent.parent for info in path.glob("*/" * depth + "meta/info.json"))
        if len(roots) > 1:
            names = ", ".join(str(root.relative_to(path)) for root in roots[:5])
            raise EpisodeError(f"{path}: expected one dataset, found {len(roots)}: {names}. Give the path of one.")
        if roots:
            return roots[0]
    return None


def read_lerobot_directory(root: Path) -> LeRobotDirectory:
    """Returns what meta/info.json says, and the layout.

    Raises:
      EpisodeError: If info.json is damaged, or the layout is neither of the two.
    """
    file = root / "meta" / "info.json"
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
        features = {str(name): dict(feature) for name, feature in info["features"].items()}
        fps = float(info["fps"])
        chunk_size = int(info.get("chunks_size") or 1000)
        splits = {str(name): str(span) for name, span in (info.get("splits") or {}).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EpisodeError(f"{file} is not what LeRobot writes ({error!r}). Copy or download it again.") from error
    if fps <= 0 or chunk_size < 1:
        raise EpisodeError(f"{file}: expected frames per second and chunks above 0, got {fps:g} and {chunk_size}.")
    shared = _layout(root, str(info.get("codebase_version", "")))
    return LeRobotDirectory(
        root=root,
        shared_files=shared,
        fps=fps,
        features=features,
        splits=splits or {"train": ""},
        chunk_size=chunk_size,
        data_template=_template(info.get("data_path"), _DATA, shared),
        video_template=_template(info.get("video_path"), _VIDEO, shared),
    )


def fill_template(template: str, **values: int | str) -> str:
    """Returns the template with its places filled; only names and widths are understood, as LeRobot writes them.

    Raises:
      EpisodeError: If it asks for something else.

    >>> fill_template("data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet", chunk_index=0, file_index=12)
    'data/chunk-000/file-012.parquet'
    """

    def fill(match: re.Match[str]) -> str:
        value = values.get(match[1])
        if value is None:
            raise EpisodeError(f"the path template '{template}' asks for '{match[1]}', known are {', '.join(values)}.")
        return f"{value:0{match[2]}d}" if match[2] and isinstance(value, int) else str(value)

    return re.sub(r"\{([^{}:]+)(?::0?(\d+)d)?\}", fill, template)


def _layout(root: Path, version: str) -> bool:
    """Returns whether many episodes share a file."""
    if (root / "meta" / "episodes").is_dir():
        return True
    if (root / "meta" / "episodes.jsonl").is_file():
        return False
    raise EpisodeError(
        f"{root}: a LeRobot dataset (version '{version}') with neither meta/episodes.jsonl (version 2) nor meta/episodes/ "
        "(version 3). Download its meta folder again, or convert it with the LeRobot that wrote it."
    )


def _template(given: Any, usual: Mapping[bool, str], shared: bool) -> str:
    return given if isinstance(given, str) and _OWN[shared] in given else usual[shared]
