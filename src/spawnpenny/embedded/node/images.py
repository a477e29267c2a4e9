"""Images of the embedded cluster: each is a command line.

The command line of an image is like the ENTRYPOINT of a container image; there is no CMD:

- a container without ``command`` and ``args`` runs the image's command line;
- a container with only ``args`` runs the image's command line, followed by ``args``;
- a container with ``command`` runs ``command``, followed by ``args``, and not the image's command line.

An image's command line (not ``command`` or ``args``) may have placeholders: ``{python}`` is this Python, ``{pod_ip}``
the pod's address, ``{home}`` the container's HOME, and ``{lab}`` the program ``embedded/node/lab.py``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spawnpenny.kubernetes.interface import Manifest

_PLACEHOLDER: Final = re.compile(r"\{(python|pod_ip|home|lab)\}")
_LAB: Final = str(Path(__file__).with_name("lab.py"))


def argv_of(container: Manifest, image: Sequence[str], *, pod_ip: str, home: str) -> tuple[list[str], list[str]]:
    """Return the image's part of the command line, complete, and the container's own part, not expanded yet."""
    command, args = container.get("command") or [], container.get("args") or []
    if command:
        return [], [*command, *args]
    values = {"python": sys.executable, "pod_ip": pod_ip, "home": home, "lab": _LAB}
    return [_PLACEHOLDER.sub(lambda match: values[match[1]], part) for part in image], list(args)


def not_found(image: str, images: Mapping[str, Sequence[str]]) -> str:
    """Return the message for an unknown image; it has the kubelet's ``not found``, by which a spawn fails at once."""
    known = ", ".join(sorted(images)) or "none"
    return (
        f"not found: the embedded cluster has no command for the image {image}; "
        f"name one under embedded.images (known: {known})."
    )
