"""RLDS datasets, the form of Open X-Embodiment: episodes read one at a time, without TensorFlow.

Opening reads the two JSON files; an episode costs the scan of its shard (12 bytes a record, once), its own bytes, and
the decoding of the chosen cameras.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.rlds_cameras import array_image_paths, image_paths
from octoscope.episodes.rlds_directory import RldsDirectory, Shard, find_rlds, read_rlds_directory
from octoscope.episodes.rlds_episode import episode_from_example
from octoscope.episodes.rlds_features import Feature
from octoscope.episodes.rlds_values import Example, example_features
from octoscope.episodes.split import choose_split
from octoscope.episodes.tf_example import parse_example
from octoscope.episodes.tfrecord import RecordSpan, read_record, scan_tfrecord
from octoscope.errors import EpisodeError


@dataclass(frozen=True)
class RldsSource:
    """The episodes of one split, by index."""

    # The dataset's name ("bridge_dataset").
    name: str
    # The split that is read, and all there are.
    split: str
    splits: tuple[str, ...]
    # Recorded image key by camera name: {"primary": "image_0"}.
    cameras: Mapping[str, str]
    # Stored path of the same images: {"primary": "steps/observation/image_0"}.
    camera_paths: Mapping[str, str] = field(repr=False)
    shards: tuple[Shard, ...] = field(repr=False)
    # What features.json says; empty without one.
    features: Mapping[str, Feature] = field(repr=False)
    # Whether a user chose the cameras; else an episode may lack some.
    asked: bool = field(default=True, repr=False)
    # Filled as shards are first read.
    _spans: dict[Path, tuple[RecordSpan, ...]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        """Returns the number of episodes."""
        return sum(shard.length for shard in self.shards)

    def __getitem__(self, index: int) -> Episode:
        """Returns one episode, read from disk anew each time.

        Raises:
          EpisodeError: If there is no such episode, or it cannot be read.
        """
        name = f"{self.name}/{self.split}/{index}"
        shard, position = locate_episode(self.shards, index, name=name)
        if shard.path not in self._spans:
            self._spans[shard.path] = scan_shard(shard)
        example = read_example(shard, self._spans[shard.path], position)
        try:
            return episode_from_example(
                example,
                declared=self.features,
                cameras=self.camera_paths,
                name=name,
                dataset=self.name,
                asked=self.asked,
            )
        except EpisodeError as error:
            raise EpisodeError(f"{name}: {error}") from error

    def __iter__(self) -> Iterator[Episode]:
        """Yields the episodes in order, one in memory at a time."""
        return (self[index] for index in range(len(self)))


def open_rlds(path: Path, *, split: str | None = None, cameras: Mapping[str, str] | None = None) -> RldsSource | None:
    """Returns the episodes of the RLDS dataset at `path`, or None when no such dataset lies there.

    Args:
      path: A version directory, the directory of a dataset (its newest version is taken), or a folder with one dataset.
      split: The split to read; "train" where it exists, else the only one.
      cameras: Recorded image key by camera name; see `choose_cameras` for what is taken without it.

    Raises:
      EpisodeError: If the dataset is damaged, several lie there, or the split or a camera is unknown.
    """
    version = find_rlds(path)
    if version is None:
        return None
    directory = read_rlds_directory(version)
    chosen_split = choose_split(directory.name, list(directory.splits), split=split)
    paths = _find_images(directory, chosen_split, asked=cameras is not None)
    chosen_cameras = choose_cameras(directory.name, list(paths), cameras=cameras)
    return RldsSource(
        name=directory.name,
        split=chosen_split,
        splits=tuple(directory.splits),
        cameras=chosen_cameras,
        camera_paths={camera: paths[key] for camera, key in chosen_cameras.items()},
        shards=directory.splits[chosen_split],
        features=directory.features,
        asked=cameras is not None,
    )


def locate_episode(shards: tuple[Shard, ...], index: int, *, name: str) -> tuple[Shard, int]:
    """Returns the shard that holds episode `index` of a split, and the episode's position in it.

    Raises:
      EpisodeError: If there is no such episode.
    """
    position = index
    for shard in shards:
        if 0 <= position < shard.length:
            return shard, position
        position -= shard.length
    total = sum(shard.length for shard in shards)
    known = f"the episodes are 0..{total - 1}" if total else "the split holds no episodes"
    raise EpisodeError(f"no episode {name}: {known}.")


def scan_shard(shard: Shard) -> tuple[RecordSpan, ...]:
    """Returns where the episodes of a shard lie in its file.

    Raises:
      EpisodeError: If the file is damaged, or holds another number of records than the dataset says.
    """
    spans = scan_tfrecord(shard.path)
    if len(spans) != shard.length:
        raise EpisodeError(
            f"{shard.path}: expected {shard.length} episodes (dataset_info.json), found {len(spans)}. "
            "The files belong to different versions or the copy stopped early: copy the dataset again."
        )
    return spans


def read_example(shard: Shard, spans: tuple[RecordSpan, ...], position: int) -> Example:
    """Returns the stored values of the episode at `position` of a shard.

    Raises:
      EpisodeError: If the record is damaged.
    """
    span = spans[position]
    payload = read_record(shard.path, span)
    try:
        return parse_example(payload)
    except EpisodeError as error:
        raise EpisodeError(f"{shard.path}, byte {span.offset}: {error}") from error


def _find_images(directory: RldsDirectory, split: str, *, asked: bool) -> dict[str, str]:
    """Returns the path of each image by its recorded name; without features.json the first episode tells.

    Images stored as plain tensors count where there are no encoded ones; a user who asks may name either.
    """
    features = directory.features
    if not features:
        shard, position = locate_episode(directory.splits[split], 0, name=f"{directory.name}/{split}/0")
        features = example_features(read_example(shard, scan_shard(shard), position), declared={})
    encoded, tensors = image_paths(features), array_image_paths(features)
    return {**tensors, **encoded} if asked else encoded or tensors
