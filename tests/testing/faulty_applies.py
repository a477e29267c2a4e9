"""Steps with a fault in their apply, their manifests, their check or their permissions."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress

from spawnpenny.api import ClusterError, allow
from tests.testing.sound_steps import Licence, config_map

CREATED = []
"""Module-level state, for the step that has it."""


class NameOfAnother(Licence):
    """Its name is the same for all labs of a user."""

    def manifests(self, spawn):
        return [config_map("licence", owner=spawn.user.username)]

    async def revert(self, spawn):
        await spawn.cluster.discard("ConfigMap", "licence")


class RandomName(Licence):
    def manifests(self, spawn):
        return [config_map(spawn.names.own(uuid.uuid4().hex), owner=spawn.user.username)]


class ManifestChanges(Licence):
    def manifests(self, spawn):
        return [config_map(spawn.names.own("licence"), number=uuid.uuid4().hex)]


class ManifestOfTheProcess(Licence):
    def __init__(self):
        self._number = uuid.uuid4().hex

    def manifests(self, spawn):
        return [config_map(spawn.names.own("licence"), number=self._number)]


class CheckChangesOptions(Licence):
    def check(self, spawn):
        spawn.options.setdefault("edition", "student")


class CheckUsesTheCluster(Licence):
    def check(self, spawn):
        spawn.cluster.pods()


class UndeclaredCall(Licence):
    async def apply(self, spawn):
        with suppress(Exception):
            await spawn.cluster.list("Secret")
        await super().apply(spawn)


class UnusedPermission(Licence):
    permissions = (*Licence.permissions, allow("get", "list", on="secrets"))


class CallsPastItsPermissions(Licence):
    async def apply(self, spawn):
        await super().apply(spawn)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": spawn.names.own("past")}}
        secret["metadata"]["namespace"] = spawn.names.namespace
        with suppress(ClusterError):
            await spawn.cluster._dependencies.cluster.create(secret)


class CountsInItsObject(Licence):
    def __init__(self):
        self._count = 0

    async def apply(self, spawn):
        self._count += 1
        await super().apply(spawn)


class RemembersInItsModule(Licence):
    async def apply(self, spawn):
        CREATED.append(spawn.id)
        await super().apply(spawn)


class SkipsWhatThisProcessHasDone(Licence):
    """Its second apply does nothing, as a class attribute says that all is there."""

    done = frozenset()

    async def apply(self, spawn):
        if spawn.id not in type(self).done:
            type(self).done = self.done | {spawn.id}
            await super().apply(spawn)


class SwallowsErrors(Licence):
    async def apply(self, spawn):
        with suppress(ClusterError):
            await super().apply(spawn)


class RaisesAnErrorOfItsOwn(Licence):
    async def apply(self, spawn):
        try:
            await super().apply(spawn)
        except ClusterError as error:
            raise ValueError("no licence") from error


class StopsAtWhatExists(Licence):
    """It takes its first object for all of them."""

    async def apply(self, spawn):
        if await spawn.cluster.read("ConfigMap", spawn.names.own("licence")) is None:
            await super().apply(spawn)


class WaitsForEver(Licence):
    async def apply(self, spawn):
        await super().apply(spawn)
        await asyncio.Event().wait()


class IgnoresCancellation(Licence):
    async def apply(self, spawn):
        with suppress(asyncio.CancelledError):
            await super().apply(spawn)


class TakesOverForeignObjects(Licence):
    async def apply(self, spawn):
        for manifest in self.manifests(spawn):
            if await spawn.cluster.read("ConfigMap", manifest["metadata"]["name"]) is None:
                await spawn.cluster.ensure(manifest)


class ExposesTheEnvironment(Licence):
    def manifests(self, spawn):
        return [config_map(spawn.names.own("licence"), key=spawn.env.get("LICENCE_KEY", ""))]


class FailsAtOnce(Licence):
    async def apply(self, spawn):
        raise KeyError("licence")
