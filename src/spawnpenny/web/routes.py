"""All routes of labs, users, the kinds and the service itself."""

from __future__ import annotations

from typing import Final

from spawnpenny.web import health, labs, pipelines, users, whoami
from spawnpenny.web.form import handler as form
from spawnpenny.web.health import get_metrics
from spawnpenny.web.openapi import handler as openapi

LABS: Final = (*labs.ROUTES, *form.ROUTES)
USERS: Final = users.ROUTES
META: Final = (*whoami.ROUTES, *pipelines.ROUTES, *health.ROUTES, get_metrics, *openapi.ROUTES)
