"""Startup, readiness and liveness probes.

Until its first success a probe runs twice a second, even if its period is longer, so that trials start fast.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import aiohttp

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Manifest

_FIRST_PERIOD: Final = 0.5
_DEFAULTS: Final[dict[str, float]] = {
    "initialDelaySeconds": 0,
    "periodSeconds": 10,
    "timeoutSeconds": 1,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_SUCCESS: Final = range(200, 400)

RunCommand = Callable[[list[str]], Awaitable[int]]
"""Runs a command in the container and returns its exit code; it is cancelled after the timeout."""


class Probe:
    """One probe of a container; ``check`` runs it once."""

    def __init__(
        self, spec: Manifest, container: Manifest, address: str, *, session: aiohttp.ClientSession, run: RunCommand
    ) -> None:
        self._spec = spec
        self._ports = {port.get("name"): port["containerPort"] for port in container.get("ports") or ()}
        self._address = address
        self._session = session
        self._run = run

    async def watch(self, notify: Callable[[bool], None]) -> None:
        """Probe until cancelled; notify with True after enough successes, False after enough failures in a row."""
        await asyncio.sleep(self._number("initialDelaySeconds"))
        successes = failures = 0
        succeeded = False
        while True:
            if await self.check():
                successes, failures = successes + 1, 0
                if successes == self._number("successThreshold"):
                    succeeded = True
                    notify(True)
            else:
                successes, failures = 0, failures + 1
                if failures == self._failures(succeeded=succeeded):
                    notify(False)
            period = self._number("periodSeconds")
            await asyncio.sleep(period if succeeded else min(period, _FIRST_PERIOD))

    async def check(self) -> bool:
        try:
            async with asyncio.timeout(self._number("timeoutSeconds")):
                return await self._probe()
        except (TimeoutError, OSError, aiohttp.ClientError, ValueError, LookupError):
            return False

    def _failures(self, *, succeeded: bool) -> float:
        """Return the failures in a row that count; before the first success, as many as fit in the allowed time."""
        allowed = self._number("failureThreshold")
        if succeeded:
            return allowed
        period = self._number("periodSeconds")
        return max(1, round(allowed * period / min(period, _FIRST_PERIOD)))

    async def _probe(self) -> bool:
        if (http := self._spec.get("httpGet")) is not None:
            return await self._get(http)
        if (tcp := self._spec.get("tcpSocket")) is not None:
            _, writer = await asyncio.open_connection(tcp.get("host") or self._address, self._port(tcp["port"]))
            writer.close()
            await writer.wait_closed()
            return True
        if (command := self._spec.get("exec")) is not None:
            return await self._run(command["command"]) == 0
        return True

    async def _get(self, http: Manifest) -> bool:
        scheme = http.get("scheme", "HTTP").lower()
        host, port = http.get("host") or self._address, self._port(http["port"])
        path = http.get("path") or "/"
        url = f"{scheme}://{host}:{port}/{path.lstrip('/')}"
        headers = [(header["name"], header["value"]) for header in http.get("httpHeaders") or ()]
        # As the kubelet does: a redirect counts as success, and certificates are not verified.
        async with self._session.get(url, headers=headers, allow_redirects=False, ssl=False) as response:
            return response.status in _SUCCESS

    def _port(self, port: int | str) -> int:
        return int(self._ports.get(port, port))

    def _number(self, name: str) -> float:
        value: Any = self._spec.get(name, _DEFAULTS[name])
        return float(value)
