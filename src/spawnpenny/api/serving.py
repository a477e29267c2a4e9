"""The names that a plugin with a process of its own may import, beside those of ``spawnpenny.api``."""

from spawnpenny.aio.connections import Connections
from spawnpenny.aio.descriptors import raise_descriptor_limit
from spawnpenny.aio.faults import Faults
from spawnpenny.aio.listener import Listener
from spawnpenny.aio.race import until_first
from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.cli.logging import configure_logs
from spawnpenny.cli.signals import run_until_signal
from spawnpenny.clients.connection import Connection
from spawnpenny.clients.errors import ClientError, ProblemError
from spawnpenny.clients.patience import Patience
from spawnpenny.serving.auxiliary import auxiliary_application
from spawnpenny.serving.server import CONNECTIONS, connections_of, listening
from spawnpenny.settings.load import load_settings

__all__ = [
    "CONNECTIONS",
    "ClientError",
    "Connection",
    "Connections",
    "Faults",
    "Listener",
    "Patience",
    "ProblemError",
    "Supervisor",
    "auxiliary_application",
    "configure_logs",
    "connections_of",
    "listening",
    "load_settings",
    "raise_descriptor_limit",
    "run_until_signal",
    "until_first",
]
