"""RLDS datasets, the form of Open X-Embodiment: episodes read one at a time, without TensorFlow.

Opening reads the two JSON files; an episode costs the scan of its shard (12 bytes a record, once), its own bytes, and
the decoding of the chosen cameras.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from octoscope.episodes.cameras import choose_cameras
from octoscope.episodes.episode import Episode
from octoscope.episodes.episode_source import EpisodeSource
from octoscope.episodes.rlds_cameras import array_image_paths, image_paths
from octoscope.episodes.rlds_directory import RldsDirectory, Shard, find_rlds, read_rlds_directory
from octoscope.episodes.rlds_episode import episode_from_example
from octoscope.episodes.rlds_features import Feature
from octoscope.episodes.rlds_values import Example, example_features
from octoscope.episodes.split import choose_split
from octoscope.episodes.tf_example import parse_example
from octoscope.episodes.tfrecord import RecordSpan, read_record, scan_tfrecord
from octoscope.errors import EpisodeError


def open_rlds(
    path: Path, *, split: str | None = None, cameras: Mapping[str, str] | None = None
) -> EpisodeSource | None:
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
    shards = directory.splits[chosen_split]
    stored = {camera: paths[key] for camera, key in chosen_cameras.items()}
    return EpisodeSource(
        name=directory.name,
        split=chosen_split,
        splits=tuple(directory.splits),
        cameras=chosen_cameras,
        count=sum(shard.length for shard in shards),
        read=_RldsEpisodes(shards, stored, directory.features, cameras is not None),
    )


@dataclass(frozen=True)
class _RldsEpisodes:
    shards: tuple[Shard, ...]
    # Stored path of the images by camera name: {"primary": "steps/observation/image_0"}.
    cameras: Mapping[str, str]
    # What features.json says; empty without one.
    features: Mapping[str, Feature]
    # Whether a user chose the cameras; else an episode may lack some.
    asked: bool
    # Filled as shards are first read.
    spans: dict[Path, tuple[RecordSpan, ...]] = field(default_factory=dict, compare=False)

    def __call__(self, position: int) -> Episode:
        shard, record = _locate_episode(self.shards, position)
        if shard.path not in self.spans:
            self.spans[shard.path] = _scan_shard(shard)
        example = _read_example(shard, self.spans[shard.path], record)
        return episode_from_example(
            example, declared=self.features, cameras=self.cameras, name="", dataset="", asked=self.asked
        )


def _locate_episode(shards: tuple[Shard, ...], position: int) -> tuple[Shard, int]:
    """Returns the shard that holds an episode of a split, and its place among the shard's records."""
    for shard in shards:
        if position < shard.length:
            return shard, position
        position -= shard.length
    raise AssertionError("the source asks only for episodes that there are")


def _scan_shard(shard: Shard) -> tuple[RecordSpan, ...]:
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


def _read_example(shard: Shard, spans: tuple[RecordSpan, ...], position: int) -> Example:
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
        if not any(shard.length for shard in directory.splits[split]):
            raise EpisodeError(f"no episode {directory.name}/{split}/0: the split holds no episodes.")
        shard, record = _locate_episode(directory.splits[split], 0)
        features = example_features(_read_example(shard, _scan_shard(shard), record), declared={})
    encoded, tensors = image_paths(features), array_image_paths(features)
    return {**tensors, **encoded} if asked else encoded or tensors
