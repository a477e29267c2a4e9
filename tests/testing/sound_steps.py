"""Sound steps: of a lab, of a user, with storage, with an object of a kind of its own, and one that supervises."""

from __future__ import annotations

from spawnpenny.api import Resource, Step, allow


def config_map(name, **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": "licence"}},
        "data": data,
    }


class Licence(Step):
    """A sound step: two ConfigMaps of one lab."""

    name = "licence"
    kinds = frozenset({"lab"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="configmaps"),)

    def manifests(self, spawn):
        names = (spawn.names.own("licence"), spawn.names.own("terms"))
        return [config_map(name, owner=spawn.user.username) for name in names]

    async def revert(self, spawn):
        for name in ("terms", "licence"):
            await spawn.cluster.discard("ConfigMap", spawn.names.own(name))


class Motd(Step):
    """A sound step of the user: one ConfigMap for all labs."""

    name = "licence"
    kinds = frozenset({"lab"})
    scope = "user"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "patch", on="configmaps"),)

    def manifests(self, spawn):
        return [config_map("motd", text=f"Welcome, {spawn.user.username} ({spawn.user.uid}).")]


class Storage(Motd):
    """A sound step that keeps storage of each lab."""

    permissions = (allow("create", "get", "list", "delete", on="configmaps"),)

    def manifests(self, spawn):
        return [config_map(spawn.names.own("files"), owner=spawn.user.username)]

    async def apply(self, spawn):
        for manifest in self.manifests(spawn):
            await spawn.cluster.ensure(manifest, patch=False)

    async def purge(self, spawn):
        for item in await spawn.cluster.list("ConfigMap", {"app": "licence"}):
            if item["metadata"]["name"] == spawn.names.own("files"):
                await spawn.cluster.discard("ConfigMap", item["metadata"]["name"])


class Watcher(Licence):
    """A sound step that supervises: it creates what is missing until it is cancelled."""

    async def supervise(self, spawn):
        while True:
            await self.apply(spawn)
            await spawn.changed(1)


class OfItsOwnKind(Licence):
    """A sound step with an object of a kind that spawnpenny does not know."""

    licences = Resource("example.org/v1", "Licence", "licences")
    permissions = (allow("create", "get", "delete", on=licences),)

    def manifests(self, spawn):
        name = spawn.names.own("licence")
        return [{"apiVersion": "example.org/v1", "kind": "Licence", "metadata": {"name": name}, "spec": {"seats": 1}}]

    async def apply(self, spawn):
        for manifest in self.manifests(spawn):
            await spawn.cluster.ensure(manifest, resource=self.licences)

    async def revert(self, spawn):
        await spawn.cluster.discard(self.licences, spawn.names.own("licence"))


SOUND = (Licence, Motd, Storage, Watcher)
