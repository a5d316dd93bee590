"""`octoscope capture`: the loop over workers, and collections made by one process and by several."""

import dataclasses
import os
import re
from functools import partial
from pathlib import Path

import pytest

import octoscope as osc
from octoscope.cli.main import main
from octoscope.errors import EpisodeError, OutputError, SelectionError
from octoscope.policies.toy.toy_policy import ToyPolicy
from octoscope.runs.collection import open_collection
from octoscope.studies.capture import capture
from octoscope.studies.collecting.crew import Outcome, run_crew
from octoscope.studies.collecting.processes import ProcessCrew
from octoscope.studies.opening import Opened
from octoscope.studies.options.capture import CaptureOptions
from octoscope.studies.options.spread import Spread


class FallibleCrew:
    """Workers that die when they are given some episodes, each so many times; a place may be gone for good."""

    def __init__(self, size, deaths, *, for_good=()):
        self.places = list(range(size))
        self.deaths, self.for_good = dict(deaths), for_good
        self.given = {}

    def give(self, place, index):
        assert place not in self.given, "a worker that is busy"
        self.given[place] = index

    def wait(self):
        place, index = self.given.popitem()
        if self.deaths.get(index, 0):
            self.deaths[index] -= 1
            if index in self.for_good:
                self.places.remove(place)
            return place, None
        return place, Outcome(index, 1)


def test_every_episode_is_done_once_whoever_dies():
    outcomes = list(run_crew(FallibleCrew(3, {4: 1, 5: 2}), range(10)))
    assert sorted(outcome.index for outcome in outcomes) == list(range(10))
    assert all(outcome.whole for outcome in outcomes)


def test_an_episode_that_kills_its_workers_is_given_up_and_the_others_are_done():
    outcomes = {outcome.index: outcome for outcome in run_crew(FallibleCrew(2, {1: 99}), range(4), tries=3)}
    assert [index for index, outcome in outcomes.items() if not outcome.whole] == [1]
    assert "died in each of 3 tries" in outcomes[1].sentence


def test_without_any_worker_left_every_episode_is_told():
    crew = FallibleCrew(2, {0: 9, 1: 9, 2: 9}, for_good={0, 1, 2})
    outcomes = list(run_crew(crew, range(3)))
    assert [outcome.sentence for outcome in outcomes] == ["No worker is left."] * len(outcomes)
    assert len(outcomes) >= 1


