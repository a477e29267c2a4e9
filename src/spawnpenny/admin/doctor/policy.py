"""Compare the admission policies in the cluster, the fence, with those of the settings, rule by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spawnpenny.admin.doctor.finding import APPLY, Finding, failure, ok, unknown, warning
from spawnpenny.admin.permissions.fence import BINDING, POLICY, make_fence
from spawnpenny.admin.permissions.fence_comparison import fence_additions, fence_differences
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import Resource

if TYPE_CHECKING:
    from spawnpenny.admin.doctor.deployment import Deployment
    from spawnpenny.kubernetes.interface import Manifest

_SINCE: Final = (1, 30)
_API: Final = "admissionregistration.k8s.io/v1"
_RESOURCES: Final = {
    POLICY: Resource(_API, POLICY, "validatingadmissionpolicies", namespaced=False),
    BINDING: Resource(_API, BINDING, "validatingadmissionpolicybindings", namespaced=False),
}
_OF_ORDERS: Final = frozenset({"opened", "hostPaths"})
"""Variables of the broker's policy that depend on the site's orders."""


async def check_policy(deployment: Deployment) -> list[Finding]:
    """Compare both policies and their bindings with those of the settings."""
    if deployment.release < _SINCE:
        message = (
            f"Kubernetes {deployment.version} has no admission policies (they need 1.30). RBAC alone limits the "
            "broker's account, which can bind the tenant role in any namespace."
        )
        return [warning(message, "Use Kubernetes 1.30 or later, or accept the risk (docs/explanation/policy.md).")]
    if not deployment.settings.broker.separate:
        return [ok("No fence is needed: the service is its own broker (broker.separate is false).")]
    found = []
    for desired in make_fence(deployment.settings, deployment.orders):
        found += await _compare(deployment, desired)
    if not any(finding.level == "failure" for finding in found):
        found.append(ok("The admission policies (the fence) are those of the settings."))
    return found


async def _compare(deployment: Deployment, desired: Manifest) -> list[Finding]:
    kind, name = desired["kind"], desired["metadata"]["name"]
    existing = await deployment.cluster.read(Ref(_RESOURCES[kind], name))
    if existing is None:
        return [failure(f"The {kind} {name} does not exist.", APPLY)]
    found = []
    if deployment.orders is None and kind == POLICY and name.endswith("-broker"):
        desired = _with_orders_of(desired, existing)
        message = "What the fence opens for the site's orders cannot be checked: only the broker has the orders."
        found.append(unknown(message, "Run doctor with --overlay."))
    found += [failure(difference, APPLY) for difference in fence_differences(existing, desired)]
    found += [warning(addition, "Check whether it is intended.") for addition in fence_additions(existing, desired)]
    if (existing.get("status") or {}).get("typeChecking", {}).get("expressionWarnings"):
        message = f"The API server warns about expressions of the {kind} {name}."
        found.append(warning(message, f"Read the warnings under status: kubectl get {kind.lower()} {name} -o yaml"))
    return found


def _with_orders_of(desired: Manifest, existing: Manifest) -> Manifest:
    """Return the desired policy with the existing values of the variables that depend on the unknown orders."""
    given = {
        variable["name"]: variable
        for variable in existing["spec"].get("variables") or ()
        if variable["name"] in _OF_ORDERS
    }
    variables = [given.get(variable["name"], variable) for variable in desired["spec"]["variables"]]
    return {**desired, "spec": {**desired["spec"], "variables": variables}}
