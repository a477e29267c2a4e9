"""A client of the Hub's API that looks up the owner of a token."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import structlog

from spawnpenny.api import NotReadyError, client_context
from spawnpenny_jupyterhub.settings import HubSettings

_MAX_ANSWER: Final = 1024 * 1024
_CONNECTIONS: Final = 16
_QUIET: Final = 30.0
"""Seconds between two log lines with the same message."""
_EXAMPLE: Final = "http://hub.jupyterhub.svc:8081/hub/api"
_HUBS_OWN: Final = "X-JupyterHub-Version"
"""A header of every answer of the Hub itself; a proxy in front of it does not add it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a token: the name, ``user`` or ``service``, and the token's scopes, as the Hub reports them."""

    name: str
    kind: str
    scopes: frozenset[str]


class HubApi:
    """Requests to the Hub. An asynchronous context keeps the connections."""

    def __init__(self, settings: HubSettings, clock: Callable[[], float]) -> None:
        self._settings, self._clock = settings, clock
        self._url = f"{settings.api_url.rstrip('/')}/user"
        self._session: aiohttp.ClientSession | None = None
        self._quiet_until, self._suppressed = -math.inf, 0

    async def __aenter__(self) -> Self:
        trust = client_context("plugins.jupyterhub.authority", self._settings.authority)
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=trust or True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def owner(self, token: str) -> Owner | None:
        """Return the owner of a token, or None if the Hub does not know the token.

        Raises:
            NotReadyError: The Hub does not answer, or something else answers instead.

        """
        if self._session is None:
            raise RuntimeError("enter the context before requests to the Hub")
        headers = {"Authorization": f"token {token}", "Accept": "application/json"}
        try:
            async with self._session.get(self._url, headers=headers, allow_redirects=False) as answer:
                if 300 <= answer.status < 400:  # noqa: PLR2004 - redirects
                    raise self._misplaced("a redirect", answer.headers.get("Location"))
                if _HUBS_OWN not in answer.headers:
                    raise self._unanswered(f"the answer {answer.status} is not from a JupyterHub")
                if answer.status == 404:  # noqa: PLR2004 - Not Found
                    raise self._misplaced("404")
                if answer.status in {401, 403}:
                    return None
                if answer.status != 200:  # noqa: PLR2004 - the one status with an owner
                    raise self._unanswered(f"it answers with {answer.status}")
                return self._read(await self._whole(answer.content))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unanswered(type(error).__name__) from None

    async def _whole(self, content: aiohttp.StreamReader) -> bytes:
        try:
            await content.readexactly(_MAX_ANSWER + 1)
        except asyncio.IncompleteReadError as ended:
            return ended.partial
        raise self._unanswered(f"its answer is larger than {_MAX_ANSWER} bytes")

    def _read(self, raw: bytes) -> Owner:
        try:
            model: Any = json.loads(raw)
            name, kind, scopes = model["name"], model["kind"], model["scopes"]
        except (ValueError, LookupError, TypeError):
            raise self._unanswered("its answer does not have the form of JupyterHub 5 and 6") from None
        if not isinstance(name, str) or not isinstance(scopes, list):
            raise self._unanswered("its answer names no owner")
        return Owner(name, str(kind), frozenset(str(scope) for scope in scopes))

    def _misplaced(self, answer: str, location: str | None = None) -> NotReadyError:
        """Log that the Hub's API is not at the address in the settings, and return the error."""
        target = f" to {location}" if location else ""
        self._log(f"it answers with {answer}{target}: api_url has to be that of the Hub's API, such as {_EXAMPLE}")
        return NotReadyError(
            f"JupyterHub, which knows the owner of the token, answers with {answer}: its API is not at the address in "
            "plugins.jupyterhub.api_url, which mostly ends in /hub/api. An administrator has to correct the setting."
        )

    def _unanswered(self, why: str) -> NotReadyError:
        self._log(why)
        return NotReadyError("JupyterHub, which knows the owner of the token, does not answer. Try again.")

    def _log(self, why: str) -> None:
        self._suppressed += 1
        if self._clock() >= self._quiet_until:
            log = structlog.get_logger("spawnpenny.jupyterhub")
            log.warning("JupyterHub does not give the owners of tokens", url=self._url, why=why, times=self._suppressed)
            self._quiet_until, self._suppressed = self._clock() + _QUIET, 0
