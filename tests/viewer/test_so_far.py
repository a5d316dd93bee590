"""A run that is still being written: the steps so far are looked at, nothing of it is changed, and the whole run takes their place."""

import json

import numpy as np
import pytest

from hand_made_runs import hand_made_run, random_weights
from octoscope.cli.main import main
from octoscope.runs.run import Run
from octoscope.runs.run_writer import RunWriter
from octoscope.runs.step_journal import StepJournal
from octoscope.runs.steps_so_far import read_so_far
from octoscope.runs.unfinished import Unfinished
from octoscope.viewer.served_runs import NotFinishedError, ServedRuns
from octoscope.viewer.server import PageServer
from viewer.test_page import Viewed, near


class Stop(Exception):
    pass


def stopped(store, *, after, steps=6):
    """A run whose writer was stopped after some steps; returns the run that it would have become."""

    def weights(visible, step):
        if step == after:
            raise Stop
        return random_weights(visible, step)

    with pytest.raises(Stop):
        hand_made_run(weights, store=store, steps=steps)
    return hand_made_run(steps=steps)


def go_on(store, whole):
    """Writes the steps that are missing."""
    attributes = Unfinished(store).attributes()
    manifest = {name: value for name, value in attributes.items() if name not in ("format", "complete")}
    frames = {"frames/primary": (whole.read("frames/primary"), ("time", "height", "width", "channel"))}
    with RunWriter(store, manifest=manifest, whole=frames, resume=True) as writer:
        for step in range(writer.written, len(whole.steps)):
            arrays = {}
            for name in ("token_pad", "timestep_pad_mask", "frame_index", "actions"):
                axes = {"token_pad": ("token",), "actions": ("horizon", "dim")}.get(name, ("window",))
                arrays[name] = (whole.read(name, step), axes)
            for group in whole.query_groups:
                name = whole.attention_name(group)
                arrays[name] = (whole.read(name, step), whole.selection.axes(whole.layout, group))
            writer.append_step(arrays)


@pytest.mark.parametrize("shard", [1, 100])
def test_steps_so_far_are_those_of_the_whole_run(tmp_path, monkeypatch, shard):
    monkeypatch.setattr("octoscope.runs.run_writer.steps_per_shard", lambda size: shard)
    whole = stopped(tmp_path / "run.zarr", after=3)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    run = read_so_far(Unfinished(tmp_path / "run.zarr"))
    assert run is not None
    assert run.steps == (0, 1, 2)
    for step in run.steps:
        np.testing.assert_array_equal(run.attention_matrix(step=step), whole.attention_matrix(step=step))
        np.testing.assert_array_equal(run.frame_index(step=step), whole.frame_index(step=step))
    assert run.frame("primary", time=5).shape == (32, 32, 3)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_no_more_is_read_than_fits(tmp_path):
    stopped(tmp_path / "run.zarr", after=3)
    work = Unfinished(tmp_path / "run.zarr")
    step = sum(array.nbytes for array, _ in StepJournal(work.journal).pending()[0].values())
    first = read_so_far(work, most_bytes=2 * step)
    assert first is not None
    assert first.steps == (0, 1)
    assert read_so_far(work, most_bytes=step - 1) is None


def test_the_server_gives_steps_so_far_and_then_the_whole_run(tmp_path):
    whole = stopped(tmp_path / "run.zarr", after=2)
    (name,) = ServedRuns([tmp_path / "run.zarr"]).names
    with pytest.raises(NotFinishedError, match="2 of 6 steps"):
        ServedRuns([tmp_path / "run.zarr"]).file(name, "card.json")
    runs = ServedRuns([tmp_path / "run.zarr"], so_far=True)
    card = json.loads(runs.file(name, "card.json").content)
    assert (card["steps"], card["unfinished"]) == ([0, 1], "2 of 6 steps")
    go_on(tmp_path / "run.zarr", whole)
    card = json.loads(runs.file(name, "card.json").content)
    assert (card["steps"], card["unfinished"]) == ([0, 1, 2, 3, 4, 5], "")


def test_a_run_without_any_step_is_a_sentence(tmp_path):
    Unfinished(tmp_path / "later.zarr").run.mkdir(parents=True)
    runs = ServedRuns([tmp_path / "later.zarr"], so_far=True)
    with pytest.raises(NotFinishedError, match="not finished"):
        runs.file(runs.names[0], "card.json")


def test_half_a_run_is_not_exported(tmp_path, capsys):
    stopped(tmp_path / "run.zarr", after=2)
    for given in (["--html", str(tmp_path / "run.html")], ["--figure", str(tmp_path / "run.png")]):
        with pytest.raises(SystemExit):
            main(["export", str(tmp_path / "run.zarr"), *given])
        assert "not finished: 2 of 6 steps" in capsys.readouterr().err


def test_the_page_goes_on_with_the_run(browser, tmp_path):
    whole = stopped(tmp_path / "run.zarr", after=2)
    server = PageServer(ServedRuns([tmp_path / "run.zarr"], so_far=True))
    server.begin()
    try:
        shown = Viewed(browser, server.url)
        shown.open("step=1&layer=1&head=0&lock=1")
        assert "being written: 2 of 6 steps" in shown.page.inner_text("#told")
        readout, patch = (
            int(whole.layout.select(group, timestep=-1)[0]) for group in ("readout_action", "obs_primary")
        )
        shown.point(patch)
        near(shown.numbers()[0], whole.attention_matrix(step=1)[1, 0, readout, patch])
        assert shown.page.is_hidden("#receipt")
        go_on(tmp_path / "run.zarr", whole)
        shown.page.evaluate("octoscope.watch()")
        shown.ready()
        # Who looked at the last step looks at the last step.
        assert (shown.state("step"), shown.page.inner_text("#at")) == (5, "step 5")
        assert "being written" not in shown.page.inner_text("#told")
        near(shown.numbers()[0], Run.open(tmp_path / "run.zarr").attention_matrix(step=5)[1, 0, readout, patch])
        assert shown.errors == []
        shown.page.close()
    finally:
        server.shutdown()
        server.server_close()
