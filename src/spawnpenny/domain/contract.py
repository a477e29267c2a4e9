"""Names by which plugins, the service and the proxy find containers, ports and secrets of each other.

A plugin that replaces a standard one has to give its pods the same names.
"""

from __future__ import annotations

from typing import Final

NOTEBOOK: Final = "notebook"
"""The container of a lab's pod that decides whether the lab runs."""
SCHEDULER: Final = "scheduler"
"""The container of a scheduler's pod that decides whether the cluster runs."""
WORKER: Final = "worker"
"""The container of a worker's pod that decides whether the worker runs, and the value of its label ``PART``."""

NOTEBOOK_PORT_NAME: Final = "notebook-port"
"""The port of ``NOTEBOOK`` that the Hub's proxy reaches."""
SCHEDULER_PORT_NAME: Final = "tls"
"""The port of ``SCHEDULER`` that clients and workers reach; a cluster without it has no route."""
DASHBOARD_PORT_NAME: Final = "dashboard"
"""The port of ``SCHEDULER`` with the dashboard; a cluster without it has none."""
CONTROL_PORT_NAME: Final = "control"
"""The port of ``SCHEDULER`` that the service reaches."""

AUTHORITY: Final = "authority"
"""The key in ``Spawn.secrets`` with the PEM of a cluster's ``Authority``, which issues certificates of clients."""
CONTROL_TOKEN: Final = "control"  # noqa: S105 - the name of a key
"""The key in ``Spawn.secrets``, and in the cluster's Secret, of the token of a scheduler's control API."""
