"""All routes: spawnpenny's own, the generic ones of the loaded kinds, and those of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spawnpenny.web import all_spawns, health, labs, pipelines, proxy_routes, users, whoami
from spawnpenny.web.dashboards import dashboard_routes
from spawnpenny.web.form import handler as form
from spawnpenny.web.health import get_metrics
from spawnpenny.web.kinds import listing
from spawnpenny.web.kinds.routes import generic_routes
from spawnpenny.web.lab_kind import LAB
from spawnpenny.web.openapi import handler as openapi
from spawnpenny.web.plugin_routes import with_plugin_routes
from spawnpenny.web.tickets import ticket_route

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins
    from spawnpenny.web.route import Route

LABS: Final = (*labs.ROUTES, *form.ROUTES)
META: Final = (
    *whoami.ROUTES,
    *listing.ROUTES,
    *all_spawns.ROUTES,
    *pipelines.ROUTES,
    *health.ROUTES,
    get_metrics,
    *openapi.ROUTES,
    *proxy_routes.ROUTES,
)


def routes(plugins: Plugins | None = None, *, metrics: bool = True) -> tuple[Route, ...]:
    """Return all routes, with or without ``/metrics``; without plugins, those of spawnpenny itself.

    Raises:
        PluginError: A route of a plugin is wrong, or hides another one.

    """
    own = tuple(route for route in (*LABS, *users.ROUTES, *META) if metrics or route is not get_metrics)
    if plugins is None:
        return own
    generic = {
        name: (*found, ticket_route(plugins.kinds[name]), *dashboard_routes(plugins.kinds[name]))
        for name, found in generic_routes(plugins.kinds, but=LAB).items()
    }
    return with_plugin_routes(own, plugins, defaults=generic)
