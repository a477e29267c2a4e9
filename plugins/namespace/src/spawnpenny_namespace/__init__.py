"""A Kubernetes namespace per user.

Adds the step ``namespace``, which claims it: making namespaces is the broker's right alone.
"""

from __future__ import annotations

from spawnpenny.api import Settings, Spawn, Step, StrictSchema, allow, hookimpl


class NamespaceSettingsSchema(StrictSchema[None]):
    """There is nothing to set here: prefix, role and pod security level are the broker's."""

    makes = type(None)


class NamespaceStep(Step):
    """Have the user's namespace."""

    name = "namespace"
    kinds = frozenset({"lab", "dask"})
    scope = "user"
    permissions = (allow("claim", on="broker"),)

    def fingerprint(self, spawn: Spawn) -> str:
        return spawn.cluster.namespace_hash()

    async def apply(self, spawn: Spawn) -> None:
        await spawn.cluster.claim_namespace()


@hookimpl
def spawnpenny_steps(settings: Settings) -> list[Step]:
    settings.load("namespace", NamespaceSettingsSchema())
    return [NamespaceStep()]
