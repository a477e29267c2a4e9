"""Check the roles for user namespaces, and the RoleBinding in each user namespace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from spawnpenny.admin.doctor.finding import APPLY, Finding, failure, few, ok
from spawnpenny.admin.permissions.manifests import make_manifests
from spawnpenny.admin.permissions.rules import rights_of
from spawnpenny.broker.namespaces import release_role, service_binding
from spawnpenny.kubernetes.interface import Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from spawnpenny.admin.doctor.deployment import Deployment

_AT_ONCE: Final = 8


async def check_role(deployment: Deployment) -> list[Finding]:
    """Compare the roles for user namespaces with the rights that the steps and the broker declare."""
    broker = deployment.settings.broker
    names = [broker.role, *([release_role(broker)] if broker.separate else [])]
    return [finding for name in names for finding in await _check_role(deployment, name)]


async def _check_role(deployment: Deployment, name: str) -> list[Finding]:
    by = "steps need" if name == deployment.settings.broker.role else "the broker needs"
    existing = await deployment.cluster.read(Ref(resource_of("ClusterRole"), name))
    if existing is None:
        return [failure(f"The ClusterRole {name} does not exist.", APPLY)]
    made = make_manifests(deployment.grants, deployment.settings)
    (desired,) = (
        manifest for manifest in made if manifest["kind"] == "ClusterRole" and manifest["metadata"]["name"] == name
    )
    want, have = rights_of(desired.get("rules") or ()), rights_of(existing.get("rules") or ())
    found = []
    if want - have:
        found.append(failure(f"The ClusterRole {name} lacks rights that {by}: {few(sorted(want - have))}.", APPLY))
    if have - want:
        whom = "no step needs" if by == "steps need" else "the broker does not need"
        found.append(failure(f"The ClusterRole {name} gives rights that {whom}: {few(sorted(have - want))}.", APPLY))
    return found or [ok(f"The ClusterRole {name} gives exactly the rights that {by.replace('steps', 'the steps')}.")]


async def check_bindings(deployment: Deployment) -> list[Finding]:
    """Check that each user namespace has its RoleBinding."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def lacks(namespace: Manifest) -> str | None:
        name, broker = namespace["metadata"]["name"], deployment.settings.broker
        desired = service_binding(name, installation=deployment.settings.installation, broker=broker)
        async with limit:
            existing = await deployment.cluster.read(Ref.of(desired))
        same = (
            existing is not None
            and existing["roleRef"] == desired["roleRef"]
            and existing["subjects"] == desired["subjects"]
        )
        return None if same else name

    alive = [
        namespace
        for namespace in await deployment.user_namespaces()
        if not namespace["metadata"].get("deletionTimestamp")
    ]
    missing = [name for name in await asyncio.gather(*map(lacks, alive)) if name]
    if not missing:
        return [ok(f"The service has its RoleBinding in all user namespaces ({len(alive)}).")]
    broker = deployment.settings.broker
    do = (
        "For each of them: kubectl -n NAMESPACE create rolebinding "
        f"{broker.role}.{broker.account_namespace}.{broker.account} "
        f"--clusterrole={broker.role} --serviceaccount={broker.account_namespace}:{broker.account}"
    )
    return [failure(f"User namespaces lack the RoleBinding of the service: {few(sorted(missing))}.", do)]
