"""The user's provisioning, and the files that give the user's uid a name."""

from __future__ import annotations

import math
from typing import Any

from spawnpenny.api import Manifest, PlannedSpawn, Settings, Spawn, Step, allow, hookimpl, schema_of
from spawnpenny_user.files import FileSettings, mounted, user_files


class ProvisionStep(Step):
    """Run the site's commission containers for this user, if dossier or order is new."""

    name = "user.provision"
    commissions = True
    scope = "user"
    before = frozenset({"*"})
    permissions = (allow("provision", on="broker"),)
    deadline = math.inf

    def fingerprint(self, spawn: Spawn) -> Any:
        return [spawn.cluster.order_hash("commission"), spawn.user.dossier()]

    async def apply(self, spawn: Spawn) -> None:
        await spawn.cluster.provision("commission")

    async def retire(self, spawn: Spawn) -> None:
        await spawn.cluster.provision("retire")


class FilesStep(Step):
    """Keep the passwd and group files of the user."""

    name = "user.files"
    scope = "user"
    needs = frozenset({"namespace"})
    before = frozenset({"*"})
    permissions = (allow("create", "patch", on="configmaps"),)

    def __init__(self, settings: FileSettings) -> None:
        self._settings = settings

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [user_files(spawn.user, self._settings)]


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    return [ProvisionStep(), FilesStep(settings.load("user", schema_of(FileSettings)()))]


@hookimpl
def spawnpenny_pod_patch(pod: Manifest) -> Manifest:
    return mounted(pod)
