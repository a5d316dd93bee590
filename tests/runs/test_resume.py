"""An unfinished run: killed, interrupted, out of room, written twice; nothing is lost and nothing is taken for a whole run."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import damage
import numpy as np
import pytest

import octoscope as osc
from octoscope.cli.main import main
from octoscope.errors import Interrupted, OutputError, RunError
from octoscope.policies.octo.octo_policy import OctoPolicy
from octoscope.policies.octo.recording.step_recorder import StepRecorder
from octoscope.run_lock import RunLock, read_lock
from octoscope.runs.run_writer import RunWriter
from octoscope.runs.step_journal import StepJournal
from octoscope.runs.unfinished import Unfinished

STEPS = range(12)
# Stands still in place of step `stop` until it is killed, so that the kill lands there however fast the steps are; ends with whoever
# started it.
STAND_STILL = """
import sys, octoscope as osc
from octoscope.policies.octo.recording.step_recorder import StepRecorder
from octoscope.runs import run_writer
capture, path, stop = StepRecorder.arrays_at, sys.argv[1], int(sys.argv[2])

def arrays_at(self, step):
    if step == stop:
        print("here", flush=True)
        sys.exit(sys.stdin.read())
    return capture(self, step)

StepRecorder.arrays_at = arrays_at
run_writer.steps_per_shard = lambda _: 4
model, episode = osc.OctoModel.load_pretrained("drawn"), osc.open_episodes("drawn")[0]
osc.attend(model, episode, path, steps=range(12), resume=True)
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stop_after(monkeypatch, count: int, stop) -> None:
    """Lets `stop` happen in place of step number `count`."""
    capture = StepRecorder.arrays_at
    made = []

    def arrays_at(self, step):
        if len(made) == count:
            stop()
        made.append(step)
        return capture(self, step)

    monkeypatch.setattr(StepRecorder, "arrays_at", arrays_at)


def raise_error():
    raise RuntimeError("the power went")


