"""Rules for a pod: volumes, placement, names (k8s.io/kubernetes ``ValidatePodSpec``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

from spawnpenny.embedded.api.rules.containers import faults_of_container
from spawnpenny.embedded.api.rules.fault import Fault
from spawnpenny.embedded.api.rules.names import DNS_LABEL, DNS_SUBDOMAIN, faults_of_labels
from spawnpenny.embedded.api.rules.volumes import faults_of_volume

_POLICIES: Final = ("Always", "OnFailure", "Never")
_DNS_POLICIES: Final = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_OPERATORS: Final = ("Exists", "Equal", "Lt", "Gt")
_EFFECTS: Final = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")
_NAMED: Final = ("serviceAccountName", "priorityClassName", "runtimeClassName", "schedulerName")
_MATCHES: Final = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")


def faults_of_pod(spec: Mapping[str, Any]) -> Iterator[Fault]:
    if not spec.get("containers"):
        yield Fault("spec.containers", "is missing")
    yield from _one_of(spec, "restartPolicy", _POLICIES)
    yield from _one_of(spec, "dnsPolicy", _DNS_POLICIES)
    if spec.get("dnsPolicy") == "None" and not (spec.get("dnsConfig") or {}).get("nameservers"):
        yield Fault("spec.dnsPolicy", "None needs nameservers in dnsConfig", "dnsPolicy")
    yield from _numbers(spec)
    for key in _NAMED:
        name = spec.get(key)
        if name and not (isinstance(name, str) and DNS_SUBDOMAIN.fullmatch(name)):
            yield Fault(f"spec.{key}", f"{name!r} is not a valid name", str(name))
    for key in ("hostname", "subdomain"):
        name = spec.get(key)
        if name and not (isinstance(name, str) and DNS_LABEL.fullmatch(name)):
            yield Fault(f"spec.{key}", f"{name!r} is not a valid name (at most 63 of a-z 0-9 -)", str(name))
    yield from faults_of_labels(spec.get("nodeSelector") or {}, "spec.nodeSelector")
    yield from _tolerations(spec.get("tolerations") or ())
    yield from _affinity(spec.get("affinity") or {})
    yield from _host_aliases(spec.get("hostAliases") or ())
    yield from _volumes(spec.get("volumes") or ())
    yield from _containers(spec)


def _one_of(spec: Mapping[str, Any], key: str, known: Sequence[str]) -> Iterator[Fault]:
    if key in spec and spec[key] not in known:
        yield Fault(f"spec.{key}", f"is not one of {', '.join(known)}", str(spec[key]))


def _numbers(spec: Mapping[str, Any]) -> Iterator[Fault]:
    grace = spec.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and grace < 0:
        yield Fault("spec.terminationGracePeriodSeconds", "is negative", "terminationGracePeriodSeconds")
    active = spec.get("activeDeadlineSeconds")
    if isinstance(active, int) and active < 1:
        yield Fault("spec.activeDeadlineSeconds", "has to be at least 1", "activeDeadlineSeconds")


def _tolerations(tolerations: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    for toleration in tolerations:
        key, operator = toleration.get("key") or "", toleration.get("operator") or "Equal"
        if operator not in _OPERATORS:
            yield Fault("spec.tolerations", f"the operator {operator!r} is not Exists or Equal", str(operator))
        if toleration.get("effect", "") not in _EFFECTS:
            yield Fault(
                "spec.tolerations",
                f"the effect {toleration['effect']!r} is not one of {_EFFECTS[1:]}",
                toleration["effect"],
            )
        if not key and operator != "Exists":
            yield Fault("spec.tolerations", "a toleration without key needs the operator Exists", "operator")
        if operator == "Exists" and toleration.get("value"):
            yield Fault("spec.tolerations", f"{key} has a value beside the operator Exists", key)
        if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
            yield Fault("spec.tolerations", f"{key} has tolerationSeconds without the effect NoExecute", key)


def _affinity(affinity: Mapping[str, Any]) -> Iterator[Fault]:
    node = affinity.get("nodeAffinity") or {}
    required = (node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    preferred = node.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    for term in (*required, *(weighted.get("preference") or {} for weighted in preferred)):
        for match in term.get("matchExpressions") or ():
            yield from _match(match)
    for weighted in preferred:
        yield from _weight(weighted, "preference", "spec.affinity.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        preferred = terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        for weighted in preferred:
            yield from _weight(weighted, "podAffinityTerm", f"spec.affinity.{kind}")
        for term in (
            *(terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ()),
            *(weighted.get("podAffinityTerm") or {} for weighted in preferred),
        ):
            if not term.get("topologyKey"):
                yield Fault(f"spec.affinity.{kind}", "a term has no topologyKey", kind)


def _match(match: Mapping[str, Any]) -> Iterator[Fault]:
    path, key, operator = "spec.affinity.nodeAffinity", match.get("key") or "", match.get("operator")
    if operator not in _MATCHES:
        yield Fault(path, f"the operator {operator!r} of {key!r} is not one of {', '.join(_MATCHES)}", str(operator))
    if operator in {"In", "NotIn"} and not match.get("values"):
        yield Fault(path, f"{key!r} needs values with the operator {operator}", key)
    if operator in {"Exists", "DoesNotExist"} and match.get("values"):
        yield Fault(path, f"{key!r} can have no values with the operator {operator}", key)


def _weight(preferred: Mapping[str, Any], inner: str, path: str) -> Iterator[Fault]:
    weight = preferred.get("weight")
    if not (isinstance(weight, int) and 1 <= weight <= 100):  # noqa: PLR2004 - the range of Kubernetes
        yield Fault(path, f"the weight {weight!r} is not from 1 to 100", "weight")
    if not preferred.get(inner):
        yield Fault(path, f"a preferred term has no {inner}", "weight")


def _host_aliases(aliases: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    for alias in aliases:
        try:
            ip_address(str(alias.get("ip", "")))
        except ValueError:
            yield Fault("spec.hostAliases", f"{alias.get('ip')!r} is not an IP address", str(alias.get("ip")))


def _volumes(volumes: Sequence[Mapping[str, Any]]) -> Iterator[Fault]:
    names = Counter(str(volume.get("name", "")) for volume in volumes)
    for name, count in names.items():
        if count > 1:
            yield Fault("spec.volumes", f"two have the name {name!r}", name)
    for volume in volumes:
        yield from faults_of_volume(volume)


def _containers(spec: Mapping[str, Any]) -> Iterator[Fault]:
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    names: set[str] = set()
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            name = str(container.get("name", ""))
            if name in names:
                yield Fault("spec.containers", f"two have the name {name!r}", name)
            names.add(name)
            yield from faults_of_container(container, volumes, init=kind == "initContainers")
