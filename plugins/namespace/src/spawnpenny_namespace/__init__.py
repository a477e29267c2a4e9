"""A Kubernetes namespace for each user, and its network policy.

Adds the step ``namespace``, which claims it: making namespaces is the broker's right alone. The step ``network`` puts
a NetworkPolicy into it.
"""

from __future__ import annotations

from spawnpenny.api import Manifest, PlannedSpawn, Settings, Spawn, Step, VolumesKeptError, allow, hookimpl
from spawnpenny_namespace.network import network_policy
from spawnpenny_namespace.settings import NamespaceSettingsSchema, NetworkSettings


class NamespaceStep(Step):
    """Make the user's namespace."""

    name = "namespace"
    kinds = frozenset({"lab", "dask"})
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
            if purge:  # who asked for the storage to go has to hear that it did not
                raise
            spawn.notify("The user's namespace is kept, as storage lives there.")


class NetworkStep(Step):
    """Keep users apart: before the first pod is there, the policy is."""

    name = "network"
    kinds = frozenset({"lab", "dask"})
    scope = "user"
    needs = frozenset({"namespace"})
    before = frozenset({"lab", "dask"})
    permissions = (allow("create", "patch", on="networkpolicies"),)

    def __init__(self, settings: NetworkSettings) -> None:
        self._settings = settings

    def manifests(self, spawn: PlannedSpawn) -> list[Manifest]:
        return [network_policy(self._settings)]


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    network = settings.load("namespace", NamespaceSettingsSchema()).network
    return [NamespaceStep(), NetworkStep(network)] if network.enabled else [NamespaceStep()]
