"""The provider's keys, cached for a while, and fetched anew for a token with an unknown one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import jwt

from spawnpenny.api import NotReadyError

_PAUSE: Final = 10.0
"""Seconds between two fetches: tokens with keys that somebody made up cannot have us flood the provider."""
_FAMILIES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_MIN_RSA: Final = 2048

Fetch = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]


class KeySet:
    """Finds the key of a token.

    Keys are fetched anew after ``refresh`` seconds. While that fails, those that are there are taken for as long again.
    """

    def __init__(self, fetch: Fetch, *, refresh: float, clock: Callable[[], float]) -> None:
        self._fetch, self._refresh, self._clock = fetch, refresh, clock
        self._keys: Sequence[Mapping[str, Any]] = ()
        self._fetched: float | None = None
        self._tried: float | None = None
        self._fails = False
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key with an id that is for an algorithm; without an id, the only one that is for it.

        Raises:
            NotReadyError: The keys cannot be had.

        """
        if self._older_than(self._refresh):
            await self._renew()
        if self._older_than(2 * self._refresh):
            raise _unavailable()
        found = self._among(kid, algorithm)
        if found is None:
            await self._renew()
            found = self._among(kid, algorithm)
            if found is None and self._fails:
                raise _unavailable()
        return found

    async def _renew(self) -> None:
        """Fetch the keys, unless that was tried a moment ago."""
        async with self._lock:
            if self._tried is not None and self._clock() < self._tried + _PAUSE:
                return
            try:
                self._keys = await self._fetch()
            except NotReadyError:
                self._fails = True
            else:
                self._fails, self._fetched = False, self._clock()
            self._tried = self._clock()

    def _older_than(self, seconds: float) -> bool:
        return self._fetched is None or self._clock() >= self._fetched + seconds

    def _among(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        fitting = [key for key in self._keys if kid in (None, key.get("kid")) and _is_for(key, algorithm)]
        if kid is None and len(fitting) > 1:
            return None
        return next(_made(fitting, algorithm), None)


def _unavailable() -> NotReadyError:
    return NotReadyError("The identity provider, whose keys say whether the token is good, does not answer.")


def _is_for(key: Mapping[str, Any], algorithm: str) -> bool:
    return (
        key.get("kty") == _FAMILIES[algorithm[:2]]
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
    )


def _made(keys: Sequence[Mapping[str, Any]], algorithm: str) -> Iterator[jwt.PyJWK]:
    for key in keys:
        try:
            made = jwt.PyJWK(dict(key), algorithm)
        except jwt.PyJWTError:
            continue
        if key["kty"] != "RSA" or made.key.key_size >= _MIN_RSA:
            yield made
