"""The Kubernetes kinds that spawnpenny knows, and how others are named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind as the Kubernetes API serves it: ``Resource("ricoberger.de/v1alpha1", "VaultSecret", "vaultsecrets")``."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

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
    Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    Resource("coordination.k8s.io/v1", "Lease", "leases"),
)
_BY_KIND: Final = {resource.kind: resource for resource in KNOWN}
_BY_PLURAL: Final = {resource.plural: resource for resource in KNOWN}


def by_kind(kind: str) -> Resource:
    """Return the resource of a kind such as ``ConfigMap``.

    Raises:
        ValueError: Not one of the kinds above.

    """
    return _find(kind, _BY_KIND)


def by_plural(plural: str) -> Resource:
    """Return the resource of a plural such as ``configmaps``.

    Raises:
        ValueError: Not one of the kinds above.

    """
    return _find(plural, _BY_PLURAL)


def _find(name: str, table: dict[str, Resource]) -> Resource:
    try:
        return table[name]
    except KeyError:
        raise ValueError(
            f"{name!r} is not a kind that spawnpenny knows: pass Resource(api_version, kind, plural) instead"
        ) from None
