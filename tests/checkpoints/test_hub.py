"""The model hub: asked once whether it answers, and its cache taken where it does not."""

import pytest

from octoscope.checkpoints import hub


class Session:
    def __init__(self, error: Exception | None) -> None:
        self.error, self.asked = error, 0

    def head(self, address: str, *, timeout: float) -> None:
        self.asked += 1
        assert timeout <= 10
        if self.error is not None:
            raise self.error


def test_a_silent_hub_is_asked_once_and_the_cache_is_taken(monkeypatch, tmp_path):
    session = Session(OSError("Name or service not known"))
    monkeypatch.setattr(hub, "get_session", lambda: session)
    calls = []

    def download(*names, **options):
        calls.append((names, options))
        return str(tmp_path)

    assert hub.fetch(download, "owner/name", "file", revision="main") == tmp_path
    assert calls == [(("owner/name", "file"), {"revision": "main", "local_files_only": True})]
    assert session.asked == 1


def test_what_neither_has_says_that_the_hub_is_silent(monkeypatch):
    monkeypatch.setattr(hub, "get_session", lambda: Session(OSError("Name or service not known")))

    def download(*names, **options):
        raise FileNotFoundError("not in the cache")

    with pytest.raises(ConnectionError, match="does not answer: Name or service not known"):
        hub.fetch(download, "owner/name", "file")


def test_a_hub_that_answers_tells_itself_what_is_wrong(monkeypatch):
    monkeypatch.setattr(hub, "get_session", lambda: Session(None))

    def download(*names, local_files_only, **options):
        assert not local_files_only
        raise LookupError("no such repository")

    with pytest.raises(LookupError, match="no such repository"):
        hub.fetch(download, "owner/name", "file")
