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
import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
import psutil

from spawnpenny.testing.ports import LOOPBACK, free_ports
from spawnpenny.testing.processes import ProcessError, Processes

PASSWORD: Final = "a-password-of-tests"  # noqa: S105 - of a Hub that lives as long as a test
PROXY: Final = "configurable-http-proxy"

_UP: Final = 40.0
_READY: Final = 45.0
_PAUSE: Final = 0.1
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


class JupyterHub:
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
        self.token = secrets.token_hex(16)
        self.log = folder / "jupyterhub.log"
        self._config = config
        self._env = dict(os.environ if env is None else env)
        self._proxy_token = secrets.token_hex(16)
        public, self.hub_port, self.api_port = free_ports(3)
        self.url = f"http://{LOOPBACK}:{public}/"
        self._public_port = public
        self._processes = Processes(folder)
        self._session: aiohttp.ClientSession | None = None

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
        if error is not None:
            error.add_note(f"The end of {self.log}:\n{self.tail()}")

    async def start(self) -> None:
        """Start the Hub (the proxy runs), and wait until it answers.

        Raises:
            ProcessError: It does not, or has ended; with the end of its log.

        """
        argv = [self.python, "-m", "jupyterhub", "--config", "jupyterhub_config.py"]
        self._processes.start("jupyterhub", argv, env=self._env, cwd=self.folder)
        await self._until(self._healthy, "The Hub", _UP)

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

    def tail(self, lines: int = 40) -> str:
        """Return the end of the Hub's log."""
        with suppress(FileNotFoundError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    async def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        """Ask the Hub's REST API (``path`` is what follows ``/hub/api/``), and return status and answer.

        ``token`` is another one than the service's own.
        """
        if self._session is None:
            raise ProcessError("The Hub has not been started.")
        headers = {"Authorization": f"token {token}"} if token else None
        async with self._session.request(method, f"/hub/api/{path}", json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def have(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Ask the Hub's REST API for what has to succeed, and return the answer.

        Raises:
            ProcessError: It did not.

        """
        status, answer = await self.api(method, path, body, token=token)
        if status >= HTTPStatus.BAD_REQUEST:
            raise ProcessError(f"{method} {path}: {status} {answer}\n{self.tail()}")
        return answer

    async def add_user(self, user: str) -> None:
        """Make a user known, as a first login does."""
        status, answer = await self.api("POST", _user(user))
        if status not in (HTTPStatus.CREATED, HTTPStatus.CONFLICT):
            raise ProcessError(f"{user} was not made: {status} {answer}")

    async def token_of(self, user: str, **more: Any) -> str:
        """Make an API token of a user; ``more`` are further fields of the request, such as ``scopes``."""
        made: str = (await self.have("POST", f"{_user(user)}/tokens", {"note": "test", **more}))["token"]
        return made

    async def start_server(
        self, user: str, name: str = "", options: Mapping[str, Any] | None = None, *, token: str | None = None
    ) -> int:
        """Ask for a user's server, and return the status, which is told at once; ``until_ready`` waits for it."""
        await self.add_user(user)
        status, answer = await self.api("POST", _server(user, name), dict(options or {}), token=token)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ProcessError(f"{user}'s server {name!r} was not asked for: {status} {answer}\n{self.tail()}")
        return status

    async def stop_server(self, user: str, name: str = "", *, remove: bool = False) -> None:
        """Stop a user's server and wait until the Hub has it as stopped; ``remove`` forgets a named one."""
        await self.have("DELETE", _server(user, name), {"remove": remove} if name else None)
        await self.until(lambda: self._stopped(user, name), f"The end of {user}'s server {name!r}")

    async def server(self, user: str, name: str = "") -> dict[str, Any] | None:
        """Return what the Hub says of a server that is active, pending or stopped but kept by name; else None."""
        found: dict[str, Any] | None = (await self.have("GET", _user(user)))["servers"].get(name)
        return found

    async def until_ready(self, user: str, name: str = "") -> dict[str, Any]:
        """Wait until a server is ready, and return what the Hub says of it.

        Raises:
            ProcessError: It is not in time, or the Hub has given it up.

        """
        async with asyncio.timeout(_READY):
            while True:
                found = await self.server(user, name)
                if found is None or not (found["ready"] or found["pending"]):
                    raise ProcessError(f"{user}'s server {name!r} did not start.\n{self.tail()}")
                if found["ready"]:
                    return found
                await asyncio.sleep(_PAUSE)

    async def progress(self, user: str, name: str = "") -> AsyncIterator[dict[str, Any]]:
        """Follow the progress of a server that starts, as the progress page does."""
        if self._session is None:
            raise ProcessError("The Hub has not been started.")
        async with self._session.get(f"/hub/api/{_server(user, name)}/progress") as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if line.startswith(b"data:"):
                    yield json.loads(line.removeprefix(b"data:"))

    async def until(self, fact: Any, what: str, seconds: float = _READY) -> None:
        """Wait until an async function answers true.

        Raises:
            ProcessError: It does not in time, or the Hub has ended; with the end of its log.

        """
        await self._until(fact, what, seconds)

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
            raise ProcessError(f"{PROXY} is not in PATH: npm ci --prefix tools/node, or npm install -g {PROXY}")
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

    async def _stopped(self, user: str, name: str) -> bool:
        found = await self.server(user, name)
        return found is None or bool(found.get("stopped"))

    async def _until(self, fact: Any, what: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not await fact():
            self._processes.check()
            if loop.time() > end:
                raise ProcessError(f"{what} was not there after {seconds:.0f} s.\n{self.tail()}")
            await asyncio.sleep(_PAUSE)


def _user(user: str) -> str:
    return f"users/{quote(user, safe='')}"


def _server(user: str, name: str) -> str:
    return f"{_user(user)}/servers/{quote(name, safe='')}" if name else f"{_user(user)}/server"
