"""`octoscope faithfulness` and `language` over many episodes: by processes and shards, with episodes that fail, and gone on with."""

import dataclasses

import numpy as np
import pytest

import octoscope as osc
from octoscope.errors import EpisodeError, Interrupted, OutputError, SelectionError
from octoscope.faithfulness.language_use import language_use
from octoscope.faithfulness.score import score_faithfulness
from octoscope.policies.toy.toy_policy import ToyPolicy
from octoscope.runs.findings.find_findings import find_findings
from octoscope.runs.findings.finding_folder import read_finding
from octoscope.runs.findings.finding_head import read_head
from octoscope.runs.findings.frozen_values import take_apart
from octoscope.studies.collecting.faithfulness_worker import SCORES, FaithfulnessWorker
from octoscope.studies.collecting.language_worker import EPISODE
from octoscope.studies.faithfulness import faithfulness, faithfulness_settings
from octoscope.studies.language import language
from octoscope.studies.opening import Opened
from octoscope.studies.options.faithfulness import FaithfulnessOptions
from octoscope.studies.options.language import LanguageOptions
from octoscope.studies.options.spread import Spread

SCORED = FaithfulnessOptions(
    "toy", "demo", episode="0:3", max_steps=1, points=1, methods=("last layer", "best head", "fixed template", "random")
)
SPOKEN = LanguageOptions("toy", "demo", episode="0:3", max_steps=1, noises=1)
CASES = ((faithfulness, SCORED), (language, SPOKEN))
NAMES = ("faithfulness", "language")


@pytest.fixture(scope="module")
def opened():
    return Opened(ToyPolicy(), osc.open_episodes("demo"))


