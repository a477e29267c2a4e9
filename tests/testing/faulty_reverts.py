"""Steps with a fault in their revert."""

from __future__ import annotations

from contextlib import suppress

from spawnpenny.api import ClusterError, allow
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from tests.testing.sound_steps import Licence


class RevertRaisesTheSecondTime(Licence):
    async def revert(self, spawn):
        if await spawn.cluster.read("ConfigMap", spawn.names.own("licence")) is None:
            raise RuntimeError("there is no licence")
        await super().revert(spawn)


class RevertForgetsAnObject(Licence):
    async def revert(self, spawn):
        await spawn.cluster.discard("ConfigMap", spawn.names.own("licence"))


class RevertKnowsOnlyWhatItCreated(Licence):
    def __init__(self):
        self._names = []

    async def apply(self, spawn):
        await super().apply(spawn)
        self._names = [manifest["metadata"]["name"] for manifest in self.manifests(spawn)]

    async def revert(self, spawn):
        for name in self._names:
            await spawn.cluster.discard("ConfigMap", name)


class RevertNeedsTheEnvironment(Licence):
    async def revert(self, spawn):
        if spawn.env["LICENCE_KEY"]:
            await super().revert(spawn)


class RevertDeletesByLabel(Licence):
    permissions = (allow("create", "get", "list", "delete", on="configmaps"),)

    async def revert(self, spawn):
        cluster = spawn.cluster._dependencies.cluster
        for item in await spawn.cluster.list("ConfigMap", {"app": "licence"}):
            await cluster.delete(Ref.of({**item, "kind": "ConfigMap"}))


class RevertDeletesByNameAlone(Licence):
    async def revert(self, spawn):
        cluster = spawn.cluster._dependencies.cluster
        for name in ("terms", "licence"):
            ref = Ref(resource_of("ConfigMap"), spawn.names.own(name), spawn.names.namespace)
            await cluster.delete(ref)


class RevertSwallowsErrors(Licence):
    async def revert(self, spawn):
        for name in ("terms", "licence"):
            with suppress(ClusterError):
                await spawn.cluster.discard("ConfigMap", spawn.names.own(name))
