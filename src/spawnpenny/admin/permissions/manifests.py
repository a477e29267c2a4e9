"""The roles and bindings of both accounts, as manifests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from spawnpenny.admin.permissions.grants import Grant
from spawnpenny.admin.permissions.parts import Account
from spawnpenny.admin.permissions.rules import make_rules
from spawnpenny.broker.namespaces import broker_account, release_role
from spawnpenny.kubernetes.interface import Manifest
from spawnpenny.kubernetes.permissions import Zone
from spawnpenny.settings.model import Settings

_GROUP: Final = "rbac.authorization.k8s.io"
_ACCOUNTS: Final[tuple[Account, ...]] = ("service", "broker")
_OWN: Final[tuple[Zone, ...]] = ("state", "broker", "provision")


def account_of(account: Account, settings: Settings) -> tuple[str, str]:
    """Return the namespace and the name of a service account; its roles have the same name."""
    name = settings.broker.account
    if account == "service":
        return settings.broker.account_namespace, name
    return settings.namespaces.broker, broker_account(settings.broker)


def namespace_of(zone: Zone, settings: Settings) -> str | None:
    """Return the namespace of one of our own zones; None for a zone of many or all namespaces."""
    spaces = settings.namespaces
    return {"state": spaces.state, "broker": spaces.broker, "provision": spaces.provision}.get(zone)


def make_manifests(grants: Iterable[Grant], settings: Settings) -> list[Manifest]:
    """Return the ClusterRoles, Roles and bindings that grant exactly these rights.

    The roles for user namespaces have no binding here. The broker makes one for the service in each user namespace,
    and one for itself in a namespace that it is going to delete.
    """
    grants = tuple(grants)
    made: list[Manifest] = []
    for account in _ACCOUNTS:
        rules = _rules(grants, account, "cluster")
        made += _bound("ClusterRole", account, rules, settings)
    made.append(_role("ClusterRole", settings.broker.role, _rules(grants, "service", "tenant")))
    if settings.broker.separate:
        made.append(_role("ClusterRole", release_role(settings.broker), _rules(grants, "broker", "tenant")))
    for zone in _OWN:
        for account in _ACCOUNTS:
            rules = _rules(grants, account, zone)
            made += _bound("Role", account, rules, settings, namespace_of(zone, settings))
    return made


def _rules(grants: Iterable[Grant], account: Account, zone: Zone) -> list[Manifest]:
    desired = (grant.permission for grant in grants if (grant.account, grant.zone) == (account, zone))
    return [rule.manifest() for rule in make_rules(desired)]


def _bound(
    kind: str, account: Account, rules: list[Manifest], settings: Settings, namespace: str | None = None
) -> list[Manifest]:
    if not rules:
        return []
    home, name = account_of(account, settings)
    binding = {
        **_head(f"{kind}Binding", name, namespace),
        "roleRef": {"apiGroup": _GROUP, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": home}],
    }
    return [_role(kind, name, rules, namespace), binding]


def _role(kind: str, name: str, rules: list[Manifest], namespace: str | None = None) -> Manifest:
    return {**_head(kind, name, namespace), "rules": rules}


def _head(kind: str, name: str, namespace: str | None) -> Manifest:
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": metadata}
