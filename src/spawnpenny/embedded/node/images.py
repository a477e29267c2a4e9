"""Images of the embedded cluster: each is a command line.

The command line of an image is what an ENTRYPOINT is to a container image, and there is no CMD:

- a container with neither ``command`` nor ``args`` runs the image's command line;
- with ``args`` alone: the image's command line, then ``args``;
- with ``command``, it runs ``command``, then ``args``, and nothing of the image's command line.

In an image's command line (not in ``command`` or ``args``) these are replaced: ``{python}`` by this Python,
``{pod_ip}`` by the pod's address, ``{home}`` by the container's HOME, ``{lab}`` by the program
``embedded/node/lab.py``.
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
    """Return the image's part of the command line, ready, and the container's own, not expanded yet."""
    command, args = container.get("command") or [], container.get("args") or []
    if command:
        return [], [*command, *args]
    values = {"python": sys.executable, "pod_ip": pod_ip, "home": home, "lab": _LAB}
    return [_PLACEHOLDER.sub(lambda match: values[match[1]], part) for part in image], list(args)


def not_found(image: str, images: Mapping[str, Sequence[str]]) -> str:
    """Word that there is no such image; ``not found`` is what a kubelet says too, and what makes it hopeless."""
    known = ", ".join(sorted(images)) or "none"
    return (
        f"not found: the embedded cluster has no command for the image {image}; "
        f"name one under embedded.images (known: {known})."
    )
