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
"""Seconds between two lines in the log that say the same."""
_EXAMPLE: Final = "http://hub.jupyterhub.svc:8081/hub/api"
_HUBS_OWN: Final = "X-JupyterHub-Version"
"""On every answer of the Hub itself, and on none of a proxy before it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a token: the name, ``user`` or ``service``, and the token's scopes, as the Hub reports them."""

    name: str
    kind: str
    scopes: frozenset[str]


class HubApi:
    """Asks the Hub; an asynchronous context, which keeps the connections."""

    def __init__(self, settings: HubSettings, clock: Callable[[], float]) -> None:
        self._settings, self._clock = settings, clock
        self._url = f"{settings.api_url.rstrip('/')}/user"
        self._session: aiohttp.ClientSession | None = None
        self._quiet_until, self._untold = -math.inf, 0

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
        """Return whose a token is, or None where the Hub does not know it.

        Raises:
            NotReadyError: The Hub does not answer, or something else answers in its place.

        """
        if self._session is None:
            raise RuntimeError("the Hub is asked outside of the context")
        headers = {"Authorization": f"token {token}", "Accept": "application/json"}
        try:
            async with self._session.get(self._url, headers=headers, allow_redirects=False) as answer:
                if 300 <= answer.status < 400:  # noqa: PLR2004 - redirects
                    raise self._misplaced("a redirect", answer.headers.get("Location"))
                if _HUBS_OWN not in answer.headers:
                    raise self._unanswered(f"what answers with {answer.status} is no JupyterHub")
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
            raise self._unanswered("its answer has not the form that JupyterHub 5 and 6 give it") from None
        if not isinstance(name, str) or not isinstance(scopes, list):
            raise self._unanswered("its answer names no owner")
        return Owner(name, str(kind), frozenset(str(scope) for scope in scopes))

    def _misplaced(self, answer: str, location: str | None = None) -> NotReadyError:
        """Word that the Hub's API is not where the settings say: only an administrator can mend that."""
        there = f" to {location}" if location else ""
        self._log(f"it answers with {answer}{there}: api_url has to be that of the Hub's API, such as {_EXAMPLE}")
        return NotReadyError(
            f"JupyterHub, which knows whose the token is, answers with {answer}: its API is not at the address in "
            "plugins.jupyterhub.api_url, which mostly ends in /hub/api. An administrator has to correct the setting."
        )

    def _unanswered(self, why: str) -> NotReadyError:
        self._log(why)
        return NotReadyError("JupyterHub, which knows whose the token is, does not answer; try again.")

    def _log(self, why: str) -> None:
        self._untold += 1
        if self._clock() >= self._quiet_until:
            log = structlog.get_logger("spawnpenny.jupyterhub")
            log.warning("JupyterHub does not say whose tokens are", url=self._url, why=why, times=self._untold)
            self._quiet_until, self._untold = self._clock() + _QUIET, 0
