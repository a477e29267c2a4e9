"""Check when a Hub starts that it can use the service, and log what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any, Final

from spawnpenny.clients.errors import ClientError
from spawnpenny.clients.jupyterhub.diagnosis import diagnosed
from spawnpenny.clients.jupyterhub.errors import MisconfiguredError, RefusedError, cause_of
from spawnpenny.clients.jupyterhub.service_access import LOOK_TIMEOUT, ServiceAccess, auth_state_problem

_CHECK: Final = "spawnpenny_check"
_IN_A_HUB: Final = "spawner_class"
"""A key that only the settings of a running Hub have."""
_NEEDED: Final = {
    "read:any": "it cannot see servers",
    "delete:any": "it cannot stop servers",
    "spawn:any": "it cannot start servers (or set SpawnpennySpawner.auth_state_field)",
}


class StartupCheck(ServiceAccess):
    """Mixin that checks the configuration of the Hub with the first spawner."""

    log: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: MutableMapping[str, Any] = getattr(self.user, "settings", None) or {}
        if settings.get(_IN_A_HUB) is None or _CHECK in settings:
            return
        try:
            settings[_CHECK] = asyncio.get_running_loop().create_task(self._check())
        except RuntimeError:  # no running loop: the spawner was not created by a Hub
            return

    async def _check(self) -> None:
        for problem in await self._problems():
            self.log.error("This Hub cannot use spawnpenny as it is configured: %s", problem)

    async def _problems(self) -> list[str]:
        """Return the problems that can be found without a user."""
        found = [problem] if self.auth_state_field and (problem := auth_state_problem(self.user.authenticator)) else []
        try:
            async with asyncio.timeout(LOOK_TIMEOUT):
                caller = await (await self._client(0)).whoami()
        except (ClientError, RefusedError, TimeoutError) as error:
            refusal = diagnosed(error)
            if isinstance(refusal, MisconfiguredError):
                return [*found, refusal.cause]
            self.log.warning("Whether this Hub can use spawnpenny is unknown: %s", cause_of(refusal))
            return found
        found += [
            f"The Hub's token does not have the scope {scope}: {effect}."
            for scope, effect in _NEEDED.items()
            if not caller.scopes & {scope, "admin"} and not (scope == "spawn:any" and self.auth_state_field)
        ]
        if not found:
            self.log.info("spawnpenny at %s accepts this Hub as %s", self.url, caller.name)
        return found
