"""Check that the namespaces and service accounts of the installation exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spawnpenny.admin.doctor.finding import Finding, failure, ok
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of

if TYPE_CHECKING:
    from spawnpenny.admin.doctor.deployment import Deployment

_APPLY = "Apply the deployment's manifests again, or correct the name in the settings."


async def check_namespaces(deployment: Deployment) -> list[Finding]:
    found = []
    for name in deployment.namespaces:
        existing = await deployment.cluster.read(Ref(resource_of("Namespace"), name))
        if existing is None:
            found.append(failure(f"The namespace {name} does not exist.", _APPLY))
        elif existing["metadata"].get("deletionTimestamp"):
            found.append(
                failure(f"The namespace {name} is being deleted.", "Wait until it is gone, then create it again.")
            )
    return found or [ok(f"The namespaces exist: {', '.join(deployment.namespaces)}.")]


async def check_accounts(deployment: Deployment) -> list[Finding]:
    found = []
    for namespace, name in deployment.accounts.values():
        if await deployment.cluster.read(Ref(resource_of("Namespace"), namespace)) is None:
            continue  # reported already
        if await deployment.cluster.read(Ref(resource_of("ServiceAccount"), name, namespace)) is None:
            found.append(failure(f"The service account {name} does not exist in {namespace}.", _APPLY))
    return found or [ok("The service accounts exist.")]