def contents(folder):
    """Every file by name; of findings, all but where they were computed."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(one, other):
    first, second = take_apart(one), take_apart(other)
    assert first.plain == second.plain
    assert sorted(first.arrays) == sorted(second.arrays)
    for name, values in first.arrays.items():
        np.testing.assert_array_equal(values, second.arrays[name], err_msg=name)


def failing(opened, folder, *places):
    """The episodes, some of which cannot be read until `folder/mended` is there."""

    def read(index):
        if index in places and not (folder / "mended").exists():
            raise EpisodeError("a frame cannot be read")
        return opened.source[index]

    return Opened(opened.model, dataclasses.replace(opened.source, read=read))


def test_the_tables_are_those_of_all_episodes_at_once(opened, tmp_path):
    """Computed from what was kept of each episode, and equal in every bit to one call over all."""
    episodes = [opened.source[index] for index in range(3)]
    scored = faithfulness(dataclasses.replace(SCORED, output=tmp_path), opened=opened)
    same(scored.table, score_faithfulness(opened.model, episodes, faithfulness_settings(SCORED)))
    spoken = language(dataclasses.replace(SPOKEN, output=tmp_path), opened=opened)
    same(spoken.table, language_use(opened.model, episodes, steps=1, noises=1))
    assert (scored.ok, spoken.ok) == (True, True)
    for place in range(3):
        of_one = read_finding(tmp_path / f"findings/faithfulness_scores/{place:06}", SCORES)
        assert of_one.name == episodes[place].name
        assert np.isfinite(of_one.scores["random"]["Pearson"]).all()
        said = read_finding(tmp_path / f"findings/language_episode/{place:06}", EPISODE)
        same(said, spoken.table.episodes[place])
    assert all(finding.whole for finding in find_findings(tmp_path))


def test_processes_leave_the_bytes_of_one(tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        spread = Spread(workers, cores=1)
        assert faithfulness(dataclasses.replace(SCORED, spread=spread, output=tmp_path / name)).ok
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize(("study", "options"), CASES, ids=NAMES)
def test_shards_leave_the_table_of_one(study, options, opened, tmp_path):
    study(dataclasses.replace(options, output=tmp_path / "one"), opened=opened)
    told = []
    # The second stage of scores needs the first of all: every shard comes once more.
    for shard in ("0/2", "1/2", "0/2", "1/2"):
        part = dataclasses.replace(options, spread=Spread(shard=shard), output=tmp_path / "parts")
        outcome = study(part, opened=opened, tell=lambda *lines: told.append(lines[-1]))
        assert outcome.table is None
    # What it costs comes first.
    told = [line for line in told if not line.startswith("About ")]
    assert "missing: every shard's command once more" in told[0]
    assert told[-1].startswith("3 of 3 episodes are whole. The same command without --shard, with --resume")
    assert not (tmp_path / "parts" / study.__name__).exists()
    with pytest.raises(OutputError, match=r"begun and not finished.*--resume"):
        study(dataclasses.replace(options, output=tmp_path / "parts"), opened=opened)
    study(dataclasses.replace(options, resume=True, output=tmp_path / "parts"), opened=opened)
    assert contents(tmp_path / "one") == contents(tmp_path / "parts")
    with pytest.raises(SelectionError, match="holds none"):
        study(dataclasses.replace(options, spread=Spread(shard="7/9"), output=tmp_path / "none"), opened=opened)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("study", "options"), CASES, ids=NAMES)
def test_what_fails_is_listed_and_left_out_until_it_is_mended(study, options, opened, tmp_path):
    broken, told = failing(opened, tmp_path, 1), []
    options = dataclasses.replace(options, output=tmp_path / "out")
    outcome = study(options, opened=broken, tell=lambda *lines: told.extend(lines))
    assert [(failure.index, failure.error) for failure in outcome.failures] == [(1, "EpisodeError")]
    assert not outcome.ok
    assert "1 of 3 episodes could not be run:" in told
    table = outcome.table
    assert (table.episodes if study is faithfulness else len(table.episodes)) == 2
    with pytest.raises(EpisodeError, match="Without --strict"):
        study(dataclasses.replace(options, spread=Spread(strict=True), output=tmp_path / "strict"), opened=broken)
    (tmp_path / "mended").touch()
    again = study(dataclasses.replace(options, resume=True), opened=broken)
    whole = study(dataclasses.replace(options, output=tmp_path / "whole"), opened=opened)
    assert again.ok
    same(again.table, whole.table)


@pytest.mark.parametrize(("study", "options"), CASES, ids=NAMES)
def test_where_every_episode_fails_the_first_is_told_and_nothing_is_left(study, options, opened, tmp_path):
    with pytest.raises(EpisodeError, match="a frame cannot be read"):
        study(
            dataclasses.replace(options, output=tmp_path / "out"),
            opened=failing(opened, tmp_path, 0, 1, 2),
        )
    assert not (tmp_path / "out").exists()


def test_more_episodes_go_on_with_what_is_kept(opened, tmp_path):
    options = dataclasses.replace(SPOKEN, swap=("push it",), output=tmp_path / "out")
    language(dataclasses.replace(options, episode="0:2"), opened=opened)
    with pytest.raises(OutputError, match="already holds results"):
        language(options, opened=opened)
    before = (tmp_path / "out/findings/language_episode/000001/finding.json").stat().st_mtime_ns
    grown = language(dataclasses.replace(options, resume=True), opened=opened)
    assert (tmp_path / "out/findings/language_episode/000001/finding.json").stat().st_mtime_ns == before
    same(grown.table, language(dataclasses.replace(options, output=tmp_path / "whole"), opened=opened).table)
    with pytest.raises(OutputError, match="already holds results"):
        language(dataclasses.replace(options, episode="0:2", resume=True), opened=opened)


def test_an_episode_that_changed_is_studied_anew(opened, tmp_path):
    options = dataclasses.replace(SPOKEN, swap=("push it",), output=tmp_path)
    before = language(options, opened=opened).table

    def made(place):
        head = read_head(tmp_path / f"findings/language_episode/{place:06}")
        return head.provenance["episodes"][0]["sha256"], (head.path / "finding.json").stat().st_mtime_ns

    firsts = [made(place) for place in range(3)]
    frames = {name: np.zeros_like(np.asarray(images)) for name, images in opened.source[1].images.items()}
    changed = [opened.source[0], dataclasses.replace(opened.source[1], images=frames), opened.source[2]]
    with pytest.raises(OutputError, match="already holds results"):
        # Another number of episodes is another dataset.
        language(dataclasses.replace(options, resume=True), opened=Opened(opened.model, changed[:2]))
    source = dataclasses.replace(opened.source, read=lambda index: changed[index])
    after = language(dataclasses.replace(options, resume=True), opened=Opened(opened.model, source)).table
    same(after.episodes[0], before.episodes[0])
    assert [made(place) == first for place, first in enumerate(firsts)] == [True, False, True]
    assert (tmp_path / "language/steps.csv").exists()


def test_a_killed_scorer_loses_its_step_alone(opened, tmp_path, monkeypatch):
    """Every whole finding is kept; what was begun is gone on with."""
    options = dataclasses.replace(SCORED, output=tmp_path)
    make = FaithfulnessWorker.make

    def killed(self, task):
        if (task.index, task.name) == (2, SCORES.name):
            raise KeyboardInterrupt
        return make(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(FaithfulnessWorker, "make", killed)
        with pytest.raises(Interrupted, match=r"2 of 3 episodes are done.*--resume"):
            faithfulness(options, opened=opened)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("findings/faithfulness_*/*/finding.json")}
    assert len(kept) == 3 + 1 + 2
    assert faithfulness(dataclasses.replace(options, resume=True), opened=opened).ok
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_ray_cluster_leaves_the_bytes_of_one_process(tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        for name, spread in (("one", Spread(cores=1)), ("ray", Spread(0, cores=1, ray="auto"))):
            assert faithfulness(dataclasses.replace(SCORED, spread=spread, output=tmp_path / name)).ok
            assert language(dataclasses.replace(SPOKEN, spread=spread, output=tmp_path / name)).ok
    finally:
        ray.shutdown()
    assert contents(tmp_path / "one") == contents(tmp_path / "ray")
