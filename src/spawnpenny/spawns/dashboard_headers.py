"""The headers by which a spawn's dashboard knows its user, from the steps of the spawn."""

from __future__ import annotations

from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.step_view import StepView


async def dashboard_headers(context: SpawnContext) -> dict[str, str]:
    """Return the headers that the proxy adds to requests for a running spawn's dashboard.

    Raises:
        SpawnError: A step cannot say them, for this reason.
        ClusterError: The cluster does not answer.

    """
    view, headers = StepView(context), dict[str, str]()
    for step in context.pipeline.steps:
        headers |= await step.dashboard_headers(view.with_cluster(step))
    return headers
