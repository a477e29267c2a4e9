"""The security contexts of a lab's pod: the user's own, hardened, but for what the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from spawnpenny.api import Manifest, User
from spawnpenny_lab.template import Template

_HARDENED: Final = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def pod_security(user: User, template: Template) -> Manifest:
    """Return the pod's: the user's uid, gid and groups, where no setting names others; more groups are added."""
    uid, gid = _either(template.uid, user.uid), _either(template.gid, user.gid)
    groups = [group.id for group in user.groups]
    return {
        "runAsUser": uid,
        "runAsGroup": gid,
        "runAsNonRoot": uid != 0,
        "fsGroup": _either(template.fs_gid, gid),
        "supplementalGroups": list(dict.fromkeys([*groups, *template.supplemental_gids])),
        "seccompProfile": {"type": "RuntimeDefault"},
        **template.pod_security_context,
    }


def notebook_security(template: Template) -> Manifest:
    """Return the lab container's, in KubeSpawner's order of precedence."""
    context: dict[str, Any] = {"capabilities": {"drop": ["ALL"]}}
    if template.uid is not None:
        context["runAsUser"] = template.uid
    if template.gid is not None:
        context["runAsGroup"] = template.gid
    if template.privileged:
        context["privileged"] = True
    if template.allow_privilege_escalation is not None:
        context["allowPrivilegeEscalation"] = template.allow_privilege_escalation
    return _rooted({**context, **template.container_security_context})


def hardened(container: Mapping[str, Any]) -> Manifest:
    """Return a further container, hardened where it does not say otherwise."""
    return {**container, "securityContext": _rooted({**_HARDENED, **(container.get("securityContext") or {})})}


def _rooted(context: Manifest) -> Manifest:
    # The pod says runAsNonRoot, with which Kubernetes starts no container as root: a container that asks for root
    # says so whole, and the hardening rules judge it.
    return {"runAsNonRoot": False, **context} if context.get("runAsUser") == 0 else context


def _either(setting: int | None, own: int) -> int:
    return own if setting is None else setting
