"""Check that a broker leads, and that it has the same settings as the service."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spawnpenny.admin.doctor.finding import Finding, failure, ok
from spawnpenny.broker.leader import lease_ref
from spawnpenny.broker.namespaces import namespace_hash
from spawnpenny.broker.status import BrokerStatus, status_ref

if TYPE_CHECKING:
    from spawnpenny.admin.doctor.deployment import Deployment

_CLOCKS: Final = timedelta(seconds=5)
_START: Final = "Check that the pods of the broker run, and read their logs."


async def check_broker(deployment: Deployment) -> list[Finding]:
    """Check that the Lease of the brokers has a holder that renews it."""
    if not deployment.settings.broker.separate:
        return [ok("The service is its own broker (broker.separate is false).")]
    space = deployment.settings.namespaces.broker
    lease = await deployment.cluster.read(lease_ref(deployment.settings))
    if lease is None:
        return [failure(f"No broker has ever been the leader: {space} has no Lease of a broker.", _START)]
    if not lease["spec"].get("holderIdentity"):
        return [failure("No broker is the leader: the last one has released its Lease.", _START)]
    age = deployment.age(lease)
    lasts = timedelta(seconds=lease["spec"].get("leaseDurationSeconds") or 0)
    if age is None or age > lasts + _CLOCKS:
        since = f" for {age.total_seconds():.0f} s" if age is not None else ""
        message = (
            f"No broker is the leader: the Lease in {space} was not renewed{since}. It is valid for "
            f"{lasts.total_seconds():.0f} s."
        )
        return [failure(message, _START)]
    return [ok("A broker is the leader.")]


async def check_broker_status(deployment: Deployment) -> list[Finding]:
    """Compare the settings that the broker publishes with these settings."""
    if not deployment.settings.broker.separate:
        return [ok("The service is its own broker (broker.separate is false).")]
    state = deployment.settings.namespaces.state
    broker_status = BrokerStatus.read(await deployment.cluster.read(status_ref(state)))
    if broker_status is None:
        return [failure(f"The broker has not published its settings yet: {state} has no status of it.", _START)]
    if broker_status.namespace != namespace_hash(deployment.settings.broker):
        return [
            failure(
                "The broker makes namespaces with other settings than these.",
                "Give both the same broker.role, broker.account, broker.account_namespace, broker.pod_security, "
                "broker.labels and broker.annotations.",
            )
        ]
    return [ok("The broker makes namespaces with the same settings.")]
