"""The spawner class: JupyterHub's interface to the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlsplit

from jupyterhub.spawner import Spawner
from traitlets import default

from spawnpenny.clients.errors import ClientError, ProblemError
from spawnpenny.clients.http import DEFAULT_LAB, Client, Lab, Patience
from spawnpenny.clients.jupyterhub.attempt import Attempt
from spawnpenny.clients.jupyterhub.certificates import Certificates
from spawnpenny.clients.jupyterhub.choices import chosen, sendable
from spawnpenny.clients.jupyterhub.credentials import hub_token, user_credential
from spawnpenny.clients.jupyterhub.refusals import (
    MisconfiguredError,
    RefusedError,
    failed,
    refused,
    uncounted,
    unreachable,
)
from spawnpenny.clients.jupyterhub.remote import RemoteLab
from spawnpenny.clients.jupyterhub.sharing import shared_client
from spawnpenny.clients.jupyterhub.story import Story
from spawnpenny.clients.jupyterhub.traits import SpawnpennyTraits

_START: Final = "start"
_MARGIN: Final = 1.0
"""Seconds before ``start_timeout`` at which ``start`` gives up, to say why: the Hub only says that it took too long."""
_ADOPT: Final = 10.0
"""Seconds in which a lab whose URL the Hub knows has to be found; then that URL is taken."""


class SpawnpennySpawner(SpawnpennyTraits, Certificates, Spawner):  # type: ignore[misc]  # JupyterHub has no types
    """Starts servers through the spawnpenny service, which creates what they need; the Hub needs no Kubernetes rights.

    What a server is made of (images, sizes, storage, profiles) is in the service's settings. Of JupyterHub's traits,
    `cpu_limit`, `cpu_guarantee`, `mem_limit`, `mem_guarantee`, `cmd` and `args` do nothing here: they too are settings
    of the service. `environment`, `default_url`, `notebook_dir`, `debug` and `disable_user_config` work, as they reach
    the server by its environment.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._attempt: Attempt | None = None
        self._known_start: str | None = None
        self._arrived = False
        self._untouched = False
        self._story = Story()
        self._starting = False
        super().__init__(*args, **kwargs)
        self._remote = RemoteLab(self._client, self.user.name, self.name or DEFAULT_LAB, self.log)

    # What the Hub keeps of it.

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        self._known_start = state.get(_START)
        self._arrived = self._known_start is not None
        self._untouched = False

    def get_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super().get_state()
        if self._known_start is not None:
            state[_START] = self._known_start
        return state

    def clear_state(self) -> None:
        super().clear_state()
        self._attempt = self._known_start = None
        self._arrived, self._untouched = False, True
        self._story.end()
        self._story = Story()

    # A server's life.

    async def start(self) -> str:
        """Start the server, and return its URL once it runs."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.start_timeout
        self._starting = True
        try:
            async with asyncio.timeout_at(end - min(_MARGIN, self.start_timeout / 10)):
                return await self._start(end)
        except TimeoutError:
            raise self._not_counted(self._late()) from None
        except ProblemError as error:
            raise self._not_counted(self._worded(error)) from None
        except ClientError as error:
            self.log.warning("spawnpenny was not asked for %s's server: %s", self._log_name, error)
            raise self._not_counted(unreachable()) from None
        except RefusedError as error:
            raise self._not_counted(error) from None
        finally:
            self._starting = False
            self._story.end()

    async def stop(self, now: bool = False) -> None:
        """Stop the server, and return once its pod is gone."""
        start = self._known_start
        if self._attempt is not None:
            await self._attempt.over()
            if self._attempt.void:
                return
            start = self._attempt.start
        elif self._untouched:
            return  # nothing was asked for since the Hub had nothing
        try:
            await self._remote.away(start, self.stop_timeout)
        except TimeoutError:
            why = self._remote.trouble or "it is still there"
            raise RuntimeError(f"{self._log_name} was not gone after {self.stop_timeout:g} seconds: {why}") from None
        self._attempt, self._known_start = None, None

    async def poll(self) -> int | None:
        """Return None unless the server surely is over. It never raises: a Hub whose poll raises forgets servers."""
        attempt = self._attempt
        if attempt is not None and attempt.uncertain:
            return None
        try:
            found = await self._remote.look()
        except Exception as error:  # noqa: BLE001 - whatever it is, it does not say that the server is over
            self.log.warning("It is not known whether %s runs: %s", self._log_name, error or type(error).__name__)
            return None
        if self._attempt is not attempt or (attempt is not None and attempt.uncertain):
            return None  # begun meanwhile
        if found is None:
            return 0
        if found.over:
            return int(getattr(found.reason, "exit_code", None) or 1)
        if self._attempt is None and self._known_start is None:
            self._known_start = found.start
        if found.running and found.url and not self._starting:
            self._follow(found.url)
        return None

    async def get_url(self) -> str:
        """Return where the server answers, after a restart of the Hub: once it runs, where it was still starting."""
        try:
            async with asyncio.timeout(_ADOPT if self._arrived else None):
                found = await self._remote.settled(self._story)
            if found.running and found.url:
                self._adopt(found, found.url)
        except (TimeoutError, RefusedError) as error:
            self.log.warning("%s was not found by spawnpenny: %s", self._log_name, error or "it does not answer")
        except Exception:  # a Hub whose get_url raises does not start
            self.log.exception("Where %s answers could not be found out", self._log_name)
        return str(self.server.url)

    async def progress(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield what happens while the server starts; all who look share one stream from the service."""
        if not self._starting and not self._spawn_pending:
            return
        async with aclosing(self._story.read()) as told:
            async for each in told:
                yield each

    # What a user chooses.

    @default("options_form")
    def _form_of_the_service(self) -> Any:
        return type(self)._fetched_form  # noqa: SLF001 - its own

    async def _fetched_form(self) -> str:
        form = getattr(await self._client(), "form", None)
        return str(await form(self.user.name, self.name or DEFAULT_LAB)) if form else ""

    @default("options_from_form")
    def _options_of_the_form(self) -> Any:
        return chosen

    # The way to the service.

    async def _start(self, end: float) -> str:
        options, env, tls = sendable(self.user_options), self._env(), self.take_certificates()
        user, name = self.user.name, self.name or DEFAULT_LAB
        client = (await self._shared()).holding(await self._authority(), patience=Patience(total=0))
        attempt = self._attempt = Attempt()
        loop = asyncio.get_running_loop()

        async def send() -> Lab:
            return await client.start_lab(
                user,
                name,
                start=attempt.start,
                options=options,
                env=env,
                tls=tls,
                patience=max(10.0, end - loop.time()),
                replace=True,
            )

        self._story.expect(await attempt.ask(send, Patience(total=self.patience)))
        self._known_start = attempt.start  # the Hub keeps it when `start` returns
        found = await self._remote.settled(self._story, attempt.start)
        if not found.running or not found.url:
            raise failed(found)
        return found.url

    def _env(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.get_env().items() if value is not None}

    async def _authority(self) -> str:
        if self.auth_state_field:
            return await user_credential(self.user, self.auth_state_field)
        return hub_token(self.token, self.token_file)

    async def _shared(self) -> Client:
        return await shared_client(self.user.settings, self.url, self.ca_file)

    async def _client(self, patience: Patience | None = None) -> Client:
        """Return a client that holds the Hub's own token."""
        token = hub_token(self.token, self.token_file)
        return (await self._shared()).holding(token, patience=patience or Patience(total=self.patience))

    def _follow(self, url: str) -> None:
        """Have the Hub know where the server answers."""
        if self.server is None:
            return
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if (self.server.proto, self.server.ip, self.server.port) != (parts.scheme, parts.hostname, port):
            self.log.warning("%s answers at %s now", self._log_name, url)
            self.server.proto, self.server.ip, self.server.port = parts.scheme, parts.hostname, port
            self.user.db.commit()

    def _adopt(self, found: Lab, url: str) -> None:
        """Keep what a Hub that was killed while the lab started has not kept."""
        self._follow(url)
        self._known_start, self._arrived = found.start, True
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()

    def _worded(self, error: ProblemError) -> Exception:
        if error.code == "unauthenticated" and not self.auth_state_field:
            return MisconfiguredError(f"spawnpenny does not know the Hub's token: {error}")
        if error.status < 500:  # noqa: PLR2004 - it is the caller's
            return refused(error)
        self.log.warning("spawnpenny could not start %s: %s (request %s)", self._log_name, error, error.request_id)
        return unreachable()

    def _late(self) -> RefusedError:
        attempt = self._attempt
        if attempt is None or attempt.uncertain or self._remote.trouble is not None:
            return unreachable()
        message = f"The server was not there after {self.start_timeout} seconds."
        return RefusedError(
            "deadline_exceeded", message, advice="Start it again; if it stays so, tell an administrator."
        )

    def _not_counted(self, error: Exception) -> Exception:
        if isinstance(error, RefusedError):
            uncounted(self, self.user.settings)
        return error
