"""Run a command-line program of distributed, with our preloads before the configured ones.

``python spawnpenny_launch.py distributed.cli.dask_scheduler …`` otherwise does the same as
``python -m distributed.cli.dask_scheduler …``. A preload on the command line would hide those of the image and the
user, which are in Dask's configuration; so ours are added to the configuration. A worker that starts before its
scheduler has an address waits here until the service sends it. It runs in the image of a user, with Python 3.9 and
distributed 2024.1 or newer. It imports as little as possible, as the processes of a nanny import it, too.
"""

from __future__ import annotations

import hmac
import json
import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler
from importlib import import_module
from pathlib import Path
from socketserver import TCPServer
from typing import Any

HERE = Path(__file__).parent
SCHEDULER = ("spawnpenny_control.py", "spawnpenny_nannies.py", "spawnpenny_dashboard.py")
WORKER = ("spawnpenny_worker.py",)
PORT = 8788
LONGEST_ADDRESS = 1000


class Address(TCPServer):
    """Server that accepts the scheduler's address once, with the token in the file beside this one.

    It is no ``HTTPServer``, which looks up its own name, as that takes long without DNS.
    """

    allow_reuse_address = True

    def __init__(self, host: str, port: int, token: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.token = token
        self.scheduler = ""
        self.known = threading.Event()
        super().__init__((host, port), AddressHandler)

    def begin(self) -> None:
        """Listen in the background."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def wait(self) -> str:
        """Wait for the address, stop listening, and return the address."""
        self.known.wait()
        self.shutdown()
        self.server_close()
        return self.scheduler


class AddressHandler(BaseHTTPRequestHandler):
    """Handler of one request."""

    server: Address
    timeout = 5

    def do_POST(self) -> None:
        given = self.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            return self.answer(401)
        scheduler = self.body().get("scheduler")
        if not isinstance(scheduler, str) or "://" not in scheduler:
            return self.answer(400)
        self.server.scheduler = scheduler
        self.answer(200)
        return self.server.known.set()

    def body(self) -> dict[str, Any]:
        try:
            length = int(self.headers.get("Content-Length", ""))
            found = json.loads(self.rfile.read(min(max(length, 0), LONGEST_ADDRESS)))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Log no requests."""


def prepend(key: str, files: tuple[str, ...]) -> list[str]:
    """Put files before the configured preloads of a key; return all of them."""
    import dask  # noqa: PLC0415 - not in every process that reads this file

    configured: Any = dask.config.get(f"{key}.preload", default=None) or []
    theirs = [configured] if isinstance(configured, str) else list(configured)
    ours = [str(HERE / file) for file in files]
    arguments: Any = dask.config.get(f"{key}.preload-argv", default=None) or []
    if arguments and not isinstance(arguments, str) and not isinstance(arguments[0], str):  # one list for each preload
        dask.config.set({f"{key}.preload-argv": [*([] for _ in ours), *arguments]})
    dask.config.set({f"{key}.preload": [*ours, *theirs]})
    return [*ours, *theirs]


def with_preloads(program: str, arguments: list[str]) -> list[str]:
    """Configure the preloads of a program; return its arguments, with the preloads that only they can set."""
    import_module("distributed")  # it first adds its own defaults to the configuration
    if program.endswith("dask_scheduler"):
        return _named_too(prepend("distributed.scheduler", SCHEDULER)[: len(SCHEDULER)], arguments)
    arguments = _named_too(prepend("distributed.worker", WORKER)[: len(WORKER)], arguments)
    if "--no-nanny" in arguments:
        return arguments
    # The program passes the nanny an empty list, so that the nanny ignores its configuration.
    nanny = prepend("distributed.nanny", WORKER)
    return [*(part for file in nanny for part in ("--preload-nanny", file)), *arguments]


def _named_too(ours: list[str], arguments: list[str]) -> list[str]:
    """Add our preloads to arguments with preloads, as distributed then ignores the configured ones."""
    if not any(argument == "--preload" or argument.startswith("--preload=") for argument in arguments):
        return arguments
    return [*(part for file in ours for part in ("--preload", file)), *arguments]


def awaited_address() -> Address | None:
    """Listen for the scheduler's address, if this worker is to wait for it."""
    if not os.environ.pop("SPAWNPENNY_AWAITS_SCHEDULER", ""):
        return None
    # An unhandled signal does not end the first process of a container.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    address = Address(os.environ["SPAWNPENNY_POD_IP"], PORT, (HERE / "join").read_text().strip())
    address.begin()
    return address


def main() -> None:
    program, arguments = sys.argv[1], sys.argv[2:]
    if sys.path and sys.path[0] == str(HERE):
        sys.path[0] = str(
            Path.cwd()
        )  # as ``python -m`` has it: what an image has in its working directory is importable
    awaited = awaited_address()
    arguments = with_preloads(program, arguments)
    module = import_module(program)
    if awaited is not None:  # all that takes long is done by then
        scheduler = awaited.wait()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ["DASK_SCHEDULER_ADDRESS"] = scheduler
        arguments = [scheduler, *arguments]
    sys.argv = [program, *arguments]
    module.main()


if __name__ == "__main__":
    main()
