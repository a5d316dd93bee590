"""Which split of a dataset to read."""

from collections.abc import Sequence

from octoscope.errors import EpisodeError, nearest


def choose_split(dataset: str, splits: Sequence[str], *, split: str | None = None) -> str:
    """Returns the split asked for; without one, "train" where it exists, else the only one.

    Args:
      dataset: Name of the dataset, for the messages.
      splits: The splits it has.
      split: The one asked for.

    Raises:
      EpisodeError: If the split does not exist, or several exist and none is asked for.

    Example:
      >>> choose_split("bridge_dataset", ["train", "val"])
      'train'
    """
    if not splits:
        raise EpisodeError(f"{dataset} has no splits, so it holds no episodes. Choose another dataset.")
    if split is None:
        return _default_split(dataset, splits)
    if split not in splits:
        raise EpisodeError(f"{dataset} has no split '{split}'.{nearest(split, splits)} It has: {', '.join(splits)}.")
    return split


def _default_split(dataset: str, splits: Sequence[str]) -> str:
    if "train" in splits:
        return "train"
    if len(splits) == 1:
        return splits[0]
    raise EpisodeError(
        f"{dataset} has no split 'train', choose one of: {', '.join(splits)} (split=NAME, --split NAME)."
    )
