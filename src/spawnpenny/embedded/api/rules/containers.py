"""Rules for a container (k8s.io/kubernetes ``validateContainers``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from spawnpenny.embedded.api.rules.fault import Fault
from spawnpenny.embedded.api.rules.names import DNS_LABEL, DNS_SUBDOMAIN, ENV_NAME, PORT_NAME
from spawnpenny.embedded.api.rules.resources import faults_of_resources

_PATH: Final = "spec.containers"
_PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES: Final = ("File", "FallbackToLogsOnError")
_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_PROPAGATIONS: Final = ("None", "HostToContainer", "Bidirectional")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_SECONDS: Final = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_HIGHEST_PORT: Final = 65535


def faults_of_container(container: Mapping[str, Any], volumes: Collection[Any], *, init: bool) -> Iterator[Fault]:
    name = str(container.get("name", ""))
    if not DNS_LABEL.fullmatch(name):
        yield Fault(_PATH, f"{name!r} is not a valid name", name)
    image = container.get("image")
    if not image:
        yield Fault(_PATH, f"{name} has no image", name)
    elif str(image) != str(image).strip():
        yield Fault(_PATH, f"the image {image!r} of {name} begins or ends with a space", str(image))
    yield from _one_of(container, "imagePullPolicy", _PULL_POLICIES)
    yield from _one_of(container, "terminationMessagePolicy", _MESSAGE_POLICIES)
    yield from faults_of_mounts(container, volumes)
    yield from _env(container)
    yield from _ports(container)
    yield from _probes(container, init=init and container.get("restartPolicy") != "Always")
    yield from _security(container)
    yield from faults_of_resources(container)


def faults_of_mounts(container: Mapping[str, Any], volumes: Collection[Any]) -> Iterator[Fault]:
    name, paths = container.get("name", ""), Counter[str]()
    for mount in container.get("volumeMounts") or ():
        volume = str(mount.get("name"))
        if mount.get("name") not in volumes:
            yield Fault(_PATH, f"{name} mounts {mount.get('name')!r}, which is not a volume of the pod", volume)
        if not mount.get("mountPath"):
            yield Fault(_PATH, f"{name} has a mount without mountPath", volume)
        yield from _inside(container, mount)
        paths[str(mount.get("mountPath"))] += 1
    for path, count in paths.items():
        if count > 1:
            yield Fault(_PATH, f"{name} mounts two volumes at {path}", path)


def _inside(container: Mapping[str, Any], mount: Mapping[str, Any]) -> Iterator[Fault]:
    if mount.get("subPath") and not is_inside(mount["subPath"]):
        yield Fault(_PATH, f"the subPath {mount['subPath']!r} leaves its volume", mount["subPath"])
    if mount.get("subPath") and mount.get("subPathExpr"):
        yield Fault(_PATH, f"{container.get('name')} has a mount with subPath and subPathExpr", "subPathExpr")
    if mount.get("mountPropagation") not in (None, *_PROPAGATIONS):
        yield Fault(_PATH, f"mountPropagation is not one of {', '.join(_PROPAGATIONS)}", "mountPropagation")


def is_inside(path: str) -> bool:
    """Return whether a relative path stays within its folder."""
    parts = PurePosixPath(path)
    return bool(path) and not parts.is_absolute() and ".." not in parts.parts


def _one_of(container: Mapping[str, Any], key: str, known: Sequence[str]) -> Iterator[Fault]:
    value = container.get(key)
    if value and value not in known:
        yield Fault(_PATH, f"{key} of {container.get('name')} is not one of {', '.join(known)}", str(value))


def _env(container: Mapping[str, Any]) -> Iterator[Fault]:
    name = container.get("name", "")
    for variable in container.get("env") or ():
        key, source = str(variable.get("name", "")), variable.get("valueFrom")
        if not ENV_NAME.fullmatch(key) or key in {".", ".."}:
            yield Fault(_PATH, f"{key!r} in the env of {name} is not a valid name of a variable", key)
        if source is not None and variable.get("value"):
            yield Fault(_PATH, f"the variable {key} of {name} has a value and valueFrom", key)
        if isinstance(source, Mapping) and sum(bool(source.get(kind)) for kind in _SOURCES) != 1:
            yield Fault(_PATH, f"valueFrom of the variable {key} of {name} needs one of {', '.join(_SOURCES)}", key)
    for origin in container.get("envFrom") or ():
        refs = [origin[key] for key in ("secretRef", "configMapRef") if origin.get(key)]
        if len(refs) != 1 or not DNS_SUBDOMAIN.fullmatch(str(refs[0].get("name") or "")):
            yield Fault(_PATH, f"envFrom of {name} needs one secretRef or configMapRef with a valid name", "envFrom")


def _ports(container: Mapping[str, Any]) -> Iterator[Fault]:
    name, names = container.get("name", ""), Counter[str]()
    for port in container.get("ports") or ():
        number = port.get("containerPort")
        if not (isinstance(number, int) and 0 < number <= _HIGHEST_PORT):
            yield Fault(_PATH, f"the containerPort {number!r} of {name} is not from 1 to 65535", str(number))
        if port.get("protocol", "TCP") not in _PROTOCOLS:
            yield Fault(_PATH, f"a protocol of {name} is not one of {', '.join(_PROTOCOLS)}", str(port["protocol"]))
        if label := port.get("name"):
            names[label] += 1
            if not PORT_NAME.fullmatch(str(label)):
                yield Fault(_PATH, f"{label!r} is not a valid name of a port (at most 15 of a-z 0-9 -)", str(label))
    for label, count in names.items():
        if count > 1:
            yield Fault(_PATH, f"{name} has two ports named {label!r}", label)


def _probes(container: Mapping[str, Any], *, init: bool) -> Iterator[Fault]:
    name, lifecycle = container.get("name", ""), container.get("lifecycle") or {}
    probes = {key: container[key] for key in _PROBES if container.get(key)}
    hooks = {key: lifecycle[key] for key in ("postStart", "preStop") if lifecycle.get(key)}
    if init and (probes or hooks):
        yield Fault(_PATH, f"{name} is an init container, which cannot have {', '.join((*probes, *hooks))}", name)
    for key, handler in {**probes, **hooks}.items():
        actions = [action for action in _HANDLERS if handler.get(action) is not None]
        if len(actions) != 1:
            yield Fault(
                _PATH, f"{key} of {name} needs one action ({', '.join(_HANDLERS[:3])}), not {len(actions)}", key
            )
    for key, probe in probes.items():
        for field in _SECONDS:
            if isinstance(probe.get(field), int) and probe[field] < 0:
                yield Fault(_PATH, f"{key} of {name} has a negative {field}", key)
        if key != "readinessProbe" and probe.get("successThreshold", 1) != 1:
            yield Fault(_PATH, f"{key} of {name} needs a successThreshold of 1", key)


def _security(container: Mapping[str, Any]) -> Iterator[Fault]:
    name, context = container.get("name", ""), container.get("securityContext") or {}
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            yield Fault(_PATH, f"{name} cannot be privileged while allowPrivilegeEscalation is false", "privileged")
        added = (context.get("capabilities") or {}).get("add") or ()
        if {"SYS_ADMIN", "CAP_SYS_ADMIN"} & set(added):
            yield Fault(_PATH, f"{name} cannot have SYS_ADMIN while allowPrivilegeEscalation is false", "SYS_ADMIN")
