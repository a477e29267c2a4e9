"""A Kubernetes namespace for each user, and its network policy.

The step ``namespace`` asks the broker for it, because only the broker may create namespaces. The step ``network`` adds
a NetworkPolicy.
"""

from __future__ import annotations

from spawnpenny.api import Manifest, PlannedSpawn, Settings, Spawn, Step, VolumesKeptError, allow, hookimpl
from spawnpenny_namespace.network import network_policy
from spawnpenny_namespace.settings import NamespaceSettingsSchema, NetworkSettings


class NamespaceStep(Step):
    """Create the user's namespace."""

    name = "namespace"
    scope = "user"
    permissions = (allow("claim", "release", on="broker"),)

    def fingerprint(self, spawn: Spawn) -> str:
        return spawn.cluster.namespace_hash()

    async def apply(self, spawn: Spawn) -> None:
        await spawn.cluster.claim_namespace()

    async def retire(self, spawn: Spawn) -> None:
        purge = bool(spawn.options.get("purge"))
        try:
            await spawn.cluster.release_namespace(purge=purge)
        except VolumesKeptError:
            if purge:  # the storage was to go, so this is a failure
                raise
            spawn.notify("The user's namespace is kept, as storage lives there.")


class NetworkStep(Step):
    """Keep users apart by a NetworkPolicy that exists before the first pod."""

    name = "network"
    scope = "user"
    needs = frozenset({"namespace"})
    before = frozenset({"*"})
    permissions = (allow("create", "patch", on="networkpolicies"),)

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [network_policy(self._settings)]


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    network = settings.load("namespace", NamespaceSettingsSchema()).network
    return [NamespaceStep(), NetworkStep(network)] if network.enabled else [NamespaceStep()]