class Stumbling:
    """Dies with the first try of episode 1, and makes the rest."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def make(self, index):
        note = self.folder / "died"
        if index == 1 and not note.exists():
            note.touch()
            os._exit(9)
        return Outcome(index, os.getpid())


def test_a_killed_process_loses_its_episode_alone_and_another_makes_it(tmp_path):
    with ProcessCrew(partial(Stumbling, tmp_path), size=1, cores=1) as crew:
        outcomes = list(run_crew(crew, range(3)))
    assert sorted(outcome.index for outcome in outcomes) == [0, 1, 2]
    assert all(outcome.whole for outcome in outcomes)
    # The number of steps tells the process here: the one that died, and the one after it.
    assert len({outcome.steps for outcome in outcomes}) == 2
    assert (tmp_path / "died").exists()


@pytest.fixture(scope="module")
def opened():
    return Opened(ToyPolicy(), osc.open_episodes("demo"))


def bytes_of(folder):
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in files.items() if name.name != "lock"}


def test_processes_make_the_bytes_of_one(tmp_path):
    options = CaptureOptions("toy", "demo", episode="0:3", steps="0:2", spread=Spread(cores=1))
    for name, workers in (("one", 1), ("two", 2)):
        made = capture(dataclasses.replace(options, spread=Spread(workers, cores=1), output=tmp_path / name))
        assert made.ok
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_what_cannot_be_run_is_listed_and_the_rest_is_made_and_made_once(opened, tmp_path):
    def read(index):
        if index == 1 and not (tmp_path / "mended").exists():
            raise EpisodeError("a frame cannot be read")
        return opened.source[index]

    source = Opened(opened.model, dataclasses.replace(opened.source, count=4, read=read))
    options = CaptureOptions("toy", "demo", steps="0:2", output=tmp_path / "all")
    told = []
    made = capture(options, opened=source, tell=lambda *lines: told.extend(lines))
    assert [(failure.index, failure.error) for failure in made.failures] == [(1, "EpisodeError")]
    assert (made.ok, made.collection.missing()) == (False, (1,))
    assert "1 of 4 episodes could not be run:" in told
    assert told[-1].endswith("all: 3 of 4 runs are whole, 1 missing: the same command makes them.")
    first = bytes_of(tmp_path / "all" / "runs")
    with pytest.raises(EpisodeError, match="Without --strict"):
        capture(dataclasses.replace(options, spread=Spread(strict=True)), opened=source)
    (tmp_path / "mended").touch()
    assert capture(options, opened=source).ok
    assert open_collection(tmp_path / "all").failures() == ()
    again = bytes_of(tmp_path / "all" / "runs")
    assert {name: again[name] for name in first} == first
    with pytest.raises(OutputError, match=r"kept\.seed was 0, is 3"):
        capture(dataclasses.replace(options, seed=3), opened=source)


def test_a_full_disk_stops_all_and_the_same_command_goes_on(opened, tmp_path, monkeypatch):
    options = CaptureOptions("toy", "demo", episode="0:3", steps="0:2", output=tmp_path / "all")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("octoscope.studies.collecting.worker.attend", full)
        with pytest.raises(OutputError, match="No space left on device"):
            capture(options, opened=opened)
    assert open_collection(tmp_path / "all").failures() == ()
    assert capture(options, opened=opened).ok


def test_shards_make_the_whole_between_them(opened, tmp_path):
    options = CaptureOptions("toy", "demo", episode="0:5", steps="0", output=tmp_path / "all")
    capture(dataclasses.replace(options, spread=Spread(shard="0/2")), opened=opened)
    assert open_collection(tmp_path / "all").missing() == (1, 3)
    assert capture(dataclasses.replace(options, spread=Spread(shard="1/2")), opened=opened).collection.missing() == ()
    with pytest.raises(SelectionError, match="holds none"):
        capture(dataclasses.replace(options, spread=Spread(shard="7/9")), opened=opened)


def test_as_many_of_each_task_as_asked_for(opened, tmp_path):
    words = ["lift the can", "Lift  the can", "push the ball", "lift the can"]
    source = [dataclasses.replace(opened.source[0], instruction=text) for text in words]
    options = CaptureOptions("toy", "made", per_task=1, steps="0", output=tmp_path / "all")
    assert capture(options, opened=Opened(opened.model, source)).collection.episodes == (0, 2)


def test_what_no_episode_has_is_not_held_against_the_next_call(opened, tmp_path):
    options = CaptureOptions("toy", "demo", episode="0:2", layers="9", output=tmp_path / "all")
    with pytest.raises(SelectionError, match="layer must be in"):
        capture(options, opened=opened)
    assert not (tmp_path / "all").exists()
    assert capture(dataclasses.replace(options, layers="0", steps="0"), opened=opened).ok


def test_episodes_too_short_for_a_step_are_listed_and_the_longer_ones_made(opened, tmp_path):
    lengths = [len(opened.source[index]) for index in range(4)]
    step = min(lengths)
    options = CaptureOptions("toy", "demo", episode="0:4", steps=str(step), output=tmp_path / "all")
    made = capture(options, opened=opened)
    short = tuple(index for index, length in enumerate(lengths) if length <= step)
    assert 0 < len(short) < 4
    assert tuple(failure.index for failure in made.failures) == made.collection.missing() == short


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (("--shard", "4/4"), "0/4 to 3/4"),
        (("--shard", "one"), "a part of a whole"),
        (("--episode", "99"), "episode must be in 0..14"),
        (("--layers", "9"), "layer must be in"),
        (("--gpus", "1"), "--gpus would change nothing"),
        (("--ray", "auto"), "pip install 'octoscope\\[ray\\]'|no Ray cluster"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_leaves_nothing_but_the_plan(line, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["capture", "toy", "demo", *line, "-o", str(tmp_path / "all")])
    assert stop.value.code == 2
    assert re.search(message, capsys.readouterr().err)
    assert not list((tmp_path / "all" / "runs").glob("*"))


def test_a_ray_cluster_makes_the_bytes_of_one_process(tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        options = CaptureOptions("toy", "demo", episode="0:3", steps="0:2", spread=Spread(cores=1))
        for name, spread in (("one", Spread(cores=1)), ("ray", Spread(0, cores=1, ray="auto"))):
            assert capture(dataclasses.replace(options, output=tmp_path / name, spread=spread)).ok
    finally:
        ray.shutdown()
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "ray")
