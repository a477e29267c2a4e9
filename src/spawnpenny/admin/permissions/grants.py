"""The rights that both accounts need, gathered from the declarations of plugins and parts."""

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
    """A permission of an account, and the part or plugin step that needs it."""

    account: Account
    zone: Zone
    permission: Permission
    needed_by: str


def gather(settings: Settings, plugins: Plugins) -> tuple[Grant, ...]:
    """Return the rights of both accounts; without a separate broker, the service has the broker's rights too.

    Requests to the broker (``claim``, ``release``, ``provision``) need no rights in Kubernetes.
    """
    grants = [
        Grant("service", "tenant", permission, f"step {step.name}")
        for step in plugins.steps
        for permission in step.permissions
    ]
    grants += [
        Grant("service", zone, permission, "maintenance")
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
    """Return the zone of a permission; the settings may limit reads of all namespaces to those of users."""
    reads = part.account == "service" and zone == "cluster" and settings.namespaces.reads == "namespace"
    return "tenant" if reads and permission.resource is not None and permission.resource.namespaced else zone


def _named(permission: Permission, settings: Settings) -> Permission:
    """Limit ``bind`` to the roles that the settings name: on all roles, it would amount to all rights."""
    if "bind" not in permission.verbs:
        return permission
    own = (release_role(settings.broker),) if settings.broker.separate else ()
    return replace(permission, names=(settings.broker.role, *own))
