"""Check that both service accounts have the rights that they need, and no other dangerous ones."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from spawnpenny.admin.doctor.access import Access, Right, RightsUnknownError
from spawnpenny.admin.doctor.finding import APPLY, Finding, failure, few, ok, unknown
from spawnpenny.admin.permissions.manifests import namespace_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from spawnpenny.admin.doctor.deployment import Deployment
    from spawnpenny.admin.permissions.grants import Grant
    from spawnpenny.admin.permissions.parts import Account

_RBAC: Final = "rbac.authorization.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"
_TAKE_AWAY: Final = (
    "Remove the role or the binding that gives these rights. `spawnpenny permissions` prints what is needed."
)

DANGEROUS: Final = (
    *(("secrets", "", verb) for verb in ("get", "list", "watch", "create", "update", "patch", "delete")),
    *(("pods", "", verb) for verb in ("list", "create", "update", "patch", "delete")),
    *((f"pods/{part}", "", verb) for part in ("exec", "attach", "portforward", "proxy") for verb in ("get", "create")),
    ("pods/ephemeralcontainers", "", "patch"),
    ("serviceaccounts/token", "", "create"),
    *(("serviceaccounts", "", verb) for verb in ("create", "impersonate")),
    *((subject, "", "impersonate") for subject in ("users", "groups")),
    *(("namespaces", "", verb) for verb in ("create", "update", "patch", "delete")),
    *(("nodes/proxy", "", verb) for verb in ("get", "create")),
    *(("nodes", "", verb) for verb in ("update", "patch")),
    *(("persistentvolumes", "", verb) for verb in ("create", "update", "patch", "delete")),
    ("persistentvolumeclaims", "", "delete"),
    *(("configmaps", "", verb) for verb in ("create", "update", "patch", "delete")),
    *(
        (resource, _RBAC, verb)
        for resource in ("roles", "clusterroles")
        for verb in ("bind", "escalate", "create", "patch")
    ),
    *(
        (resource, _RBAC, v)
        for resource in ("rolebindings", "clusterrolebindings")
        for v in ("create", "update", "patch")
    ),
    *((resource, "apps", "create") for resource in ("deployments", "daemonsets", "statefulsets")),
    *((resource, "batch", "create") for resource in ("jobs", "cronjobs")),
    *((f"{resource}webhookconfigurations", _ADMISSION, "create") for resource in ("mutating", "validating")),
    *((f"validatingadmissionpolicy{resource}", _ADMISSION, "delete") for resource in ("bindings",)),
    ("validatingadmissionpolicies", _ADMISSION, "update"),
    ("certificatesigningrequests/approval", "certificates.k8s.io", "update"),
)
"""Rights that are useful to an attacker: resource, group, verb."""


async def check_needed(deployment: Deployment) -> list[Finding]:
    """Ask for each right that the parts declare, except those in user namespaces: they belong to the tenant role."""
    access, found = Access(deployment.cluster), []
    for account, (namespace, name) in deployment.accounts.items():
        needed = set(_needed(deployment, account))
        try:
            missing = needed - await access.allowed((namespace, name), needed)
        except RightsUnknownError as error:
            found.append(unknown(str(error)))
            continue
        for space, rights in _by_namespace(missing).items():
            message = f"The account {name} of {namespace} lacks rights {_where(space)}: {_listed(rights)}."
            found.append(failure(message, APPLY))
    return found or [ok("The accounts have the rights that they need.")]


async def check_excess(deployment: Deployment) -> list[Finding]:
    """Ask for the dangerous rights that no part declares."""
    access, found = Access(deployment.cluster), []
    for account, (namespace, name) in deployment.accounts.items():
        grants = [grant for grant in deployment.grants if grant.account == account]
        dangerous = [right for right in _dangerous(deployment) if not _granted(deployment, grants, right)]
        try:
            excess = await access.allowed((namespace, name), dangerous)
        except RightsUnknownError as error:
            found.append(unknown(str(error)))
            continue
        everywhere = {(right.verb, right.resource) for right in excess if right.namespace is None}
        shown = {right for right in excess if right.namespace is None or (right.verb, right.resource) not in everywhere}
        for space, rights in _by_namespace(shown).items():
            message = f"The account {name} of {namespace} has rights {_where(space)} that it does not need"
            found.append(failure(f"{message}: {_listed(rights)}.", _TAKE_AWAY))
    return found or [ok("No account has a dangerous right that it does not need.")]


def _needed(deployment: Deployment, account: Account) -> Iterator[Right]:
    for grant in deployment.grants:
        resource = grant.permission.resource
        if grant.account != account or grant.zone == "tenant" or resource is None:
            continue
        namespace = namespace_of(grant.zone, deployment.settings)
        for verb in grant.permission.verbs:
            for name in grant.permission.names or ("",):
                yield Right(verb, resource.plural, resource.group, namespace, name)


def _dangerous(deployment: Deployment) -> Iterator[Right]:
    for namespace in (None, "kube-system", *deployment.namespaces):
        for resource, group, verb in DANGEROUS:
            yield Right(verb, resource, group, namespace)


def _granted(deployment: Deployment, grants: Iterable[Grant], right: Right) -> bool:
    return any(
        grant.permission.resource is not None
        and (grant.permission.resource.plural, grant.permission.resource.group) == (right.resource, right.group)
        and right.verb in grant.permission.verbs
        and not grant.permission.names
        and (grant.zone == "cluster" or namespace_of(grant.zone, deployment.settings) == (right.namespace or ""))
        for grant in grants
    )


def _by_namespace(rights: Iterable[Right]) -> dict[str | None, list[Right]]:
    found: dict[str | None, list[Right]] = defaultdict(list)
    for right in sorted(rights, key=lambda right: (right.namespace or "", right.resource, right.verb)):
        found[right.namespace].append(right)
    return found


def _listed(rights: list[Right]) -> str:
    return few([str(right) for right in rights])


def _where(namespace: str | None) -> str:
    return "in all namespaces" if namespace is None else f"in {namespace}"
