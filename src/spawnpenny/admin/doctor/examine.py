"""Run all checks at the same time, each with a time limit; a failing check does not stop the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from spawnpenny.admin.doctor import (
    broker,
    installation,
    kubernetes,
    pod_security,
    policy,
    rehearsal,
    replicas,
    rights,
    service,
    tenants,
)
from spawnpenny.admin.doctor.deployment import Deployment
from spawnpenny.admin.doctor.finding import Finding, failure, unknown
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import ClusterForbiddenError

if TYPE_CHECKING:
    from spawnpenny.broker.orders import Orders
    from spawnpenny.kubernetes.client import KubernetesCluster
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings

Check = Callable[[Deployment], Awaitable[list[Finding]]]
CHECKS: Final[Mapping[str, Check]] = {
    "kubernetes": kubernetes.check_version,
    "clock": kubernetes.check_clock,
    "namespaces": installation.check_namespaces,
    "accounts": installation.check_accounts,
    "rights": rights.check_needed,
    "excess": rights.check_excess,
    "role": tenants.check_role,
    "bindings": tenants.check_bindings,
    "pod-security": pod_security.check_pod_security,
    "policy": policy.check_policy,
    "broker": broker.check_broker,
    "broker-status": broker.check_broker_status,
    "replicas": replicas.check_replicas,
    "records": replicas.check_records,
    "service": service.check_service,
    "rehearsal": rehearsal.check_rehearsal,
}
_PATIENCE: Final = 60.0
_HALF: Final = 0.5  # a Date header has whole seconds: on average, it is half of one later


async def examine(
    settings: Settings,
    plugins: Plugins,
    cluster: KubernetesCluster,
    *,
    url: str | None = None,
    orders: Orders | None = None,
    patience: float = _PATIENCE,
) -> list[Finding]:
    """Run all checks, and return their findings in the order of ``CHECKS``."""
    began = datetime.now(UTC)
    try:
        about = await cluster.about()
    except SpawnpennyError as error:
        do = (
            "Check the address and the credentials in the kubeconfig, and that the API server can be reached from here."
        )
        return [replace(failure(error.message, do), check="kubernetes")]
    behind = None
    if about.date is not None:
        midway = began + (datetime.now(UTC) - began) / 2
        behind = (parsedate_to_datetime(about.date) - midway).total_seconds() + _HALF
    deployment = Deployment(settings, plugins, cluster, about.version, behind, url, orders)
    found = await asyncio.gather(*(_run(name, check, deployment, patience) for name, check in CHECKS.items()))
    return [finding for findings in found for finding in findings]


async def _run(name: str, check: Check, deployment: Deployment, patience: float) -> list[Finding]:
    try:
        async with asyncio.timeout(patience):
            found = await check(deployment)
    except TimeoutError:
        found = [failure(f"The check did not end within {patience:g} s.", "Try again later.")]
    except ClusterForbiddenError as error:
        found = [unknown(error.message)]
    except SpawnpennyError as error:
        found = [failure(error.message, "Make the same request with kubectl, and read the cluster's answer.")]
    except Exception as error:  # noqa: BLE001 - the findings of the other checks are still of use
        message = f"The check itself failed ({type(error).__name__})."
        found = [unknown(message, "This is an error in spawnpenny. Please report it to its developers.")]
    return [replace(finding, check=name) for finding in found]
