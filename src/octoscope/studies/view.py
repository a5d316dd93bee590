"""The page over runs, served until it is stopped."""

import contextlib
import webbrowser

from octoscope.studies.options.view import ViewOptions
from octoscope.studies.shown_findings import drawers_of_findings
from octoscope.studies.telling import Tell, silent
from octoscope.viewer.access import LOOPBACK
from octoscope.viewer.served_runs import ServedRuns
from octoscope.viewer.server import PageServer


def view(options: ViewOptions, *, tell: Tell = silent, progress: bool = False) -> None:
    """Serves the page until Ctrl-C.

    Args:
      options: Which runs, and where.
      tell: Takes the address.
      progress: Not used: nothing takes long.

    Raises:
      RunError: If there is no run.
      OutputError: If the port cannot be taken.
    """
    server = PageServer(ServedRuns(options.runs, drawers=drawers_of_findings), host=options.host, port=options.port)
    names = server.runs.names
    tell(
        f"{len(names)} {'run' if len(names) == 1 else 'runs'}: {', '.join(names[:6])}{' ...' if len(names) > 6 else ''}"
    )
    if options.host not in LOOPBACK:
        tell(f"Whoever has this address, and can reach {options.host}, can look at these runs; others are refused.")
    tell(f"{server.url}", "Stop with Ctrl-C.")
    if options.open:
        webbrowser.open(server.url)
    with contextlib.closing(_Closing(server)):
        server.serve_forever(poll_interval=0.2)


class _Closing:
    """Gives the port back."""

    def __init__(self, server: PageServer) -> None:
        """Takes the server."""
        self._server = server

    def close(self) -> None:
        """Closes its socket; connections end with the program."""
        self._server.server_close()
