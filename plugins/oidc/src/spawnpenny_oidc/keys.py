"""The provider's keys: cached, and fetched again for a token with an unknown key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import jwt

from spawnpenny.api import NotReadyError

_PAUSE: Final = 10.0
"""Seconds between two fetches, so that tokens with invented keys cannot flood the provider with requests."""
_FAMILIES: Final = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_MIN_RSA: Final = 2048

Fetch = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]


class KeySet:
    """The keys of the provider, by their ids.

    Keys are fetched again after ``refresh`` seconds. If that fails, the old ones stay valid for the same time again.
    """

    def __init__(self, fetch: Fetch, *, refresh: float, clock: Callable[[], float]) -> None:
        self._fetch, self._refresh, self._clock = fetch, refresh, clock
        self._keys: Sequence[Mapping[str, Any]] = ()
        self._fetched: float | None = None
        self._tried: float | None = None
        self._fails = False
        self._lock = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key with an id for an algorithm; without an id, the only key for it.

        Raises:
            NotReadyError: The keys cannot be fetched.

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
        """Fetch the keys, unless the last attempt is too recent."""
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
        return next(_usable(fitting, algorithm), None)


def _unavailable() -> NotReadyError:
    return NotReadyError("The identity provider, whose keys verify the token, does not answer.")


def _is_for(key: Mapping[str, Any], algorithm: str) -> bool:
    return (
        key.get("kty") == _FAMILIES[algorithm[:2]]
        and key.get("alg", algorithm) == algorithm
        and key.get("use", "sig") == "sig"
    )


def _usable(keys: Sequence[Mapping[str, Any]], algorithm: str) -> Iterator[jwt.PyJWK]:
    for key in keys:
        try:
            made = jwt.PyJWK(dict(key), algorithm)
        except jwt.PyJWTError:
            continue
        if key["kty"] != "RSA" or made.key.key_size >= _MIN_RSA:
            yield made
