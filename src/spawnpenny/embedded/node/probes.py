"""Startup, readiness and liveness probes.

Until the first success a probe runs twice a second, however long its period is: who tries things out should
not have to wait.
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
_GOOD: Final = range(200, 400)

Run = Callable[[list[str]], Awaitable[int]]
"""Runs a command in the container and returns its exit code; cancelled when it takes too long."""


class Probe:
    """One probe of a container; ``check`` asks once."""

    def __init__(
        self, spec: Manifest, container: Manifest, address: str, *, session: aiohttp.ClientSession, run: Run
    ) -> None:
        self._spec = spec
        self._ports = {port.get("name"): port["containerPort"] for port in container.get("ports") or ()}
        self._address = address
        self._session = session
        self._run = run

    async def watch(self, notify: Callable[[bool], None]) -> None:
        """Yield each change for ever: True after enough successes, False after enough failures in a row."""
        await asyncio.sleep(self._number("initialDelaySeconds"))
        successes = failures = 0
        ever = False
        while True:
            if await self.check():
                successes, failures = successes + 1, 0
                if successes == self._number("successThreshold"):
                    ever = True
                    notify(True)
            else:
                successes, failures = 0, failures + 1
                if failures == self._failures(ever=ever):
                    notify(False)
            period = self._number("periodSeconds")
            await asyncio.sleep(period if ever else min(period, _FIRST_PERIOD))

    async def check(self) -> bool:
        try:
            async with asyncio.timeout(self._number("timeoutSeconds")):
                return await self._ask()
        except (TimeoutError, OSError, aiohttp.ClientError, ValueError, LookupError):
            return False

    def _failures(self, *, ever: bool) -> float:
        """Failures in a row that count; before the first success, as many as fit in the time allowed."""
        allowed = self._number("failureThreshold")
        if ever:
            return allowed
        period = self._number("periodSeconds")
        return max(1, round(allowed * period / min(period, _FIRST_PERIOD)))

    async def _ask(self) -> bool:
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
        # As the kubelet does: a redirect counts as an answer, and certificates are not verified.
        async with self._session.get(url, headers=headers, allow_redirects=False, ssl=False) as response:
            return response.status in _GOOD

    def _port(self, port: int | str) -> int:
        return int(self._ports.get(port, port))

    def _number(self, name: str) -> float:
        value: Any = self._spec.get(name, _DEFAULTS[name])
        return float(value)
