"""The passwd and group files of a user. Formats: passwd(5), group(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from marshmallow import fields, validate

from spawnpenny.api import Manifest, User

CONFIG_MAP = "user-files"
_NOT_PORTABLE = re.compile(r"[^a-zA-Z0-9._@-]")
_SYSTEM_PASSWD = (
    "root:x:0:0:root:/root:/bin/sh",
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
)
_SYSTEM_GROUP = ("root:x:0:", "nogroup:x:65534:")


AbsolutePath = Annotated[
    str,
    fields.String(
        validate=validate.Regexp(r"\A/[^:\s]*\Z", error="This is not an absolute path without : and spaces.")
    ),
]


@dataclass(frozen=True, slots=True)
class FileSettings:
    """The home directory (``{name}`` stands for the user's name in passwd) and the shell."""

    home: AbsolutePath = "/home/{name}"
    shell: AbsolutePath = "/bin/bash"


def portable(name: str) -> str:
    """Return a name that is valid in passwd and group: other characters become ``_``."""
    return _NOT_PORTABLE.sub("_", name)


def passwd(user: User, settings: FileSettings) -> str:
    name = portable(user.username)
    home = settings.home.replace("{name}", name)
    own = f"{name}:x:{user.uid}:{user.gid}::{home}:{settings.shell}"
    return "\n".join((*_SYSTEM_PASSWD, own)) + "\n"


def group(user: User) -> str:
    name = portable(user.username)
    entries = [f"{portable(group.name)}:x:{group.id}:{name}" for group in user.groups]
    if all(group.id != user.gid for group in user.groups):
        entries.insert(0, f"{name}:x:{user.gid}:")
    return "\n".join((*_SYSTEM_GROUP, *entries)) + "\n"


def user_files(user: User, settings: FileSettings) -> Manifest:
    """Return the ConfigMap with both files."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP},
        "data": {"passwd": passwd(user, settings), "group": group(user)},
    }


def mounted(pod: Manifest) -> Manifest:
    """Return a patch that mounts both files in all containers of a pod."""
    mounts = [
        {"name": CONFIG_MAP, "mountPath": f"/etc/{name}", "subPath": name, "readOnly": True}
        for name in ("passwd", "group")
    ]
    spec: Manifest = {"volumes": [{"name": CONFIG_MAP, "configMap": {"name": CONFIG_MAP}}]}
    for kind in ("initContainers", "containers"):
        if pod["spec"].get(kind):
            spec[kind] = [{"name": container["name"], "volumeMounts": mounts} for container in pod["spec"][kind]]
    return {"spec": spec}
