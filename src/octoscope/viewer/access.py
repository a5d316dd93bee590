"""Who may ask: pages of this very server alone, and with a token where others can reach it.

A foreign Host is a page elsewhere whose name was made to point here (DNS rebinding); a foreign Origin is a page elsewhere that asks in
the user's name.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_COOKIE = "octoscope_token"
# Addresses of all of a machine's interfaces: any name may be the one it is reached by.
EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True)
class Access:
    """What a request must bring."""

    host: str
    port: int
    # "" where only this machine can ask.
    token: str = ""

    def refusal(self, headers: Mapping[str, str]) -> str:
        """Returns why a request is refused, in a sentence; "" where it is not."""
        host = headers.get("Host", "").lower()
        if not self._is_ours(host):
            return f"This server answers to {self._names()[0]}, not to '{host[:80]}'."
        origin = headers.get("Origin", "").lower()
        if origin and (not self._is_ours(urlsplit(origin).netloc) or urlsplit(origin).scheme != "http"):
            return f"Pages of '{origin[:80]}' may not ask this server."
        if headers.get("Sec-Fetch-Site", "same-origin") == "cross-site":
            return "Other pages may not ask this server."
        return ""

    def admits(self, headers: Mapping[str, str], given: str = "") -> bool:
        """Returns whether a request brings the token, in its address or as a cookie; always where there is none."""
        if not self.token:
            return True
        try:
            cookie = SimpleCookie(headers.get("Cookie", "")).get(_COOKIE)
        except CookieError:
            cookie = None
        brought = (given, "" if cookie is None else cookie.value)
        return any(hmac.compare_digest(token.encode(), self.token.encode()) for token in brought)

    def cookie(self) -> str:
        """Returns the header that lets a browser bring the token from now on."""
        return f"{_COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"

    def _is_ours(self, host: str) -> bool:
        if self.host in EVERYWHERE:
            # Behind a token, and reached by whatever name the machine has; rebinding gains nothing without the token.
            return bool(host)
        return host in self._names()

    def _names(self) -> tuple[str, ...]:
        names = LOOPBACK if self.host in LOOPBACK else (self.host.lower(),)
        return tuple(f"{name}:{self.port}" for name in names) + (names if self.port == 80 else ())
