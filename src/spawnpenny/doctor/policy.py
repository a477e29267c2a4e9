"""Whether the admission policies are in force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spawnpenny.cluster.kinds import Resource
from spawnpenny.cluster.port import Ref
from spawnpenny.doctor.finding import Finding, failure, ok, warning

if TYPE_CHECKING:
    from spawnpenny.doctor.deployment import Deployment

_SINCE: Final = (1, 30)
_API: Final = "admissionregistration.k8s.io/v1"
_POLICY: Final = Resource(_API, "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False)
_BINDING: Final = Resource(
    _API, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", namespaced=False
)
NAMES: Final = ("spawnpenny-service", "spawnpenny-broker")


async def check_policy(deployment: Deployment) -> list[Finding]:
    if deployment.release < _SINCE:
        told = (
            f"Kubernetes {deployment.version} has no admission policies (from 1.30 on), so that RBAC alone fences the "
            "broker's account, which can bind the tenant role in any namespace."
        )
        return [warning(told, "Use Kubernetes 1.30 or later, or know what remains.")]
    found = []
    for name in NAMES:
        for resource in (_POLICY, _BINDING):
            there = await deployment.cluster.read(Ref(resource, name))
            if there is None:
                told = f"The {resource.kind} {name} is not there."
                found.append(failure(told, "Apply the policies of the deployment's base."))
            elif resource is _BINDING and "Deny" not in (there["spec"].get("validationActions") or ()):
                told = f"The {resource.kind} {name} does not deny what the policy refuses."
                found.append(failure(told, "Set its validationActions to [Deny]."))
    return found or [ok("The admission policies are in force.")]
