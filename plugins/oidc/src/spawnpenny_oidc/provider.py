"""Fetch the provider's keys: from a file, from an address, or from the address in the provider's description."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import structlog

from spawnpenny.api import NotReadyError, SettingsError, client_context
from spawnpenny_oidc.settings import OidcSettings

_MAX_ANSWER: Final = 512 * 1024
_DESCRIPTION: Final = "/.well-known/openid-configuration"


class Provider:
    """Fetches the provider's keys. An asynchronous context keeps the connections."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._log = structlog.get_logger("spawnpenny.oidc")

    async def __aenter__(self) -> Self:
        if self._settings.jwks_file is not None:
            await self._check_file(self._settings.jwks_file)
        trust = client_context("plugins.oidc.authority", self._settings.authority)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust or True),
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

    async def keys(self) -> list[dict[str, Any]]:
        """Return the keys, in the form of a JSON Web Key Set.

        Raises:
            NotReadyError: The provider does not answer, or its answer is not a set of keys.

        """
        settings = self._settings
        try:
            if settings.jwks_file is not None:
                found = json.loads(await asyncio.to_thread(Path(settings.jwks_file).read_bytes))
            else:
                found = await self._get(settings.jwks_uri or await self._described())
            return [key for key in found["keys"] if isinstance(key, dict)]
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unanswered(type(error).__name__) from None
        except (ValueError, LookupError, TypeError):
            raise self._unanswered("its answer is not a set of keys") from None

    async def _described(self) -> str:
        issuer = self._settings.issuer
        found = await self._get(f"{issuer.rstrip('/')}{_DESCRIPTION}")
        if found["issuer"] != issuer:
            raise self._unanswered(f"its description is that of another issuer, {str(found['issuer'])[:200]!r}")
        address = str(found["jwks_uri"])
        if not address.startswith("https://"):
            raise self._unanswered(f"its description has the keys at {address[:200]!r}, which is not an https address")
        return address

    async def _get(self, url: str) -> Any:
        if self._session is None:
            raise RuntimeError("enter the context before requests to the provider")
        async with self._session.get(url, headers={"Accept": "application/json"}, allow_redirects=False) as answer:
            if answer.status != 200:  # noqa: PLR2004 - the one status with content
                raise self._unanswered(f"{url} answers with {answer.status}")
            try:
                await answer.content.readexactly(_MAX_ANSWER + 1)
            except asyncio.IncompleteReadError as ended:
                return json.loads(ended.partial)
            raise self._unanswered(f"{url} answers with more than {_MAX_ANSWER} bytes")

    def _unanswered(self, why: str) -> NotReadyError:
        self._log.warning("the keys of the identity provider cannot be fetched", issuer=self._settings.issuer, why=why)
        return NotReadyError("The identity provider, whose keys verify the token, does not answer.")

    async def _check_file(self, file: str) -> None:
        try:
            await self.keys()
        except NotReadyError:
            raise SettingsError(f"plugins.oidc.jwks_file: {file} does not contain a readable set of keys.") from None
