"""Entry point of the image ``spawnpenny/lab``; its arguments are the pod's address and further ones.

It runs ``jupyterhub-singleuser`` if the environment of a Hub is set, else ``jupyter lab``. Both listen on the pod's own
address: all pods of this machine use the same ports, while a Hub requests 0.0.0.0.

If the first further argument is a program and not an option, it runs that program, as ``start.sh`` of the Jupyter
Docker Stacks does. So one image runs labs and the pods of other kinds. ``python`` is the Python that runs this file,
and the programs beside it come first in PATH, so that another Python in an image's command line is another environment.

This file is run by its path and imports nothing of spawnpenny: a pod has none of the service's environment, which may
be needed to find spawnpenny.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PORT: Final = 8888
_COMMON: Final = ("--ServerApp.port_retries=0", "--no-browser", "--allow-root")


def command(address: str, env: Mapping[str, str], arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of the program to run."""
    beside = str(Path(sys.executable).parent)
    environ = {**env, "PATH": os.pathsep.join([beside, env.get("PATH", os.defpath)])}
    if arguments and not arguments[0].startswith("-"):
        program, *rest = arguments
        return [sys.executable if program in {"python", "python3"} else program, *rest], environ
    if "JUPYTERHUB_API_TOKEN" not in env:
        own = [f"--ip={address}", f"--port={_PORT}", *_COMMON]
        return [sys.executable, "-m", "jupyterlab", *own, *arguments], environ
    url = urlsplit(env.get("JUPYTERHUB_SERVICE_URL") or f"http://0.0.0.0:{_PORT}/")
    service_url = url._replace(netloc=f"{address}:{url.port or _PORT}").geturl()
    argv = [sys.executable, "-m", "jupyterhub.singleuser", *_COMMON, *arguments]
    return argv, {**environ, "JUPYTERHUB_SERVICE_URL": service_url}


if __name__ == "__main__":
    argv, environ = command(sys.argv[1], os.environ, sys.argv[2:])
    os.execvpe(argv[0], argv, environ)  # noqa: S606 - an entry point runs its program
