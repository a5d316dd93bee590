from collections.abc import Callable
from pathlib import Path

import pytest

from octoscope.episodes import sources
from octoscope.episodes.episode import Episode
from octoscope.episodes.rlds_writer import write_rlds
from octoscope.episodes.sources import EpisodeSource, open_episodes
from octoscope.errors import EpisodeError


@pytest.fixture
def dataset(tmp_path: Path, make_episode: Callable[..., Episode]) -> Path:
    return write_rlds(tmp_path / "data", name="lab", episodes={"val": [make_episode(1)], "train": [make_episode(0)]})


def test_source(dataset: Path) -> None:
    source = open_episodes(dataset)
    assert isinstance(source, EpisodeSource)
    assert (source.name, source.split, source.splits) == ("lab", "train", ("val", "train"))
    assert source.cameras == {"primary": "image_primary", "wrist": "image_wrist"}
    assert len(source) == len(list(source)) == 1
    assert source[0].name == "lab/train/0"


def test_path_may_be_text_and_lie_above(dataset: Path) -> None:
    assert open_episodes(str(dataset.parents[1]), split="val")[0].name == "lab/val/0"


def test_choices_reach_the_reader(dataset: Path) -> None:
    assert open_episodes(dataset, cameras={"primary": "image_wrist"}).cameras == {"primary": "image_wrist"}
    with pytest.raises(EpisodeError, match=r"no split 'trian'. Did you mean 'train'\?"):
        open_episodes(dataset, split="trian")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match="none: there is no such file or directory"):
        open_episodes(tmp_path / "none")


def test_something_else_there(tmp_path: Path) -> None:
    with pytest.raises(EpisodeError, match=r"expected an RLDS dataset .*, found an empty directory"):
        open_episodes(tmp_path)
    for name in "gfedcba":
        (tmp_path / name).touch()
    (tmp_path / "bb").mkdir()
    with pytest.raises(EpisodeError, match="found a directory with a, b, bb/, c, d and 3 more"):
        open_episodes(tmp_path)


def test_file_instead_of_its_directory(dataset: Path) -> None:
    with pytest.raises(EpisodeError, match=r"found a file of \d+ bytes; .* give the directory it lies in"):
        open_episodes(dataset / "dataset_info.json")


def test_demo_is_the_embedded_dataset(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "episodes_directory", lambda name: dataset.parents[1])
    assert open_episodes("demo").name == "lab"
    monkeypatch.setattr(sources, "episodes_directory", lambda name: dataset / "none")
    with pytest.raises(EpisodeError, match="demo episodes are missing from this installation"):
        open_episodes("demo")


def test_folder_named_demo(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dataset.parents[2])
    (dataset.parents[2] / "data").rename("demo")
    assert open_episodes("./demo").name == "lab"


def test_an_empty_split_is_said_when_it_is_opened(tmp_path: Path, make_episode: Callable[..., Episode]) -> None:
    dataset = write_rlds(tmp_path, name="lab", episodes={"train": [make_episode()], "val": [make_episode()]})
    file = dataset / "dataset_info.json"
    file.write_text(file.read_text().replace('"1"', '"0"', 1))
    with pytest.raises(EpisodeError, match=r"lab has no episodes in its split 'train'\. Choose another .*--split: val"):
        open_episodes(dataset)
    assert len(open_episodes(dataset, split="val")) == 1
