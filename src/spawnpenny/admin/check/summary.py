"""A summary of the settings that a service would use, without secrets."""

from __future__ import annotations

from typing import Any

from spawnpenny.plugin.manager import Plugins
from spawnpenny.settings.model import Settings


def summary(settings: Settings, plugins: Plugins | None) -> dict[str, Any]:
    """Return what a service would use, by name; ``plugins`` is None if they cannot be loaded."""
    spaces = settings.namespaces
    return {
        "installation": settings.installation,
        "cluster": settings.cluster,
        "listens": f"{settings.web.host}:{settings.web.port}{' (TLS)' if settings.web.certificate else ''}",
        "namespaces": {
            "users": f"{spaces.prefix}*",
            "service": settings.broker.account_namespace,
            "state": spaces.state,
            "broker": spaces.broker,
            "provision": spaces.provision,
        },
        "broker": {
            "separate": settings.broker.separate,
            "pod_security": settings.broker.pod_security,
            "orders": settings.broker.orders,
        },
        **_plugins(settings, plugins),
        "openings": list(settings.pods.allow),
        "images": list(settings.pods.images),
        "tokens": {
            name: {"scopes": list(token.scopes), "user": token.user} for name, token in sorted(settings.tokens.items())
        },
    }


def _plugins(settings: Settings, plugins: Plugins | None) -> dict[str, Any]:
    """Return the plugins with their versions; if one of them is wrong, none is loaded."""
    if plugins is None:
        return {"plugins": dict.fromkeys(settings.plugins, "not loaded")}
    pipelines = plugins.pipelines
    return {
        "plugins": {info.name: info.version for info in plugins.infos() if info.loaded},
        "steps": {
            kind.name: len(pipelines[kind.name].steps)
            for kind in plugins.kinds.of_plugins
            if plugins.provides(kind.name)
        },
    }
