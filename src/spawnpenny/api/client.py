"""The names that a subcommand may import which calls a running service, beside those of ``spawnpenny.api.commands``."""

from spawnpenny.cli.printable import printable
from spawnpenny.cli.progress import print_events, print_json
from spawnpenny.cli.service import Target, output_option, service_options
from spawnpenny.cli.stopping import is_gone, stop_options
from spawnpenny.cli.tables import aligned, duration, folded, note, width
from spawnpenny.clients.clusters import PHASES, Cluster, Waiting, WorkerList
from spawnpenny.clients.http import Client

__all__ = [
    "PHASES",
    "Client",
    "Cluster",
    "Target",
    "Waiting",
    "WorkerList",
    "aligned",
    "duration",
    "folded",
    "is_gone",
    "note",
    "output_option",
    "print_events",
    "print_json",
    "printable",
    "service_options",
    "stop_options",
    "width",
]
