"""Requests to the API server, over pools of connections, with credentials that are renewed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self

import structlog

from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.library import load_configuration, rest_client
from spawnpenny.kubernetes.sockets import Sockets

if TYPE_CHECKING:
    import aiohttp

    from spawnpenny.kubernetes.retrying import Request

_UNAUTHORIZED: Final = 401
_URGENT: Final = 4
"""Connections that are kept for urgent requests."""


class ClientTransport:
    """Sends requests with the credentials of a cluster, and reads these again when they are refused."""

    def __init__(self, kubeconfig: str | None, configuration: Any, user_agent: str) -> None:
        self._kubeconfig = kubeconfig
        self._configuration = configuration
        self._headers = {"User-Agent": user_agent}
        self._renewal = asyncio.Lock()
        # Several pools: with one, a hundred watches leave no connection for a call, and hundreds of calls that wait
        # for a connection hold up a Lease until it is lost. Watches have no limit (0).
        self._sockets = Sockets()
        self._calls = rest_client(configuration, self._sockets)
        self._streams = rest_client(configuration, self._sockets, limit=0)
        self._urgent = rest_client(configuration, self._sockets, limit=_URGENT)

    @classmethod
    async def connect(cls, kubeconfig: str | None, user_agent: str) -> Self:
        return cls(kubeconfig, await load_configuration(kubeconfig), user_agent)

    async def close(self) -> None:
        for rest in (self._calls, self._streams, self._urgent):
            await rest.close()
        await self._sockets.close()

    async def send(self, request: Request, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        token = await self._token()
        answer = await self._send(request, limits, token)
        if answer.status == _UNAUTHORIZED and await self._renewed(token):
            answer.release()
            answer = await self._send(request, limits, await self._token())
        return answer

    async def _send(self, request: Request, limits: aiohttp.ClientTimeout, token: str | None) -> aiohttp.ClientResponse:
        headers = self._headers | {"Accept": request.accept, "Content-Type": request.content_type}
        if token:
            headers["Authorization"] = token.strip()
        rest = self._streams if request.streamed else self._urgent if request.urgent else self._calls
        answer: aiohttp.ClientResponse = await rest.request(
            request.method,
            self._configuration.host + request.path,
            query_params=request.query,
            headers=headers,
            body=request.body,
            _preload_content=False,
            _request_timeout=limits,
        )
        return answer

    async def _token(self) -> str | None:
        token: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        return token

    async def _renewed(self, refused: str | None) -> bool:
        """Read the credentials again, as they may have been renewed; return whether the token is another one now."""
        async with self._renewal:
            if await self._token() == refused:
                try:
                    fresh = await load_configuration(self._kubeconfig)
                except SettingsError:
                    structlog.stdlib.get_logger(__name__).warning("cluster_credentials_not_renewed")
                    return False
                self._configuration.api_key = fresh.api_key
                self._configuration.refresh_api_key_hook = fresh.refresh_api_key_hook
            return await self._token() != refused
