"""Capabilities: secrets in the path of a dashboard, which open one scheduler for a limited time.

``cap.<end>.<signature>``. The signature covers the cluster, the uid of the scheduler's pod, and the end. Its key is
derived from the proxy's own token, so that all proxies accept each other's capabilities and store none.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final

_PREFIX: Final = "cap"
_FORM: Final = re.compile(r"cap\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)
_REMEMBERED: Final = re.compile(r"([0-9]{1,12})\.([A-Za-z0-9_-]{43})", re.ASCII)
_PURPOSE: Final = b"spawnpenny: dashboards, 1"
_BROWSERS: Final = b"spawnpenny: browsers at dashboards, 1"


def is_capability(text: str) -> bool:
    """Return whether a text has the form of a capability. A ticket never has it."""
    return text.startswith(f"{_PREFIX}.")


class Capabilities:
    """Make and check capabilities, and the values of cookies for used tickets."""

    def __init__(self, token: str) -> None:
        self._key = hmac.digest(token.encode(), _PURPOSE, "sha256")
        self._browsers_key = hmac.digest(token.encode(), _BROWSERS, "sha256")

    def make(self, cluster: str, uid: str, until: int) -> str:
        """Return a capability for a cluster's scheduler, valid until a time in seconds since the epoch."""
        return f"{_PREFIX}.{until}.{_sign(self._key, cluster, uid, str(until))}"

    def until(self, text: str, cluster: str, uid: str) -> int | None:
        """Return the end of a capability for a cluster's scheduler; None if it is no capability for it."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        return int(found[1]) if hmac.compare_digest(found[2], _sign(self._key, cluster, uid, found[1])) else None

    def remember(self, cluster: str, uid: str, ticket: str, until: int) -> str:
        """Return the cookie value by which a browser opens the link of a used ticket again, until a time."""
        return f"{until}.{_sign(self._browsers_key, cluster, uid, ticket, str(until))}"

    def remembers(self, text: str, cluster: str, uid: str, ticket: str, now: float) -> bool:
        """Return whether a text is a valid cookie value of the browser that used a ticket."""
        found = _REMEMBERED.fullmatch(text)
        if found is None or int(found[1]) <= now:
            return False
        return hmac.compare_digest(found[2], _sign(self._browsers_key, cluster, uid, ticket, found[1]))


def _sign(key: bytes, *parts: str) -> str:
    message = b"\0".join(part.encode() for part in parts)
    return base64.urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()).rstrip(b"=").decode()
