"""Steps of a user, and steps that supervise, with a fault."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress

from spawnpenny.api import allow
from tests.testing.sound_steps import Motd, Storage, Watcher, config_map


class FingerprintMissesTheUser(Motd):
    def fingerprint(self, spawn):
        return "motd"


class FingerprintOfTheSpawn(Motd):
    def fingerprint(self, spawn):
        return spawn.id


class SharedObjectOfOneSpawn(Motd):
    def manifests(self, spawn):
        return [config_map("motd", lab=spawn.name)]


class UserStepReverts(Motd):
    async def revert(self, spawn):
        """Do nothing."""


class PurgeDeletesByLabel(Storage):
    async def purge(self, spawn):
        for item in await spawn.cluster.list("ConfigMap", {"app": "licence"}):
            await spawn.cluster.discard("ConfigMap", item["metadata"]["name"])


class RetireRaisesTheSecondTime(Motd):
    permissions = (allow("create", "get", "patch", "delete", on="configmaps"),)

    async def retire(self, spawn):
        if await spawn.cluster.read("ConfigMap", "motd") is None:
            raise LookupError("no motd")
        await spawn.cluster.discard("ConfigMap", "motd")


class SuperviseIgnoresCancellation(Watcher):
    async def supervise(self, spawn):
        while True:
            with suppress(asyncio.CancelledError):
                await spawn.changed(1)


class SuperviseNeedsItsApply(Watcher):
    def __init__(self):
        self._applied = False

    async def apply(self, spawn):
        self._applied = True
        await super().apply(spawn)

    async def supervise(self, spawn):
        if not self._applied:
            raise RuntimeError("apply was not called")
        await super().supervise(spawn)


class SuperviseCreatesMoreAfterARestart(Watcher):
    async def supervise(self, spawn):
        await spawn.cluster.ensure(config_map(spawn.names.own(uuid.uuid4().hex), owner="x"))
        while True:
            await spawn.changed(1)

    async def revert(self, spawn):
        await super().revert(spawn)
        for item in await spawn.cluster.list("ConfigMap"):
            await spawn.cluster.discard("ConfigMap", item["metadata"]["name"])

    permissions = (allow("create", "get", "list", "delete", on="configmaps"),)
