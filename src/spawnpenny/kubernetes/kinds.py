"""The Kubernetes kinds that spawnpenny knows, and names for others."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as the Kubernetes API serves it: ``Resource("ricoberger.de/v1alpha1", "VaultSecret", "vaultsecrets")``."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True
    stored: bool = True
    """False for a question, such as a SubjectAccessReview: a create is answered, and nothing is stored."""

    @property
    def group(self) -> str:
        """The API group, empty for the core group."""
        return self.api_version.rpartition("/")[0]


KNOWN: Final = (
    Resource("v1", "Namespace", "namespaces", namespaced=False),
    Resource("v1", "Pod", "pods"),
    Resource("v1", "Secret", "secrets"),
    Resource("v1", "ConfigMap", "configmaps"),
    Resource("v1", "Service", "services"),
    Resource("v1", "ServiceAccount", "serviceaccounts"),
    Resource("v1", "Event", "events"),
    Resource("v1", "ResourceQuota", "resourcequotas"),
    Resource("v1", "LimitRange", "limitranges"),
    Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    Resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False),
    Resource("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False),
    Resource("rbac.authorization.k8s.io/v1", "Role", "roles"),
    Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    Resource("coordination.k8s.io/v1", "Lease", "leases"),
)
_BY_NAME: Final = {name: resource for resource in KNOWN for name in (resource.kind, resource.plural)}


def resource_of(name: str) -> Resource:
    """Return the resource of a kind such as ``ConfigMap``, or of its plural, ``configmaps``.

    Raises:
        ValueError: Not one of the kinds above.

    """
    try:
        return _BY_NAME[name]
    except KeyError:
        nearest = difflib.get_close_matches(name, _BY_NAME, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else "pass Resource(api_version, kind, plural) instead"
        raise ValueError(f"{name!r} is not a kind that spawnpenny knows: {hint}") from None
