"""The part of ``spawnpenny try`` that uses a real API server."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spawnpenny.admin.rehearsal.rehearse import rehearse
from spawnpenny.admin.rehearsal.server_dry_run import Tenant, dry_run, find_tenant, no_namespace_problem
from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.cli.logging import configure_logs
from spawnpenny.cli.runtime import open_broker
from spawnpenny.domain.names import DEFAULT_LAB, safe_slug

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from spawnpenny.admin.rehearsal.rehearse import Selection
    from spawnpenny.admin.rehearsal.result import Rehearsal
    from spawnpenny.kubernetes.client import KubernetesCluster
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.settings.model import Settings

_SERVER: Final = "rehearsal"
"""The name of the rehearsed lab, which is most likely not in use."""


async def rehearse_on_server(
    settings: Settings,
    plugins: Plugins,
    selection: Selection,
    found: Rehearsal,
    *,
    kubeconfig: str | None,
    claim: bool,
) -> Rehearsal:
    """Add the answers of the API server to a rehearsal, for a user who has a namespace.

    Args:
        settings: The settings.
        plugins: Their plugins.
        selection: The rehearsed spawns.
        found: The rehearsal without a cluster.
        kubeconfig: A kubeconfig; None for the pod's ServiceAccount, or kubectl's kubeconfig.
        claim: Let the broker make the user's namespace if there is none, and release it afterwards.

    """
    from spawnpenny.kubernetes.client import KubernetesCluster  # noqa: PLC0415 - a slow import

    configure_logs("console", level="ERROR")
    async with (
        await KubernetesCluster.connect(kubeconfig, timeout=5, patience=5) as cluster,
        _tenant(cluster, settings, selection.username, claim=claim) as tenant,
    ):
        if tenant is None:
            return replace(found, problems=(*found.problems, no_namespace_problem(selection.username)))
        name = selection.name if selection.name != DEFAULT_LAB else _SERVER
        chosen = replace(selection, username=tenant.username, name=name)
        dry = await dry_run(rehearse(settings, plugins, chosen), cluster)
        return _joined(found, dry)


@asynccontextmanager
async def _tenant(
    cluster: KubernetesCluster, settings: Settings, username: str | None, *, claim: bool
) -> AsyncIterator[Tenant | None]:
    """Yield a user who has a namespace, or for whom the broker makes one until the context ends."""
    tenant = await find_tenant(cluster, settings, username)
    if tenant is not None or not claim:
        yield tenant
        return
    username = username or _SERVER
    async with open_broker(cluster, settings, Supervisor()) as broker:
        uid = await broker.claim_namespace(username)
        try:
            yield Tenant(username, f"{settings.namespaces.prefix}{safe_slug(username)}")
        finally:
            await broker.release_namespace(username, uid)


def _joined(found: Rehearsal, dry: Rehearsal) -> Rehearsal:
    """Return a rehearsal with the problems that a dry run of the same spawns found, too."""
    known = {(problem.setting, problem.message) for problem in found.problems}
    more = [
        problem
        for problem in dry.problems
        if problem.setting == "cluster" and (problem.setting, problem.message) not in known
    ]
    refused = {spawn.label for spawn in dry.spawns if not spawn.starts}
    problems = sorted([*found.problems, *more], key=lambda problem: problem.severity == "warning")
    spawns = tuple(replace(spawn, starts=spawn.starts and spawn.label not in refused) for spawn in found.spawns)
    return replace(found, spawns=spawns, problems=tuple(problems))
