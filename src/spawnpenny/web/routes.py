"""All routes of labs, users, the kinds and the service itself."""

from __future__ import annotations

from typing import Final

from spawnpenny.web import all_spawns, health, labs, pipelines, users, whoami
from spawnpenny.web.form import handler as form
from spawnpenny.web.health import get_metrics
from spawnpenny.web.kinds import listing
from spawnpenny.web.openapi import handler as openapi

LABS: Final = (*labs.ROUTES, *form.ROUTES)
USERS: Final = users.ROUTES
META: Final = (
    *whoami.ROUTES,
    *listing.ROUTES,
    *all_spawns.ROUTES,
    *pipelines.ROUTES,
    *health.ROUTES,
    get_metrics,
    *openapi.ROUTES,
)
