"""Capabilities of containers that may be root: which they get, and which their programs are likely to need.

Root without capabilities may do little: it cannot even change the owner of a file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.pods.security_standards import BASELINE_CAPABILITIES, containers
from spawnpenny.pipeline.pod_openings import CAPABILITY

_FILES: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
_SUDO: Final = (*_FILES, "AUDIT_WRITE", "KILL", "SETGID", "SETUID")
_PROGRAMS: Final = {
    r"chown|chgrp": ("CHOWN",),
    r"(chown|chgrp)\s+(\S+\s+)*?(-\w*R\w*|--recursive)": ("CHOWN", "DAC_OVERRIDE"),
    r"chmod|setfacl": ("FOWNER",),
    r"mkdir|mv|rm|ln|touch|tee|git": ("DAC_OVERRIDE",),
    r"cp|install|rsync|tar|usermod|groupmod|useradd|adduser|groupadd": _FILES,
    r"su|gosu|su-exec|runuser|setpriv": ("SETGID", "SETUID"),
    r"sudo|start\.sh|start-notebook\.\w+|start-singleuser\.\w+": _SUDO,
}
"""What programs need of their capabilities, of those that the level ``baseline`` takes."""
_WORD: Final = r"(?<![\w.-])(?:{})(?![\w.-])"


def hardened_container(
    container: Mapping[str, Any],
    *,
    of_pod: Mapping[str, Any],
    allowed: Collection[str],
    escalation: bool | None = False,
) -> Manifest:
    """Return a container with a hardened security context, where it does not say otherwise.

    All capabilities are dropped. A container that may be root and names none gets those of ``baseline`` that
    ``pods.allow`` opens by name, or the usual ones of the container runtime where it opens ``capabilities``.

    Args:
        container: The container.
        of_pod: The pod's security context.
        allowed: The setting ``pods.allow``.
        escalation: ``allowPrivilegeEscalation`` of a container that says nothing of it; None for Kubernetes' own.

    """
    own: dict[str, Any] = container.get("securityContext") or {}
    if escalation is False and own.get("privileged"):
        escalation = None  # Kubernetes takes no privileged container that says false
    context: Manifest = {"capabilities": {"drop": ["ALL"]}}
    if escalation is not None:
        context["allowPrivilegeEscalation"] = escalation
    context |= own
    if own.get("capabilities"):
        context["capabilities"] = {"drop": ["ALL"], **_spelt(own["capabilities"])}
    elif may_be_root(context, of_pod):
        context["capabilities"] = opened_capabilities(allowed)
    if not context["capabilities"]:
        del context["capabilities"]
    if context.get("runAsUser") == 0:
        context.setdefault("runAsNonRoot", False)  # the pod says true, with which Kubernetes starts nothing as root
    return {**container, "securityContext": context}


def opened_capabilities(allowed: Collection[str]) -> Manifest:
    """Return the capabilities of a container that may be root and names none."""
    if "capabilities" in allowed:
        return {}
    added = [name for name in BASELINE_CAPABILITIES if f"{CAPABILITY}{name}" in allowed]
    return {"drop": ["ALL"], **({"add": added} if added else {})}


def may_be_root(own: Mapping[str, Any], of_pod: Mapping[str, Any]) -> bool:
    """Return whether a container starts as root, or its programs can become it."""
    uid = own.get("runAsUser", of_pod.get("runAsUser"))
    non_root = own.get("runAsNonRoot", of_pod.get("runAsNonRoot"))
    return uid == 0 or (uid is None and non_root is not True) or own.get("allowPrivilegeEscalation") is not False


def likely_capabilities(pod: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the capabilities that containers lack to do as root what their commands say, and why.

    It is a guess by the names of programs; a root container without a command runs what its image runs.
    """
    of_pod: dict[str, Any] = pod["spec"].get("securityContext") or {}
    for container in containers(pod["spec"]):
        own: dict[str, Any] = container.get("securityContext") or {}
        capabilities = own.get("capabilities") or {}
        if own.get("privileged") or capabilities.get("add") or "ALL" not in (capabilities.get("drop") or ()):
            continue
        if may_be_root(own, of_pod):
            names = _likely(container)
            what = f"the Linux capabilit{'y' if len(names) == 1 else 'ies'} {', '.join(names)}"
            yield from ((name, f"the container {container['name']} is likely to need {what} as root") for name in names)


def _likely(container: Mapping[str, Any]) -> list[str]:
    variables = {variable.get("name"): variable.get("value") for variable in container.get("env") or ()}
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    if not words or {"GRANT_SUDO", "NB_UID", "CHOWN_HOME"} & variables.keys():
        return sorted(_SUDO)
    text = " ".join(map(str, words)).replace("/", " ")
    found = {name for pattern, names in _PROGRAMS.items() if re.search(_WORD.format(pattern), text) for name in names}
    return sorted(found)


def _spelt(capabilities: Mapping[str, Any]) -> Manifest:
    """Return capabilities as Kubernetes spells them: ``CHOWN`` and not ``CAP_CHOWN``."""
    return {
        key: [str(name).upper().removeprefix("CAP_") for name in names or ()] for key, names in capabilities.items()
    }
