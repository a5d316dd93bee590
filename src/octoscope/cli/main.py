"""The command line's front door: picks the command, and turns what a user can mend into one sentence and exit code 2.

Nothing is imported above that takes time, so that Ctrl-C is answered from the first moment on.
"""

import sys
from collections.abc import Sequence

from octoscope.cli.standard_streams import lasting_streams
from octoscope.cli.stop_signals import INTERRUPTED, leaving_at_once, stopping_alike
from octoscope.errors import Interrupted, OctoscopeError
from octoscope.escaping.terminal import say

_MENDABLE = 2
_FULL = "RESOURCE_EXHAUSTED"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command; exits with 2 on an error that the user can mend, with 130 when interrupted."""
    with lasting_streams() as output:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        if output is not None:
            output.flush()
        # A reader who has seen enough (`| head`) is no error.
        if output is not None and output.failure is not None and not isinstance(output.failure, BrokenPipeError):
            _say(f"standard output cannot be written ({output.failure.strerror}): not everything was printed.")
            code = code or _MENDABLE
    if code:
        sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Returns the exit code."""
    if arguments[:1] == ["--version"]:
        _tell_version()
        return 0
    manner = outcome = None
    try:
        with leaving_at_once():
            from octoscope.cli.calls import prepare
            from octoscope.cli.manner import split_manner
            from octoscope.policies.octo.freed_memory import keep_freed_memory

            manner, rest = split_manner(arguments)
            calls = prepare(rest, manner)
        keep_freed_memory()
        with stopping_alike():
            for call in calls:
                outcome = call.do()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except OctoscopeError as error:
        say(*(manner.explain(error) if manner is not None else ()), file=sys.stderr)
        _say(str(error))
        return _MENDABLE
    except Interrupted as error:
        _say(str(error))
        return INTERRUPTED
    except KeyboardInterrupt:
        _say("interrupted; nothing was left behind.")
        return INTERRUPTED
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        _say(f"{place}{error.strerror or error}. Check that the path is right, may be read and written, and has room.")
        return _MENDABLE
    except (MemoryError, RuntimeError) as error:
        # jax's own error for a device whose memory is full is a RuntimeError.
        if isinstance(error, RuntimeError) and _FULL not in str(error):
            raise
        reason = (str(error).splitlines() or ["MemoryError"])[0]
        _say(f"the memory is not enough for this ({reason}). Give a smaller --batch, or fewer steps.")
        return _MENDABLE
    # A checkup that found something wrong is told, and is no success.
    return 1 if getattr(outcome, "ok", True) is False else 0


def _tell_version() -> None:
    from importlib.metadata import version

    say(f"octoscope {version('octoscope')}")


def _say(sentence: str) -> None:
    say(*f"octoscope: {sentence}".split("\n"), file=sys.stderr)
