"""The environment variables of a container, and the expansion of ``$(NAME)``.

Nothing comes from the service's own environment, which may hold secrets.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from spawnpenny.embedded.node.sources import MissingSourceError, Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spawnpenny.kubernetes.interface import Manifest

_REFERENCE: Final = re.compile(r"\$\$|\$\(([^)$]+)\)")
_FROM_METADATA: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value and ``$$`` by ``$``; unknown names stay as they are."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return values.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)


def variables(container: Manifest, pod: Manifest, sources: Sources) -> dict[str, str]:
    """Return the variables of ``envFrom`` and ``env``: later ones win, and those of ``env`` win over ``envFrom``.

    Raises:
        MissingSourceError: A source does not exist.

    """
    values: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        values.update(_all_of(source, sources))
    for entry in container.get("env") or ():
        value = _value(entry, pod, sources, values)
        if value is not None:
            values[entry["name"]] = value
    return values


def _all_of(source: Manifest, sources: Sources) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for field, kind in (("secretRef", "secret"), ("configMapRef", "configmap")):
        if (ref := source.get(field)) is not None:
            items = sources.items(kind, ref["name"], optional=bool(ref.get("optional")))
            return {prefix + key: value.decode(errors="replace") for key, value in items.items()}
    raise MissingSourceError("envFrom: the embedded cluster knows secretRef and configMapRef")


def _value(entry: Manifest, pod: Manifest, sources: Sources, known: Mapping[str, str]) -> str | None:
    origin = entry.get("valueFrom")
    if origin is None:
        return expand(str(entry.get("value") or ""), known)
    if (field := origin.get("fieldRef")) is not None:
        return _field(pod, field["fieldPath"])
    for name, kind in (("secretKeyRef", "secret"), ("configMapKeyRef", "configmap")):
        if (ref := origin.get(name)) is not None:
            value = sources.item(kind, ref["name"], ref["key"], optional=bool(ref.get("optional")))
            return None if value is None else value.decode(errors="replace")
    raise MissingSourceError(f"env {entry['name']}: the embedded cluster does not know {', '.join(sorted(origin))}")


def _field(pod: Manifest, path: str) -> str:
    metadata, status = pod["metadata"], pod.get("status") or {}
    simple = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
    }
    if path in simple:
        return str(simple[path])
    if (match := _FROM_METADATA.fullmatch(path)) is not None:
        return str((metadata.get(match[1]) or {}).get(match[2], ""))
    raise MissingSourceError(f"fieldRef: the embedded cluster does not know {path}")
