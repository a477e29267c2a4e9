"""Send requests with a token and a timeout, and repeat them where that is safe and useful."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from yarl import URL

from spawnpenny.clients.errors import (
    ClientError,
    GatewayProblemError,
    ProblemError,
    UnexpectedAnswerError,
    UnreachableError,
)
from spawnpenny.clients.patience import Patience, Tries

_CONNECT: Final = 10.0
_SILENCE: Final = 60.0
"""Seconds of silence after which a connection counts as dead. Streams send a ping every 15."""
_HTML: Final = "text/html"
_NO_OBJECT: Final = "The answer is not a JSON object: is this the URL of spawnpenny?"
_FROM_PROXY: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
"""Statuses with which a proxy says that it cannot reach the service."""


class Connection:
    """Requests to the service at a URL, with a token."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None, patience: Patience) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.patience = patience

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        repeatable: bool = True,
        within: float = _SILENCE,
    ) -> dict[str, Any] | None:
        """Send a request and return the JSON of the answer, None for an answer without content.

        Args:
            method: The HTTP method.
            path: The path, percent-encoded.
            query: The query parameters.
            body: The body, sent as JSON.
            repeatable: Whether the request may be sent twice. If not, it is only repeated if the service cannot have
                received it.
            within: Seconds within which the answer has to arrive.

        Raises:
            ClientError: There is no answer, or a refusal.

        """
        tries = Tries(self.patience)
        while True:
            try:
                status, _, text = await self._once(method, path, query=query, body=body, within=within)
            except ClientError as error:
                if not repeatable and not (isinstance(error, UnreachableError) and not error.sent):
                    raise
                await tries.pause(error)
            else:
                return None if status == HTTPStatus.NO_CONTENT else _object(text, _NO_OBJECT)

    async def page(self, path: str, *, query: Mapping[str, str]) -> str:
        """Return a piece of HTML.

        Raises:
            ClientError: There is no answer, a refusal, or an answer without HTML.

        """
        tries = Tries(self.patience)
        while True:
            try:
                _, kind, text = await self._once("GET", path, query=query, headers={"Accept": _HTML}, within=_SILENCE)
            except ClientError as error:
                await tries.pause(error)
            else:
                if kind != _HTML:
                    raise UnexpectedAnswerError("The answer is not HTML: is this the URL of spawnpenny?")
                return text

    async def _once(self, method: str, path: str, *, within: float, **more: Any) -> tuple[int, str, str]:
        timeout = aiohttp.ClientTimeout(total=within, sock_connect=_CONNECT)
        async with self.send(method, path, timeout=timeout, **more) as response:
            return response.status, response.content_type, await response.text(errors="replace")

    @asynccontextmanager
    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - aiohttp's own
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request once, and yield the answer, whose body is still to be read.

        Raises:
            ClientError: There is no answer, it breaks off, or it is a refusal.

        """
        url = _request_url(self._url, path)
        try:
            async with self._session.request(
                method,
                url.update_query(query or {}),
                json=body,
                headers={**self._headers, **(headers or {})},
                timeout=timeout or aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_SILENCE),
                allow_redirects=False,
            ) as response:
                await _refuse(response)
                yield response
        except aiohttp.ClientConnectorCertificateError as error:
            raise UnexpectedAnswerError(
                f"The certificate of {self._url} is not trusted: {error.certificate_error}."
            ) from None
        except aiohttp.ClientConnectorError as error:
            if _lacks_tls(error):
                raise UnexpectedAnswerError(f"{self._url} does not speak TLS: is it an http:// URL?") from None
            raise UnreachableError(f"{self._url} cannot be reached: {_why(error)}.", sent=False) from None
        except aiohttp.ConnectionTimeoutError as error:
            raise UnreachableError(f"{self._url} cannot be reached: {_why(error)}.", sent=False) from None
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
                raise UnexpectedAnswerError(f"{self._url} is not a URL.") from None
            raise UnreachableError(f"{self._url} did not answer: {_why(error)}.", sent=True) from None


def _request_url(base: str, path: str) -> URL:
    """Return the URL of a path of the service.

    Raises:
        UnexpectedAnswerError: The URL of the service is not valid.

    """
    try:
        service, url = URL(base), URL(f"{base}{path}", encoded=True)
        port = service.port
    except ValueError:
        raise UnexpectedAnswerError(f"{base} is not a URL.") from None
    if service.user is not None or service.password is not None:  # they must not be logged
        raise UnexpectedAnswerError(f"The URL of {service.host} contains a username or password: leave them out.")
    if service.scheme not in {"http", "https"} or not service.host or not port or service.query or service.fragment:
        raise UnexpectedAnswerError(f"{base} is not a URL of a service: it has to be http:// or https:// and a host.")
    return url


def _lacks_tls(error: aiohttp.ClientConnectorError) -> bool:
    """Return whether the peer answered the TLS handshake with something else."""
    cause = error.os_error  # a closed connection says nothing: the service may be stopping
    return isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)


async def _refuse(response: aiohttp.ClientResponse) -> None:
    """Raise the error of an answer that is not a success."""
    status = response.status
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if status < HTTPStatus.BAD_REQUEST:
        target = response.headers.get("Location", "elsewhere")
        raise UnexpectedAnswerError(f"{response.url} redirects to {target}: use that URL.")
    document: dict[str, Any] = {}
    retry_after = _seconds(response.headers.get("Retry-After"))
    if response.content_type == "application/problem+json":
        document = _object(await response.text(errors="replace"), "The refusal is not a JSON object.")
    elif message := _gateway_error(response.content_type, await response.text(errors="replace")):
        raise GatewayProblemError(status, {"detail": message}, retry_after=retry_after)
    elif status in _FROM_PROXY:
        raise UnreachableError(f"Nothing answers behind {response.url.host}: HTTP {status}.", sent=True)
    raise ProblemError(status, document, retry_after=retry_after)


def _gateway_error(kind: str, text: str) -> str | None:
    """Return the message of a refusal by the Dask gateway protocol; None if it is not of that protocol."""
    try:
        document = json.loads(text) if kind == "application/json" else None
    except ValueError:
        return None
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, str) else None


def _object(text: str, wrong: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise UnexpectedAnswerError(wrong)
    return data


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:  # a date; spawnpenny never sends one
        return None


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return (error.os_error.strerror or str(error.os_error)).rstrip(".")
    if isinstance(error, asyncio.TimeoutError):
        return "it took too long"
    return (str(error) or type(error).__name__).rstrip(".")
