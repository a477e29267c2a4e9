"""The forms of names, labels and keys in Kubernetes (RFC 1123, and k8s.io/apimachinery's ``validation``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spawnpenny.embedded.api.rules.fault import Fault

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
DNS_LABEL: Final = re.compile(_LABEL, re.ASCII)
DNS_SUBDOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*", re.ASCII)
LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
QUALIFIED_NAME: Final = re.compile(
    rf"({_LABEL}(\.{_LABEL})*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?", re.ASCII
)
KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)
ENV_NAME: Final = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*", re.ASCII)
PORT_NAME: Final = re.compile(r"(?=.{1,15}\Z)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_ANNOTATIONS_SIZE: Final = 256 * 1024


def faults_of_labels(labels: Mapping[str, Any], path: str) -> Iterator[Fault]:
    for name, value in labels.items():
        if not QUALIFIED_NAME.fullmatch(name):
            yield Fault(path, f"{name!r} is not a valid name", name)
        if not isinstance(value, str) or not LABEL_VALUE.fullmatch(value):
            yield Fault(path, f"the value of {name} is not valid: {value!r} (at most 63 of A-Z a-z 0-9 - _ .)", name)


def faults_of_annotations(annotations: Mapping[str, Any], path: str) -> Iterator[Fault]:
    size = 0
    for name, value in annotations.items():
        size += len(name.encode()) + len(str(value).encode())
        if not QUALIFIED_NAME.fullmatch(name):
            yield Fault(path, f"{name!r} is not a valid name", name)
        if not isinstance(value, str):
            yield Fault(path, f"the value of {name} is not a string", name)
    if size > _ANNOTATIONS_SIZE:
        yield Fault(path, f"all together have {size} bytes; at most {_ANNOTATIONS_SIZE} are allowed")


def faults_of_keys(manifest: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults in the data of a Secret or ConfigMap."""
    for part in ("data", "binaryData", "stringData"):
        for key, value in (manifest.get(part) or {}).items():
            if not KEY.fullmatch(key) or key in (".", "..") or key.startswith("../"):
                yield Fault(part, f"{key!r} is not a valid key (letters, digits, '-', '_' and '.')", key)
            if not isinstance(value, str):
                yield Fault(part, f"the value of {key!r} is not a string", key)
