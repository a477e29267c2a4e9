"""Check once a Hub that it can use the service, and log what is wrong before a user starts a server."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final

from spawnpenny.clients.errors import ClientError
from spawnpenny.clients.jupyterhub.credentials import auth_state_problem
from spawnpenny.clients.jupyterhub.diagnosis import diagnosed
from spawnpenny.clients.jupyterhub.errors import MisconfiguredError, RefusedError, cause_of
from spawnpenny.clients.jupyterhub.lab_client import LOOK, Access

_CHECK: Final = "spawnpenny_check"
_IN_A_HUB: Final = "spawner_class"
"""What the settings of a Hub that serves have."""
_NEEDED: Final = {
    "read:any": "it cannot see servers",
    "delete:any": "it cannot stop servers",
    "spawn:any": "it can start no servers; or set SpawnpennySpawner.auth_state_field",
}


class StartupCheck(Access):
    """A spawner whose first instance in a Hub has the Hub's configuration checked."""

    log: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: MutableMapping[str, Any] = getattr(self.user, "settings", None) or {}
        if settings.get(_IN_A_HUB) is None or _CHECK in settings:
            return
        try:
            settings[_CHECK] = asyncio.get_running_loop().create_task(self._check())
        except RuntimeError:  # no loop runs: it is not the Hub that makes the spawner
            return

    async def _check(self) -> None:
        for problem in await self._problems():
            self.log.error("spawnpenny cannot be used as this Hub is configured: %s", problem)

    async def _problems(self) -> list[str]:
        """Return what is wrong, as far as that is known without a user."""
        found = [problem] if self.auth_state_field and (problem := auth_state_problem(self.user.authenticator)) else []
        try:
            async with asyncio.timeout(LOOK):
                caller = await (await self._client(0)).whoami()
        except (ClientError, RefusedError, TimeoutError) as error:
            refusal = diagnosed(error)
            if isinstance(refusal, MisconfiguredError):
                return [*found, refusal.cause]
            self.log.warning("It is not known yet whether spawnpenny can be used: %s", cause_of(refusal))
            return found
        found += [
            f"The Hub's token lacks the scope {scope}: {effect}."
            for scope, effect in _NEEDED.items()
            if not caller.scopes & {scope, "admin"} and not (scope == "spawn:any" and self.auth_state_field)
        ]
        if not found:
            self.log.info("spawnpenny at %s knows this Hub as %s", self.url, caller.name)
        return found
