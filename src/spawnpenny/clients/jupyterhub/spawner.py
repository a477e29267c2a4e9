"""The spawner class, JupyterHub's interface to the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from jupyterhub.spawner import Spawner

from spawnpenny.clients.errors import ClientError, ProblemError
from spawnpenny.clients.http import DEFAULT_LAB, Lab, Patience
from spawnpenny.clients.jupyterhub.certificates import Certificates
from spawnpenny.clients.jupyterhub.deletion import Deletion
from spawnpenny.clients.jupyterhub.diagnosis import diagnosed, refused_with_own_credential
from spawnpenny.clients.jupyterhub.errors import (
    MisconfiguredError,
    RefusedError,
    UnreachableServiceError,
    cause_of,
    failed,
    uncounted,
)
from spawnpenny.clients.jupyterhub.kubespawner_traits import KubeSpawnerTraits, warn_of_unused
from spawnpenny.clients.jupyterhub.lab_handle import LabHandle, StartAttempt, started_by
from spawnpenny.clients.jupyterhub.options import OptionsForm, sendable
from spawnpenny.clients.jupyterhub.progress import ProgressLog
from spawnpenny.clients.jupyterhub.service_access import check_hub_name
from spawnpenny.clients.jupyterhub.startup import StartupCheck

_START: Final = "start"
_USER: Final = "user"
_BY: Final = "by"
_MARGIN: Final = 1.0
"""Seconds before ``start_timeout`` at which ``start`` gives up, to say why. The Hub only says that it took too long."""


class SpawnpennySpawner(StartupCheck, OptionsForm, Certificates, Deletion, KubeSpawnerTraits, Spawner):  # type: ignore[misc]  # JupyterHub has no types
    """Starts servers through the spawnpenny service, which creates what they need. The Hub needs no Kubernetes rights.

    Images, sizes, storage and profiles of servers are settings of the service. So are JupyterHub's traits `cpu_limit`,
    `cpu_guarantee`, `mem_limit`, `mem_guarantee`, `cmd` and `args`: they have no effect here. `environment`,
    `default_url`, `notebook_dir`, `debug` and `disable_user_config` have effect, as the environment of the server
    contains them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._attempt: StartAttempt | None = None
        self._known_start: str | None = None
        self._known_user: str | None = None
        self._known_by: str | None = None
        self._held_elsewhere = False
        self._last_handle: LabHandle | None = None
        self._arrived = False
        self._untouched = False
        self._doomed = False
        self._progress = ProgressLog()
        self._starting = False
        super().__init__(*args, **kwargs)

    @property
    def _handle(self) -> LabHandle:
        """The lab, under the username of its start: the Hub may have renamed the user since."""
        user = self._known_user or self.user.name
        if self._last_handle is None or self._last_handle.user != user:
            self._last_handle = LabHandle(self._client, user, self._lab, self.log, program=self._program)
        return self._last_handle

    @property
    def _has_reserved_name(self) -> bool:
        """True if the server has the name by which the service calls the default one."""
        return bool(self.name == DEFAULT_LAB)

    # The state that the Hub keeps.

    def load_state(self, state: Mapping[str, Any]) -> None:
        super().load_state(state)
        start = state.get(_START)
        self._remember(start, (state.get(_USER) or self.user.name) if start else None, state.get(_BY))
        self._arrived = start is not None
        self._untouched = False

    def get_state(self) -> dict[str, Any]:
        state: dict[str, Any] = super().get_state()
        if self._known_start is not None:
            state |= {_START: self._known_start, _USER: self._known_user}
        if self._known_by:
            state[_BY] = self._known_by
        return state

    def clear_state(self) -> None:
        super().clear_state()
        self._attempt = None
        self._remember(None, None)
        self._arrived, self._untouched, self._doomed, self._held_elsewhere = False, True, False, False
        self._progress.end()
        self._progress = ProgressLog()

    def _remember(self, start: str | None, user: str | None, by: str | None = None) -> None:
        self._known_start, self._known_user, self._known_by = start, user, by

    # Start, stop, poll.

    async def start(self) -> str:
        """Start the server, and return its URL once it runs."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.start_timeout
        self._starting = True
        try:
            async with asyncio.timeout_at(end - min(_MARGIN, self.start_timeout / 10)):
                return await self._start(end)
        except TimeoutError:
            raise self._not_counted(self._timed_out()) from None
        except (ClientError, RefusedError) as error:
            raise self._not_counted(self._diagnosed(error)) from None
        finally:
            self._starting = False
            self._progress.end()

    async def stop(self, now: bool = False) -> None:
        """Stop the server, and return once its pod is gone."""
        start = self._known_start
        if self._has_reserved_name:
            return
        if self._attempt is not None:
            await self._attempt.finished()
            if self._attempt.void:
                return
            if self._doomed:  # the service deletes it already; the user waits for the reason, not for that
                self.log.warning("%s has failed, and the service is still deleting it.", self._log_name)
                return
            start = self._attempt.start
        elif self._untouched:
            return  # nothing was started since the state was cleared
        try:
            await self._handle.stop(start, self.stop_timeout, others=self._arrived, by=self._known_by)
        except TimeoutError:
            trouble = self._handle.trouble
            why = "it still exists" if trouble is None else cause_of(trouble)
            raise RuntimeError(f"{self._log_name} was not gone after {self.stop_timeout:g} seconds: {why}") from None
        self._attempt, self._arrived = None, False
        self._remember(None, None)

    async def poll(self) -> int | None:
        """Return None unless the server has certainly ended; then the exit code of its program, or 1 if it is unknown.

        It never raises: a Hub whose poll raises forgets its servers.
        """
        if self._has_reserved_name or self._held_elsewhere:
            return 0
        attempt = self._attempt
        if attempt is None or not attempt.uncertain:
            try:
                found = await self._handle.look()
            except Exception:  # noqa: BLE001 - it is logged, and no error says that the server has ended
                return None
            if self._attempt is attempt and (attempt is None or not attempt.uncertain):  # no start has begun meanwhile
                return self._status(found)
        return None

    def _status(self, found: Lab | None) -> int | None:
        if found is None:
            return 0
        if found.over:
            return _exit_status(found)
        if self._is_foreign(found):
            self.log.warning("%s was replaced: %s", self._log_name, started_by(found))
            return 0
        if self._attempt is None and self._known_start is None:
            self._remember(found.start, self._handle.user, found.by)
        if found.running and found.url and not self._starting:
            self._follow(found.url)
        return None

    def _is_foreign(self, found: Lab) -> bool:
        """Return whether another caller of the service started the lab with this server's name."""
        ours = {self._known_start, self._attempt.start if self._attempt else None}
        return found.start not in ours and self._handle.is_foreign(found, self._known_by)

    async def get_url(self) -> str:
        """Return the URL of the server after a restart of the Hub. Wait for a server that is still starting."""
        try:
            found = await (self._handle.look() if self._arrived else self._handle.settled(self._progress))
            if found is not None and found.running and found.url and not self._is_foreign(found):
                self._adopt(found, found.url)
        except Exception as error:  # noqa: BLE001 - a Hub whose get_url raises does not start
            self.log.warning("The URL of %s is unknown: %s", self._log_name, cause_of(error))
        return str(self.server.url) if self.server else ""

    async def progress(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield the progress of a starting server. All readers share one event stream of the service."""
        if not self._starting and not self._spawn_pending:
            return
        async with aclosing(self._progress.read()) as entries:
            async for entry in entries:
                yield entry

    async def rename(self, old_name: str, new_name: str) -> None:
        """Refuse to rename a server, unless that is allowed: its storage has the old name."""
        if not self.allow_rename:
            message = f"The server {old_name} cannot be renamed, as its storage would keep the old name."
            raise RefusedError(
                "rename_refused", message, advice="Change the display name instead.", status=HTTPStatus.CONFLICT
            )

    async def _start(self, end: float) -> str:
        if self._has_reserved_name:
            raise RefusedError(
                "name_invalid", f"No server can have the name {self.name}.", advice="Choose another name."
            )
        warn_of_unused(self)
        check_hub_name(self.hub_name)
        options, env, tls = sendable(self.user_options), self._env(), self.take_certificates()
        client = (await self._shared_client()).with_token(await self._start_token(), patience=Patience(total=0))
        attempt, user = StartAttempt(), self.user.name
        self._attempt, self._known_user, self._arrived = attempt, user, False
        loop = asyncio.get_running_loop()

        async def send() -> Lab:
            return await client.start_lab(
                user,
                self._lab,
                start=attempt.start,
                options=options,
                env=env,
                tls=tls,
                patience=max(10.0, end - loop.time()),
                replace=True,
                program=self._program,
            )

        accepted = await attempt.send(send, Patience(total=self.patience))
        self._remember(attempt.start, user, accepted.by)  # the Hub stores it when `start` returns
        found = await self._handle.settled(self._progress, attempt.start)
        self._doomed = found.doomed
        if not found.running or not found.url:
            raise failed(found)
        self._arrived = True
        return found.url

    def _env(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.get_env().items() if value is not None}

    def _follow(self, url: str) -> None:
        """Update the server's address in the Hub."""
        if self.server is None:
            return
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if (self.server.proto, self.server.ip, self.server.port) != (parts.scheme, parts.hostname, port):
            self.log.warning("%s now answers at %s", self._log_name, url)
            self.server.proto, self.server.ip, self.server.port = parts.scheme, parts.hostname, port
            self.user.db.commit()

    def _adopt(self, found: Lab, url: str) -> None:
        """Store the state that a Hub that was killed during the start has not stored."""
        self._follow(url)
        self._remember(found.start, self._handle.user, found.by)
        self._arrived = True
        self.orm_spawner.state = self.get_state()
        self.user.db.commit()

    def _diagnosed(self, error: Exception) -> RefusedError:
        """Return the error for the user of a refused start, and log the cause if that says more."""
        if isinstance(error, ProblemError) and self.auth_state_field:
            refusal = refused_with_own_credential(error)
        else:
            refusal = diagnosed(error, scope="spawn:any")
        self._held_elsewhere = refusal.code == "foreign_start"
        if self._held_elsewhere:
            self.log.warning("%s is not started: %s", self._log_name, error)
        if isinstance(refusal, MisconfiguredError | UnreachableServiceError):
            self.log.warning("spawnpenny could not start %s: %s", self._log_name, refusal.cause)
        return refusal

    def _timed_out(self) -> RefusedError:
        attempt = self._attempt
        if self._handle.trouble is not None:
            return self._handle.trouble
        if attempt is None or attempt.uncertain:
            return UnreachableServiceError("It did not say whether it has accepted the start.")
        message = f"The server did not run after {self.start_timeout} seconds."
        return RefusedError(
            "deadline_exceeded", message, advice="Start it again. If that does not help, tell an administrator."
        )

    def _not_counted(self, error: RefusedError) -> RefusedError:
        uncounted(self, self.user.settings)
        return error


def _exit_status(found: Lab) -> int:
    """Return the exit code of a server that has ended, as KubeSpawner does: 0 if its user shut it down."""
    code = found.reason.exit_code if found.reason else None
    return code if isinstance(code, int) else 1
