"""Prepare the start of a container: its command line, environment and working directory."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spawnpenny.embedded.node.environment import expand, variables
from spawnpenny.embedded.node.images import argv_of
from spawnpenny.embedded.node.orphans import CONTAINER, NODE, POD_UID
from spawnpenny.embedded.node.sources import MissingSourceError, Sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spawnpenny.embedded.node.volumes import Volumes
    from spawnpenny.kubernetes.interface import Manifest

_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Launch:
    """The command line, environment and working directory of a process.

    ``message`` is the file for its last words, if its container names one.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    message: Path | None = None

    def with_argv(self, argv: Sequence[str]) -> Launch:
        return replace(self, argv=tuple(argv))


def prepare(
    container: Manifest, image: Sequence[str], pod: Manifest, *, volumes: Volumes, sources: Sources, node_id: str
) -> Launch:
    """Mount a container's volumes, and return its launch.

    Raises:
        MissingSourceError: An object that it refers to does not exist (yet).

    """
    mounts = volumes.mount(container)
    declared = variables(container, pod, sources)
    home = mounts.inside(declared["HOME"]) if declared.get("HOME") else mounts.root.parent / "home"
    temporary = mounts.inside("/tmp")  # noqa: S108 - the container's /tmp, which is in the pod's folder
    cwd = mounts.inside(container["workingDir"]) if container.get("workingDir") else home
    for folder in (home, temporary, cwd):
        _make(folder, mounts.root.parent.parent.parent)
    env = {
        "PATH": f"{Path(sys.executable).parent}:{_SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "HOSTNAME": pod["metadata"]["name"],
        "TMPDIR": str(temporary),
        **{name: mounts.rewrite(value) for name, value in declared.items()},
        "HOME": str(home),
        POD_UID: pod["metadata"]["uid"],
        CONTAINER: container["name"],
        NODE: node_id,
    }
    of_image, own = argv_of(container, image, pod_ip=pod["status"]["podIP"], home=str(home))
    argv = (*of_image, *(mounts.rewrite_argument(expand(part, declared)) for part in own))
    if not argv:
        raise MissingSourceError("no command specified")
    _check_text(argv, env)
    path = container.get("terminationMessagePath")
    return Launch(argv, env, cwd, mounts.inside(path) if path else None)


def _make(folder: Path, cluster: Path) -> None:
    # A link in a volume can lead anywhere: a target outside is neither created nor used.
    if not folder.resolve().is_relative_to(cluster):
        raise MissingSourceError(f"{folder.name!r} leaves the folder of the embedded cluster")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MissingSourceError(f"cannot make {folder.name!r}: {error.strerror}") from None


def _check_text(argv: Sequence[str], env: Mapping[str, str]) -> None:
    texts = (*argv, *env.values(), *env)
    if any("\0" in text for text in texts) or any("=" in name or not name for name in env):
        raise MissingSourceError("a command line or environment with a NUL, or a name with '=', cannot be passed on")
    for text in texts:
        try:
            os.fsencode(text)
        except UnicodeEncodeError:
            raise MissingSourceError("a command line or environment that is not text cannot be passed on") from None
