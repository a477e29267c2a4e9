"""The security contexts of a lab's pod: the user's ids, unless the settings say otherwise."""

from __future__ import annotations

from typing import Any

from spawnpenny.api import Manifest, User
from spawnpenny_lab.template import Template


def pod_security(user: User, template: Template) -> Manifest:
    """Return the pod's: the user's uid, gid and groups, where no setting names others; more groups are added."""
    uid, gid = _either(template.uid, user.uid), _either(template.gid, user.gid)
    groups = [group.id for group in user.groups]
    return {
        "runAsUser": uid,
        "runAsGroup": gid,
        "fsGroup": _either(template.fs_gid, gid),
        "supplementalGroups": list(dict.fromkeys([*groups, *template.supplemental_gids])),
        "seccompProfile": {"type": "RuntimeDefault"},
        **template.pod_security_context,
    }


def notebook_security(template: Template) -> Manifest:
    """Return the lab container's, in KubeSpawner's order of precedence; it is hardened later, as the others are."""
    context: dict[str, Any] = {}
    if template.uid is not None:
        context["runAsUser"] = template.uid
    if template.gid is not None:
        context["runAsGroup"] = template.gid
    if template.privileged:
        context["privileged"] = True
    return {**context, **template.container_security_context}


def _either(setting: int | None, own: int) -> int:
    return own if setting is None else setting
