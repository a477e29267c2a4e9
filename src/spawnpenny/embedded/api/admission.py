"""LimitRange and ResourceQuota, applied as by the admission plugins of the API server."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from spawnpenny.domain.quantities import format_quantity, parse_quantity
from spawnpenny.embedded.api.defaults import requests_from_limits
from spawnpenny.embedded.api.refusals import refuse
from spawnpenny.errors import QuotaExceededError
from spawnpenny.kubernetes.errors import ClusterForbiddenError
from spawnpenny.kubernetes.kinds import KNOWN, Resource, resource_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spawnpenny.embedded.api.store import Change, Store
    from spawnpenny.kubernetes.interface import Manifest, Ref

_Amounts = dict[str, Decimal]
# A quota may name these without "count/" (k8s.io/kubernetes/pkg/quota/v1/evaluator/core).
_COUNTED: Final = frozenset({"pods", "secrets", "configmaps", "services", "persistentvolumeclaims", "resourcequotas"})
_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")
_ENDED: Final = ("Succeeded", "Failed")


class Admission:
    """Defaults and quotas of new objects, and ``status.used`` of every quota."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._quotas = resource_of("ResourceQuota")
        self._ranges = resource_of("LimitRange")

    def admit(self, ref: Ref, manifest: Manifest) -> None:
        """Fill in the defaults of the namespace's LimitRanges, then check the object against its quotas.

        Raises:
            QuotaExceededError: A quota is exceeded.
            ClusterForbiddenError: A quota needs an amount that the pod does not specify.

        """
        if ref.namespace is None:
            return
        if ref.resource.kind == "Pod":
            for limit_range in self._store.select(self._ranges, namespace=ref.namespace):
                _apply_range(limit_range.manifest, manifest["spec"])
        usage = _usage_of(ref.resource, manifest)
        for quota in self._store.select(self._quotas, namespace=ref.namespace):
            hard = _hard(quota.manifest)
            if ref.resource.kind == "Pod":
                _check_specified(ref, quota.ref.name, hard, manifest["spec"])
            self._check_fits(hard, self._used(ref.namespace, hard), usage)

    def follow(self, change: Change) -> None:
        """Update the ``status`` of the quotas after a change of an object that they count."""
        namespace = change.after.ref.namespace
        if namespace is None or not _matters(change):
            return
        for quota in self._store.select(self._quotas, namespace=namespace):
            hard = _hard(quota.manifest)
            used = self._used(namespace, hard)
            manifest = quota.copy()
            manifest["status"] = {
                "hard": {name: format_quantity(amount) for name, amount in hard.items()},
                "used": {name: format_quantity(used[name]) for name in hard},
            }
            self._store.change(quota, manifest)

    def _used(self, namespace: str, hard: Mapping[str, Decimal]) -> _Amounts:
        used = dict.fromkeys(hard, Decimal(0))
        for stored in self._store.contents(namespace):
            for name, amount in _usage_of(stored.ref.resource, stored.manifest).items():
                if name in used:
                    used[name] += amount
        return used

    def _check_fits(self, hard: _Amounts, used: _Amounts, usage: _Amounts) -> None:
        for name in sorted(hard):
            requested = usage.get(name, Decimal(0))
            if requested and used[name] + requested > hard[name]:
                raise QuotaExceededError(
                    name,
                    requested=format_quantity(requested),
                    used=format_quantity(used[name]),
                    limit=format_quantity(hard[name]),
                )


def _matters(change: Change) -> bool:
    if change.type != "MODIFIED" or change.before is None:
        return True
    kind = change.after.ref.resource.kind
    return kind == "ResourceQuota" or (
        kind == "Pod" and _ended(change.before.manifest) != _ended(change.after.manifest)
    )


def _hard(quota: Manifest) -> _Amounts:
    hard = (quota.get("spec") or {}).get("hard") or {}
    return {name: parse_quantity(amount) for name, amount in hard.items()}


def _apply_range(limit_range: Manifest, spec: Manifest) -> None:
    for limit in (limit_range.get("spec") or {}).get("limits") or ():
        if limit.get("type") != "Container":
            continue
        for container in _containers(spec):
            resources = container.setdefault("resources", {})
            defaults = limit.get("default") or {}
            requests = {**defaults, **(limit.get("defaultRequest") or {})}
            resources["requests"] = {**requests, **(resources.get("requests") or {})}
            resources["limits"] = {**defaults, **(resources.get("limits") or {})}
            requests_from_limits(container)


def _check_specified(ref: Ref, quota: str, hard: _Amounts, spec: Manifest) -> None:
    missing = {
        name
        for name in hard
        for container in _containers(spec)
        if (place := _place(name)) is not None
        and place[1] not in ((container.get("resources") or {}).get(place[0]) or {})
    }
    if missing:
        raise refuse(
            ClusterForbiddenError,
            "create",
            ref,
            f"failed quota: {quota}: must specify {','.join(sorted(missing))}",
        )


def _place(name: str) -> tuple[str, str] | None:
    """Return the part and resource of a container that a quota counts: for ``cpu``, cpu in its requests."""
    part, dot, resource = name.partition(".")
    if not dot:
        part, resource = "requests", name
    return (part, resource) if part in ("requests", "limits") and resource in _COMPUTE else None


def _usage_of(resource: Resource, manifest: Manifest) -> _Amounts:
    """Return the amounts that an object uses of a quota."""
    suffix = f".{resource.group}" if resource.group else ""
    usage = {f"count/{resource.plural}{suffix}": Decimal(1)}
    if resource.kind == "Pod" and _ended(manifest):
        return usage  # a pod that has ended uses no resources, but the object still counts
    if resource in KNOWN and resource.plural in _COUNTED:
        usage[resource.plural] = Decimal(1)
    if resource.kind == "Pod":
        usage.update(_usage_of_pod(manifest["spec"]))
    if resource.kind == "PersistentVolumeClaim":
        requests = ((manifest.get("spec") or {}).get("resources") or {}).get("requests") or {}
        usage["requests.storage"] = parse_quantity(requests.get("storage", 0))
    return usage


def _usage_of_pod(spec: Manifest) -> Iterator[tuple[str, Decimal]]:
    for part in ("requests", "limits"):
        for resource in _COMPUTE:
            running = sum((_amount(container, part, resource) for container in spec["containers"]), start=Decimal(0))
            # Init containers run one after the other before the rest, so the largest of them counts.
            initial = max(
                (_amount(container, part, resource) for container in spec.get("initContainers") or ()),
                default=Decimal(0),
            )
            amount = max(running, initial)
            yield f"{part}.{resource}", amount
            if part == "requests":
                yield resource, amount


def _amount(container: Manifest, part: str, resource: str) -> Decimal:
    resources = container.get("resources") or {}
    return parse_quantity((resources.get(part) or {}).get(resource, 0))


def _containers(spec: Manifest) -> Iterator[Manifest]:
    yield from spec.get("initContainers") or ()
    yield from spec["containers"]


def _ended(manifest: Manifest) -> bool:
    return (manifest.get("status") or {}).get("phase") in _ENDED
