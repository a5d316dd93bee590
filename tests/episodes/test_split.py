import pytest

from octoscope.episodes.split import choose_split
from octoscope.errors import EpisodeError


def test_choice() -> None:
    assert choose_split("toto", ["val", "train"]) == "train"
    assert choose_split("toto", ["val"]) == "val"
    assert choose_split("toto", ["val", "train"], split="val") == "val"


def test_unknown_split_offers_the_nearest() -> None:
    with pytest.raises(EpisodeError, match=r"toto has no split 'vla'. Did you mean 'val'\? It has: train, val"):
        choose_split("toto", ["train", "val"], split="vla")


def test_several_splits_without_train() -> None:
    with pytest.raises(EpisodeError, match="no split 'train', choose one of: a, b"):
        choose_split("toto", ["a", "b"])


def test_no_splits() -> None:
    with pytest.raises(EpisodeError, match="toto has no splits"):
        choose_split("toto", [])
