"""The connection to Kubernetes, by a pod's ServiceAccount or a kubeconfig."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spawnpenny.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spawnpenny.kubernetes.calls import Meter
    from spawnpenny.kubernetes.interface import Cluster

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@asynccontextmanager
async def open_kubernetes(*, meter: Meter | None = None) -> AsyncIterator[Cluster]:
    """Connect to Kubernetes, and close the connection when the context ends; ``meter`` counts the calls.

    Raises:
        SettingsError: There is neither a ServiceAccount nor a kubeconfig.

    """
    if not (_ACCOUNT.exists() or any(file.exists() for file in _kubeconfigs())):
        raise SettingsError(
            "No Kubernetes cluster was found: there is neither a pod's ServiceAccount nor a kubeconfig. "
            "Set cluster: embedded to run on this machine."
        )
    from spawnpenny.kubernetes.client import KubernetesCluster  # noqa: PLC0415 - a slow import

    async with await KubernetesCluster.connect(meter=meter) as cluster:
        yield cluster


def _kubeconfigs() -> list[Path]:
    named = os.environ.get("KUBECONFIG") or "~/.kube/config"
    return [Path(file).expanduser() for file in named.split(os.pathsep) if file]