def test_a_killed_writer_goes_on_to_the_same_bytes(tmp_path):
    driver = Path(__file__).with_name("killed_writer.py")
    done = subprocess.run([sys.executable, driver, tmp_path, "12"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts = dict(re.findall(r"(\w+) (\d+)", done.stdout))
    assert counts["runs"] == counts["equal"] == "12"
    assert int(counts["killed"]) >= 12


def test_a_killed_job_goes_on_to_the_same_bytes(demo_model, demo_episode, tmp_path, monkeypatch):
    monkeypatch.setattr("octoscope.runs.run_writer.steps_per_shard", lambda _: 4)
    osc.attend(demo_model, demo_episode, tmp_path / "whole.zarr", steps=STEPS)
    path = tmp_path / "run.zarr"
    for kept in (2, 7):
        command = [sys.executable, "-c", STAND_STILL, str(path), str(kept)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as job:
            assert job.stdout.readline() == "here\n"
            job.kill()
        assert job.returncode == -signal.SIGKILL
        assert Unfinished(path).progress() == (kept, len(STEPS))
    with pytest.raises(RunError, match=r"was not finished: 7 of 12 steps lie in .*--resume"):
        osc.Run.open(path)
    osc.attend(demo_model, demo_episode, path, steps=STEPS, resume=True)
    assert not Unfinished(path).folder.exists()
    assert files(path) == files(tmp_path / "whole.zarr")


def test_an_error_keeps_the_steps_before_it(demo_model, demo_episode, demo_run, tmp_path, monkeypatch):
    path = tmp_path / "run.zarr"
    with monkeypatch.context() as patch:
        stop_after(patch, 2, raise_error)
        with pytest.raises(RuntimeError, match="the power went"):
            osc.attend(demo_model, demo_episode, path, steps=[0, 1, 5], options=osc.WatchOptions(dtype="float32"))
    assert Unfinished(path).progress() == (2, 3)
    with pytest.raises(OutputError, match=r"holds an unfinished run \(2 of 3 steps\).*--resume"):
        osc.attend(demo_model, demo_episode, path, steps=[0, 1, 5], options=osc.WatchOptions(dtype="float32"))
    run = osc.attend(
        demo_model, demo_episode, path, steps=[0, 1, 5], options=osc.WatchOptions(dtype="float32"), resume=True
    )
    for step in run.steps:
        np.testing.assert_array_equal(
            run.attention("readout_action", step=step), demo_run.attention("readout_action", step=step)
        )


def test_an_error_before_the_first_step_leaves_nothing(demo_model, demo_episode, tmp_path, monkeypatch):
    stop_after(monkeypatch, 0, raise_error)
    with pytest.raises(RuntimeError, match="the power went"):
        osc.attend(demo_model, demo_episode, tmp_path / "new" / "run.zarr", steps=[0])
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_after_the_step_and_says_how_to_go_on(demo_model, demo_episode, tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    path = tmp_path / "run.zarr"
    with monkeypatch.context() as patch:
        stop_after(patch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(Interrupted, match=r"stopped after step 3\. 2 of 3 steps are kept in .*--resume"):
            osc.attend(demo_model, demo_episode, path, steps=[2, 3, 4])
    assert signal.getsignal(signal.SIGINT) is before
    assert osc.attend(demo_model, demo_episode, path, steps=[2, 3, 4], resume=True).steps == (2, 3, 4)


def test_ctrl_c_in_the_last_step_stops_too_and_the_run_is_whole(demo_model, demo_episode, tmp_path, monkeypatch):
    path = tmp_path / "run.zarr"
    stop_after(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted, match=r"run\.zarr is whole"):
        osc.attend(demo_model, demo_episode, path, steps=[2, 3])
    assert osc.Run.open(path).steps == (2, 3)


def test_other_arguments_are_refused_by_name(demo_model, demo_episode, tmp_path, monkeypatch):
    path = tmp_path / "run.zarr"
    with monkeypatch.context() as patch:
        stop_after(patch, 1, raise_error)
        with pytest.raises(RuntimeError):
            osc.attend(demo_model, demo_episode, path, steps=[2, 3])
    kept = files(tmp_path)
    with pytest.raises(RunError, match="begun with other arguments: seed was 0, is 1"):
        osc.attend(demo_model, demo_episode, path, steps=[2, 3], options=osc.WatchOptions(seed=1), resume=True)
    assert files(tmp_path) == kept
    with monkeypatch.context() as patch:
        patch.setattr(OctoPolicy, "digest", lambda policy: "f" * 64)
        with pytest.raises(RunError, match=r"policy_sha256 was [0-9a-f]+.* is f+"):
            osc.attend(demo_model, demo_episode, path, steps=[2, 3], resume=True)
    assert files(tmp_path) == kept
    run = osc.attend(demo_model, demo_episode, path, steps=[2, 3], resume=True)
    with pytest.raises(RunError, match="made with other arguments: steps was"):
        osc.attend(demo_model, demo_episode, path, steps=[2], resume=True)
    again = osc.attend(demo_model, demo_episode, path, steps=[2, 3], resume=True)
    assert again.manifest == run.manifest


def test_overwrite_keeps_the_old_run_until_the_new_one_is_whole(demo_model, demo_episode, tmp_path, monkeypatch):
    path = tmp_path / "run.zarr"
    osc.attend(demo_model, demo_episode, path, steps=[2, 3])
    with monkeypatch.context() as patch:
        stop_after(patch, 1, raise_error)
        with pytest.raises(RuntimeError):
            osc.attend(demo_model, demo_episode, path, steps=[4, 5], overwrite=True)
    assert osc.Run.open(path).steps == (2, 3)
    assert osc.attend(demo_model, demo_episode, path, steps=[4, 5], resume=True).steps == (4, 5)
    assert osc.Run.open(path).steps == (4, 5)
    assert [p.name for p in tmp_path.iterdir()] == ["run.zarr"]


@pytest.mark.parametrize("broken", ["octoscope.runs.step_journal.np.savez", "zarr.storage._local._put"])
def test_a_full_disk_is_told_and_loses_nothing(demo_model, demo_episode, tmp_path, monkeypatch, broken):
    path = tmp_path / "run.zarr"

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        stop_after(patch, 2, lambda: patch.setattr(broken, full))
        with pytest.raises(OutputError, match=r"No space left on device.*\d of 3 steps are kept in .*--resume"):
            osc.attend(demo_model, demo_episode, path, steps=[2, 3, 4])
    assert osc.attend(demo_model, demo_episode, path, steps=[2, 3, 4], resume=True).steps == (2, 3, 4)
    assert [p.name for p in tmp_path.iterdir()] == ["run.zarr"]


def test_a_folder_that_may_not_be_written_is_told(demo_run, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    # Nobody may not read the environment that this runs in either: all that is needed has been loaded before.
    with as_nobody(tmp_path), pytest.raises(OutputError, match=r"cannot be written \(Permission denied\)"):
        RunWriter(folder / "run.zarr", manifest=demo_run.manifest)
    assert list(folder.iterdir()) == []


@contextlib.contextmanager
def as_nobody(folder: Path):
    """Root may write everywhere, so it becomes somebody else for a while."""
    if os.geteuid():
        yield
        return
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_second_writer_is_refused_by_name(tmp_path, demo_model, demo_episode):
    work = Unfinished(tmp_path / "run.zarr")
    work.make_folder()
    lock = RunLock(work.folder)
    assert read_lock(work.folder) == {"pid": os.getpid(), "host": os.uname().nodename}
    for choice in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(OutputError, match=f"is being written by process {os.getpid()} on "):
            osc.attend(demo_model, demo_episode, work.target, steps=[0], **choice)
    lock.release()
    assert osc.attend(demo_model, demo_episode, work.target, steps=[0]).steps == (0,)


def test_the_lock_of_a_dead_process_stops_nobody_and_that_of_another_machine_does(tmp_path):
    (tmp_path / "lock").write_text(f'{{"pid": 1, "host": "{os.uname().nodename}"}}')
    assert read_lock(tmp_path) is None
    RunLock(tmp_path).release()
    (tmp_path / "lock").write_text('{"pid": 7, "host": "elsewhere"}')
    with pytest.raises(OutputError, match=r"process 7 on elsewhere.*remove .*lock"):
        RunLock(tmp_path)


def test_the_lock_of_another_machine_is_taken_over_only_when_told_and_whoever_was_taken_for_dead_stops(tmp_path):
    path = damage.make_unfinished(tmp_path)
    lock = Unfinished(path).folder / "lock"
    lock.write_text('{"pid": 7, "host": "elsewhere"}')
    with pytest.raises(OutputError, match=r"process 7 on elsewhere.*--take-over"):
        damage.write(path)
    with pytest.raises(OutputError, match="--take-over"):
        RunLock(lock.parent)
    held = RunLock(lock.parent, take_over=True)
    # One that lives is never taken over.
    with pytest.raises(OutputError, match=f"is being written by process {os.getpid()}"):
        RunLock(lock.parent, take_over=True)
    held.check()
    lock.write_text('{"pid": 8, "host": "elsewhere"}')
    with pytest.raises(OutputError, match="was taken over by process 8 on elsewhere: this process stops"):
        held.check()
    held.release()
    assert read_lock(lock.parent) == {"pid": 8, "host": "elsewhere"}


def test_take_over_goes_on_with_the_run(demo_model, demo_episode, tmp_path, monkeypatch):
    path = tmp_path / "run.zarr"
    with monkeypatch.context() as patch:
        stop_after(patch, 1, raise_error)
        with pytest.raises(RuntimeError):
            osc.attend(demo_model, demo_episode, path, steps=[2, 3])
    (Unfinished(path).folder / "lock").write_text('{"pid": 7, "host": "elsewhere"}')
    with pytest.raises(OutputError, match="--take-over"):
        osc.attend(demo_model, demo_episode, path, steps=[2, 3], resume=True)
    assert osc.attend(demo_model, demo_episode, path, steps=[2, 3], resume=True, take_over=True).steps == (2, 3)


def test_take_over_alone_is_refused_before_any_work(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["attend", "drawn", "drawn", "--take-over", "-o", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "give --resume to go on with it, or --overwrite" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", ["", "[1]", '"x"', '{"pid": "7"}', '{"host": 3, "pid": 7}', "\x00"])
def test_a_lock_that_says_nothing_stops_nobody(tmp_path, said):
    (tmp_path / "lock").write_text(said)
    assert read_lock(tmp_path) == {}
    RunLock(tmp_path).release()


def test_other_threads_or_another_processor_are_refused(demo_model, demo_episode, tmp_path, monkeypatch):
    path = tmp_path / "run.zarr"
    with monkeypatch.context() as patch:
        patch.setattr("octoscope.capture.provenance.cpu_threads", lambda: 3)
        patch.setattr("octoscope.capture.provenance.processor_kind", lambda: "pdp11")
        stop_after(patch, 1, raise_error)
        with pytest.raises(RuntimeError):
            osc.attend(demo_model, demo_episode, path, steps=[2, 3])
    with pytest.raises(RunError, match=r"threads was 3, is \d+ \(set NPROC=3 .*; processor was pdp11"):
        osc.attend(demo_model, demo_episode, path, steps=[2, 3], resume=True)


def test_sigterm_ends_after_the_step_as_ctrl_c_does(demo_model, demo_episode, tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    path = tmp_path / "run.zarr"
    with monkeypatch.context() as patch:
        stop_after(patch, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted, match=r"stopped after step 3\. 2 of 3 steps are kept in .*--resume"):
            osc.attend(demo_model, demo_episode, path, steps=[2, 3, 4])
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_of_a_command_is_what_ctrl_c_is(monkeypatch, capsys):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("octoscope.studies.run_list.find_runs", lambda folder: os.kill(os.getpid(), signal.SIGTERM))
    known = signal.getsignal
    # As where nobody handles it yet; others are put back as they were.
    monkeypatch.setattr(
        signal, "getsignal", lambda number: signal.SIG_DFL if number == signal.SIGTERM else known(number)
    )
    with pytest.raises(SystemExit) as stop:
        main(["runs", "list", "."])
    monkeypatch.undo()
    signal.signal(signal.SIGTERM, before)
    assert stop.value.code == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_torn_journal_file_is_made_again(tmp_path):
    journal = StepJournal(tmp_path / "journal")
    for index in range(3):
        journal.add(index, {"a": (np.full(100, index), ("token",))})
    path = tmp_path / "journal" / "000001.npz"
    path.write_bytes(path.read_bytes()[:200])
    assert len(StepJournal(tmp_path / "journal").pending()) == 1
