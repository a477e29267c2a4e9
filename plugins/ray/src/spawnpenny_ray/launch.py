"""Run Ray's command line in a pod. The service passes this file's text to ``python -c`` in the image of a user."""

import atexit
import os
import socket
import sys
from inspect import signature
from pathlib import Path
from typing import Any

LEAST = (2, 52)
LONGEST = 30
ATTEMPT = "SPAWNPENNY_RAY_ATTEMPT"
ATTEMPTS = 4
LISTEN = "--dashboard-agent-listen-port"
PORTS = (
    "--dashboard-agent-grpc-port",
    LISTEN,
    "--metrics-export-port",
    "--runtime-env-agent-port",
)


def run() -> None:
    """Run ``ray`` with the arguments, unless the image's Ray is missing or would serve everybody."""
    check_version()
    sys.argv = ["ray", *arguments()]
    from ray._private import services  # noqa: PLC0415 - the image may lack it
    from ray.scripts.scripts import main  # noqa: PLC0415 - see above

    services.start_raylet = with_port(services.start_raylet)
    attempt = int(os.environ.get(ATTEMPT, "1"))
    try:
        main()
    except Exception as error:
        if attempt >= ATTEMPTS:
            raise
        # A node gives up if it has not started after 30 seconds. The next time, its files are in memory.
        sys.stderr.write(f"Ray did not start: {error} Attempt {attempt + 1} of {ATTEMPTS} begins.\n")
        again(attempt + 1)


def check_version() -> None:
    """End with a message if the image has no Ray that requires the token."""
    try:
        import ray  # noqa: PLC0415 - the image may lack it
    except ImportError as error:
        sys.exit(f"The image has no Ray ({error}). Install ray[client,default] in it.")
    if tuple(int(part) for part in ray.__version__.split(".")[:2]) < LEAST:
        sys.exit(f"Ray {ray.__version__} does not know token authentication. Install Ray 2.52 or newer in the image.")


def arguments() -> list[str]:
    """Return the arguments of ``ray``, and those that depend on this machine."""
    given = sys.argv[1:]
    folder = os.environ.get("TMPDIR", "")
    if len(folder) > LONGEST or folder.startswith("/proc/"):  # the paths of Ray's sockets would be too long for Linux
        os.chdir(folder)
        os.environ["TMPDIR"] = f"/proc/{os.getpid()}/cwd"
        given.append(f"--temp-dir={os.environ['TMPDIR']}/ray")
    # A node waits 15 seconds for the ports that its agents choose, too few on a busy machine. It knows these.
    return given + [f"{name}={port}" for name, port in free_ports().items() if not any(name in text for text in given)]


def free_ports() -> dict[str, int]:
    """Return a free port for each of ``PORTS``."""
    servers = {name: socket.create_server(("", 0)) for name in PORTS}
    ports = {name: server.getsockname()[1] for name, server in servers.items()}
    for server in servers.values():
        server.close()
    return ports


def with_port(start_raylet: Any) -> Any:
    """Return Ray's function that starts a node, as one that writes the port of its agent beforehand.

    Newer versions of Ray wait for this file, which the agent writes once it listens, although they know the port.
    """
    port = next(text.partition("=")[2] for text in sys.argv if text.startswith(f"{LISTEN}="))

    def start(*arguments: Any, **named: Any) -> Any:
        given = signature(start_raylet).bind(*arguments, **named).arguments
        if "session_dir" in given and "node_id" in given:
            Path(given["session_dir"], f"dashboard_agent_listen_port_{given['node_id']}").write_text(port)
        return start_raylet(*arguments, **named)

    return start


def again(attempt: int) -> None:
    """Run this program anew in the same process, after Ray has ended the processes that it has started."""
    atexit._run_exitfuncs()  # noqa: SLF001 - nothing runs them before an exec
    os.environ[ATTEMPT] = str(attempt)
    command = Path("/proc/self/cmdline").read_text().split("\0")[:-1]
    os.execv(sys.executable, command)  # noqa: S606 - the same program


run()
