"""The front door: what is imported when, signals from the first import on, and standard output that is closed, full or of few letters."""

import errno
import io
import os
import signal
import subprocess
import sys

import pytest

import octoscope as osc
from octoscope.cli import commands
from octoscope.cli.main import main
from octoscope.cli.standard_streams import LastingStream
from octoscope.cli.stop_signals import stopping_alike

_HEAVY = ("jax", "jaxlib", "flax", "torch", "tensorstore")


def python(program: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, **options)


def test_help_a_list_and_a_typo_need_neither_jax_nor_numpy(tmp_path):
    run_path = tmp_path / "run.zarr"
    osc.attend(osc.open_policy("toy"), osc.open_episodes("demo")[0], run_path, steps=[0])
    done = python(
        f"""
import contextlib, io, sys
from octoscope.cli.main import main
def run(*line):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as error:
        try:
            main(line)
        except SystemExit as stop:
            assert stop.code == 2, stop.code
    return error.getvalue()
run("--help")
run("attend", "--help")
assert "Did you mean 'attend'" in run("atend", "demo")
assert "--steps" in run("attend", "demo", "demo", "--stpes", "3")
assert "--seed must be" in run("attend", "demo", "demo", "--seed", "-1")
print([name for name in {(*_HEAVY, "numpy", "zarr")} if name in sys.modules])
run("runs", "list", {str(run_path.parent)!r})
print([name for name in {(*_HEAVY, "numpy", "zarr")} if name in sys.modules])
"""
    )
    assert (done.stdout, done.stderr) == ("[]\n[]\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_importing_leaves_at_once_and_is_never_swallowed(number):
    done = python(
        f"""
import os, signal, sys
# Whoever started the tests may ignore it (`nohup`).
signal.signal({int(number)}, signal.default_int_handler)
from importlib.abc import MetaPathFinder
class Interrupted(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "tyro":
            try:
                os.kill(os.getpid(), {int(number)})
            except BaseException:
                pass
sys.meta_path.insert(0, Interrupted())
from octoscope.cli.main import main
main(["--help"])
"""
    )
    assert done.returncode == 130
    assert (done.stdout, done.stderr) == ("", "octoscope: interrupted; nothing was left behind.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_work_is_an_interrupt(number, monkeypatch, capsys):
    monkeypatch.setattr(commands, "load_work", lambda options, manner: lambda: signal.raise_signal(number))
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(each) for each in numbers]
    if before[numbers.index(number)] == signal.SIG_IGN:
        pytest.skip("whoever started the tests ignores it")
    with pytest.raises(SystemExit) as stop:
        main(["demo"])
    assert stop.value.code == 130
    assert "interrupted; nothing was left behind" in capsys.readouterr().err
    assert [signal.getsignal(each) for each in numbers] == before


def test_a_wish_to_end_goes_to_whoever_handles_ctrl_c():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with stopping_alike():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT]


def test_a_job_that_ignores_ctrl_c_can_be_ended():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping_alike(), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)


class Failing(io.TextIOBase):
    encoding = "utf-8"

    def __init__(self, error: OSError) -> None:
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code"), [(BrokenPipeError(errno.EPIPE, "Broken pipe"), 0), (OSError(errno.ENOSPC, "No space left"), 2)]
)
def test_the_work_is_done_though_nobody_can_read_of_it(error, code, monkeypatch, capsys):
    done = []

    def work() -> None:
        sys.stdout.write("first\n")
        sys.stdout.write("second\n")
        done.append(True)

    monkeypatch.setattr(commands, "load_work", lambda options, manner: work)
    monkeypatch.setattr(sys, "stdout", Failing(error))
    if code:
        with pytest.raises(SystemExit) as stop:
            main(["demo"])
        assert stop.value.code == code
    else:
        main(["demo"])
    assert done == [True]
    told = capsys.readouterr().err
    assert ("standard output cannot be written (No space left): not everything was printed" in told) == bool(code)


def test_letters_that_the_output_lacks_are_escaped():
    raw = io.BytesIO()
    stream = LastingStream(io.TextIOWrapper(raw, encoding="ascii"))
    print("\u2581pick \udcff", file=stream)  # type: ignore[call-overload]
    stream.flush()
    assert raw.getvalue() == b"\\u2581pick \\udcff\n"
    assert stream.failure is None


@pytest.mark.parametrize("kind", ["closed pipe", "full", "ascii"])
def test_help_into_any_output(kind):
    command = [sys.executable, "-m", "octoscope", "--help"]
    if kind == "ascii":
        env = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, capture_output=True, check=False, env=env)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode("ascii").startswith("usage: octoscope")
        return
    if kind == "full" and not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("this system has no full device")
    read, write = os.pipe() if kind == "closed pipe" else (None, os.open("/dev/full", os.O_WRONLY))
    if read is not None:
        os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    if kind == "full":
        assert done.returncode == 2
        assert b"standard output cannot be written (No space left on device)" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a/b"), "a/b: No such file or directory. Check"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 300), "File name too long. Check"),
        (MemoryError("Unable to allocate 90 GiB"), "the memory is not enough for this (Unable to allocate 90 GiB)"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "the memory is not enough for this (RESOURCE_EXHAUSTED"),
    ],
)
def test_what_the_system_refuses_is_a_sentence(error, sentence, monkeypatch, capsys):
    def work() -> None:
        raise error

    monkeypatch.setattr(commands, "load_work", lambda options, manner: work)
    with pytest.raises(SystemExit) as stop:
        main(["demo"])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(commands, "load_work", lambda options, manner: lambda: 1 / 0)
    before = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError):
        main(["demo"])
    assert (sys.stdout, sys.stderr) == before
