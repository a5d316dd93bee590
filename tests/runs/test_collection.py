"""A collection: what lies in its folder, and what is refused."""

import pytest

import octoscope as osc
from octoscope.errors import OutputError, RunError
from octoscope.policies.toy.toy_policy import ToyPolicy
from octoscope.runs.collection import Failure, begin_collection, open_collection

MADE_FROM = {"policy": {"name": "toy"}, "kept": {"seed": 0, "queries": ("readout",)}}


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("toy") / "run.zarr"
    osc.attend(ToyPolicy(), osc.open_episodes("demo")[0], path, steps=[0, 1])
    return path


def test_runs_are_told_and_opened_one_by_one(tmp_path, toy_run):
    collection = begin_collection(tmp_path / "all", MADE_FROM, [7, 2])
    assert collection.missing() == (2, 7)
    collection.path_of(7).symlink_to(toy_run)
    again = open_collection(tmp_path / "all")
    assert (again.episodes, again.missing(), list(again.run_paths())) == ((2, 7), (2,), [again.path_of(7)])
    entry = again.entry(again.path_of(7))
    assert (entry.index, entry.episode, entry.dataset, entry.steps) == (7, "tabletop/train/0", "tabletop", 2)
    assert entry.instruction == osc.open_episodes("demo")[0].instruction
    with pytest.raises(RunError, match="no whole run"):
        again.entry(again.path_of(2))


def test_more_episodes_join_and_another_make_is_refused_with_what_differs(tmp_path):
    begin_collection(tmp_path, MADE_FROM, [1])
    assert begin_collection(tmp_path, MADE_FROM, [0, 1]).episodes == (0, 1)
    with pytest.raises(OutputError, match=r"kept\.seed was 0, is 1\. Give another -o"):
        begin_collection(tmp_path, {**MADE_FROM, "kept": {"seed": 1, "queries": ("readout",)}}, [0])
    assert open_collection(tmp_path).episodes == (0, 1)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("done")
    with pytest.raises(OutputError, match="holds something else"):
        begin_collection(tmp_path, MADE_FROM, [0])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(RunError, match="no collection"):
        open_collection(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1}', '{"format": 1, "made_from": {}, "episodes": [-1]}'])
def test_damage_is_a_sentence(tmp_path, content):
    begin_collection(tmp_path, MADE_FROM, [0])
    (tmp_path / "collection.json").write_text(content)
    with pytest.raises(RunError, match=r"collection\.json"):
        open_collection(tmp_path)


def test_failures_are_kept_until_they_are_mended(tmp_path):
    collection = begin_collection(tmp_path, MADE_FROM, [0, 3])
    collection.ledger.note_failure(Failure(3, "EpisodeError", "no <camera>"))
    assert open_collection(tmp_path).failures() == (Failure(3, "EpisodeError", "no <camera>"),)
    collection.ledger.forget_failure(3)
    assert open_collection(tmp_path).failures() == ()
