"""A real JupyterHub with its proxy, as processes of a test.

>>> async with JupyterHub(tmp_path, config="c.JupyterHub.spawner_class = 'spawnpenny'") as hub:
...     await hub.start_server("ada")
...     await hub.until_ready("ada")
...     await hub.kill()
...     await hub.start()
...     assert (await hub.server("ada"))["ready"]

The proxy outlives the Hub, as it does in a cluster: labs are reached through it while the Hub is away.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
import psutil
import pytest

from spawnpenny.testing.hub_api import HubApi
from spawnpenny.testing.ports import LOOPBACK, free_ports
from spawnpenny.testing.processes import ProcessError, Processes

PASSWORD: Final = "a-password-of-tests"  # noqa: S105 - of a Hub that lives as long as a test
PROXY: Final = "configurable-http-proxy"

_SCOPES: Final = (
    "admin:users",
    "admin:servers",
    "admin:groups",
    "admin:auth_state",
    "access:servers",
    "tokens",
    "read:hub",
    "list:services",
    "proxy",
)

_BASE: Final = """
c = get_config()
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_bind_url = {hub_url!r}
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.allow_named_servers = True
c.JupyterHub.cleanup_servers = False
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}
c.JupyterHub.cleanup_proxy = False
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {password!r}
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"admin"}}
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = {api_url!r}
c.ConfigurableHTTPProxy.auth_token = {proxy_token!r}
c.JupyterHub.services = [{{"name": "test", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"], "scopes": {scopes!r}}}]
"""


class JupyterHub(HubApi):
    """A JupyterHub in a folder of its own; ``async with`` starts it with its proxy, and ends both.

    Users log in with any name and ``PASSWORD``; ``admin`` is an administrator.

    Attributes:
        url: Where browsers find it: the proxy's address, with a slash at the end.
        token: The API token of its service ``test``, with an administrator's scopes.
        log: The file of the Hub's log, over all its starts.

    """

    def __init__(
        self,
        folder: Path,
        config: str = "",
        *,
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare it.

        Args:
            folder: Where its files are: configuration, database, logs. It is made.
            config: Python that follows the configuration of the harness; ``c`` is there. It appends to
                ``c.JupyterHub.services`` and ``load_roles`` rather than to assign them.
            python: Of the environment whose JupyterHub it is.
            env: The Hub's environment (default: this process's).

        """
        self.folder = folder
        self.python = python
        self.log = folder / "jupyterhub.log"
        self._config = config
        self._env = dict(os.environ if env is None else env)
        self._proxy_token = secrets.token_hex(16)
        public, self.hub_port, self.api_port = free_ports(3)
        super().__init__(f"http://{LOOPBACK}:{public}/", secrets.token_hex(16))
        self._public_port = public
        self._processes = Processes(folder)

    @property
    def pid(self) -> int:
        """The process of the Hub."""
        return self._processes.pid("jupyterhub")

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "jupyterhub_config.py").write_text(self._base() + self._config, encoding="utf-8")
        self._session = aiohttp.ClientSession(self.url, headers={"Authorization": f"token {self.token}"})
        try:
            self._start_proxy()
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the Hub (the proxy runs), and wait until it answers.

        Raises:
            ProcessError: It does not, or has ended; with the end of its log.

        """
        argv = [self.python, "-m", "jupyterhub", "--config", "jupyterhub_config.py"]
        self._processes.start("jupyterhub", argv, env=self._env, cwd=self.folder)
        await self.until(self._healthy, "The Hub")

    async def kill(self) -> None:
        """End the Hub as SIGKILL does, with what it runs itself, as in a container; its proxy and pods go on."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Kill the Hub and start it again."""
        await self.kill()
        await self.start()

    async def stop(self) -> None:
        """End the Hub as SIGTERM does, and the proxy; no lab is stopped."""
        if self._session is not None:
            await self._session.close()
        if self._processes.runs("jupyterhub"):
            await self._end(signal.SIGTERM)
        self._processes.close()

    def check(self) -> None:
        self._processes.check()

    def failure(self, message: str) -> ProcessError:
        return ProcessError(f"{message}\n{self.tail()}")

    def tail(self, lines: int = 40) -> str:
        """Return the end of the Hub's log."""
        with suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _base(self) -> str:
        return _BASE.format(
            url=self.url,
            hub_url=f"http://{LOOPBACK}:{self.hub_port}/",
            api_url=f"http://{LOOPBACK}:{self.api_port}",
            password=PASSWORD,
            proxy_token=self._proxy_token,
            token=self.token,
            scopes=list(_SCOPES),
        )

    def _start_proxy(self) -> None:
        program = shutil.which(PROXY)
        if program is None:
            pytest.skip(f"{PROXY} is not in PATH: npm ci --prefix tools/node, or npm install -g {PROXY}")
        argv = [
            program,
            f"--ip={LOOPBACK}",
            f"--port={self._public_port}",
            f"--api-ip={LOOPBACK}",
            f"--api-port={self.api_port}",
            f"--error-target=http://{LOOPBACK}:{self.hub_port}/hub/error",
        ]
        self._processes.start("proxy", argv, env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": self._proxy_token})

    async def _end(self, number: signal.Signals) -> None:
        # The Hub's managed services have sessions of their own, and stay when it is killed.
        own: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.pid).children(recursive=True)
        await asyncio.to_thread(self._processes.end, "jupyterhub", number)
        for process in own:
            with suppress(psutil.NoSuchProcess):
                process.kill()  # never another one of the same number: psutil compares the start time

    async def _healthy(self) -> bool:
        if self._session is None:
            return False
        try:
            async with self._session.get("/hub/health", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                return answer.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False
