"""All declarations together, for the plugins and the settings at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spawnpenny.admin.permissions.parts import Account, Part, parts
from spawnpenny.broker import contents
from spawnpenny.broker.namespaces import release_role
from spawnpenny.kubernetes.permissions import Permission, Zone
from spawnpenny.plugin.manager import Plugins
from spawnpenny.settings.model import Settings
from spawnpenny.spawns.maintenance import orphans


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission of an account, and the part or the step of a plugin that needs it."""

    account: Account
    zone: Zone
    permission: Permission
    needed_by: str


def gather(settings: Settings, plugins: Plugins) -> tuple[Grant, ...]:
    """Return what both accounts need: the broker's is the service's, too, where the broker is no process of its own.

    What is asked of the broker alone (``claim``, ``release``, ``provision``) needs nothing of Kubernetes.
    """
    grants = [
        Grant("service", "tenant", permission, f"step {step.name}")
        for step in plugins.steps
        for permission in step.permissions
    ]
    grants += [
        Grant("service", zone, permission, "housekeeping")
        for zone, permissions in orphans.permissions(plugins.steps).items()
        for permission in permissions
    ]
    account: Account = "broker" if settings.broker.separate else "service"
    grants += [Grant(account, "tenant", permission, "releases") for permission in contents.permissions(settings.broker)]
    for part in parts():
        if settings.broker.separate or not part.separate_only:
            grants += _of_part(part, settings)
    return tuple(grant for grant in grants if grant.permission.resource is not None)


def _of_part(part: Part, settings: Settings) -> list[Grant]:
    account: Account = part.account if settings.broker.separate else "service"
    return [
        Grant(account, _where(part, zone, permission, settings), _named(permission, settings), part.name)
        for zone, permissions in part.declared.items()
        for permission in permissions
    ]


def _where(part: Part, zone: Zone, permission: Permission, settings: Settings) -> Zone:
    """Put what the service reads of all namespaces into those of users, where the settings say so."""
    reads = part.account == "service" and zone == "cluster" and settings.namespaces.reads == "namespace"
    return "tenant" if reads and permission.resource is not None and permission.resource.namespaced else zone


def _named(permission: Permission, settings: Settings) -> Permission:
    """Bind no role but those that the settings name: ``bind`` on all roles would be all rights."""
    if "bind" not in permission.verbs:
        return permission
    own = (release_role(settings.broker),) if settings.broker.separate else ()
    return replace(permission, names=(settings.broker.role, *own))
