"""Which versions a cluster's scheduler runs, as the scheduler says: a lab that has others should know before it works.

The control interface is the Dask plugin's preload, in the scheduler's pod. What it says is the user's own: bounded, and
told to nobody else.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from spawnpenny.pipeline.account import Run

_PORT: Final = 8788
_PATIENCE: Final = 1.0
_MOST_BYTES: Final = 64 * 1024
_MOST_VERSIONS: Final = 32
_MOST_TEXT: Final = 100
_MOST_CLUSTERS: Final = 10_000


class Versions:
    """Asks each scheduler once, and remembers. An asynchronous context: it holds connections."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Mapping[str, str]] = OrderedDict()
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        self._http = aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def of(self, run: Run) -> Mapping[str, str] | None:
        """Return the versions of a running cluster by library, or None where the scheduler does not say."""
        record = run.record
        if record.id not in self._known:
            control = record.secrets.get("control")
            told = await self._ask(URL(record.url).host, control) if record.url and control else None
            if told is None:
                return None
            self._known[record.id] = told
            if len(self._known) > _MOST_CLUSTERS:
                self._known.popitem(last=False)
        return self._known[record.id]

    async def _ask(self, host: str | None, control: str) -> Mapping[str, str] | None:
        if self._http is None or host is None:
            return None
        url = URL.build(scheme="http", host=host, port=_PORT, path="/state")
        headers = {"Authorization": f"Bearer {control}"}
        try:
            async with self._http.get(url, headers=headers, allow_redirects=False) as answer:
                text = await answer.content.read(_MOST_BYTES)
                return _versions(json.loads(text)) if answer.ok else None
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, RecursionError):
            return None


def _versions(state: Any) -> Mapping[str, str] | None:
    told = state.get("versions") if isinstance(state, dict) else None
    if not isinstance(told, dict):
        return None
    texts = [(name, text) for name, text in told.items() if isinstance(text, str)]
    return {name[:_MOST_TEXT]: text[:_MOST_TEXT] for name, text in texts[:_MOST_VERSIONS]}
