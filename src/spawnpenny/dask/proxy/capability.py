"""Capabilities in the address of a dashboard: each opens one scheduler for a limited time.

``cap.<when it ends>.<signature>``. The signature is over cluster, uid of the scheduler's pod and end, by a key made of
the proxy's own token: every replica of the proxy makes and knows the same, and nothing is kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final

_MARK: Final = "cap"
_FORM: Final = re.compile(r"cap\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)
_REMEMBERED: Final = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)
_PURPOSE: Final = b"spawnpenny: dashboards, 1"
_BROWSERS: Final = b"spawnpenny: browsers at dashboards, 1"


def is_capability(text: str) -> bool:
    """Return whether a text claims to be one; a ticket never does."""
    return text.startswith(f"{_MARK}.")


class Capabilities:
    """Makes and checks them, and what a browser keeps of a ticket that it has used."""

    def __init__(self, token: str) -> None:
        self._key = hmac.digest(token.encode(), _PURPOSE, "sha256")
        self._browsers_key = hmac.digest(token.encode(), _BROWSERS, "sha256")

    def make(self, cluster: str, uid: str, until: int) -> str:
        """Return the right to look at a cluster's scheduler until a time, in seconds since 1970."""
        return f"{_MARK}.{until}.{_sign(self._key, cluster, uid, str(until))}"

    def until(self, text: str, cluster: str, uid: str) -> int | None:
        """Return until when a text is the right to look at a cluster's scheduler; None where it never was."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        return int(found[1]) if hmac.compare_digest(found[2], _sign(self._key, cluster, uid, found[1])) else None

    def remember(self, cluster: str, uid: str, ticket: str, until: int) -> str:
        """Return what a browser shows to open a cluster's scheduler by a ticket again, until a time."""
        return f"{until}.{_sign(self._browsers_key, cluster, uid, ticket, str(until))}"

    def remembers(self, text: str, cluster: str, uid: str, ticket: str, now: float) -> bool:
        """Return whether a text is what the browser got that has used a ticket, and is still good."""
        found = _REMEMBERED.fullmatch(text)
        if found is None or int(found[1]) <= now:
            return False
        return hmac.compare_digest(found[2], _sign(self._browsers_key, cluster, uid, ticket, found[1]))


def _sign(key: bytes, *parts: str) -> str:
    message = b"\0".join(part.encode() for part in parts)
    return base64.urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()).rstrip(b"=").decode()
