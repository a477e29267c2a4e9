"""A table of the permissions to read: account, namespace, right, and the part that needs it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from spawnpenny.admin.permissions.grants import Grant
from spawnpenny.admin.permissions.manifests import account_of, namespace_of
from spawnpenny.admin.permissions.parts import Account
from spawnpenny.admin.permissions.rules import make_rules
from spawnpenny.kubernetes.permissions import Zone
from spawnpenny.settings.model import Settings

Row = tuple[str, str, str, str, str]
_HEAD: Final[Row] = ("account", "where", "verbs", "resource", "needed by")
_ZONES: Final[tuple[Zone, ...]] = ("cluster", "tenant", "state", "broker", "provision")


def make_table(grants: Iterable[Grant], settings: Settings) -> Iterator[str]:
    """Yield the lines: one for each account, place and resource, with all parts that need it."""
    rows = [_HEAD, *_rows(tuple(grants), settings)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _rows(grants: tuple[Grant, ...], settings: Settings) -> Iterator[Row]:
    accounts: tuple[Account, ...] = ("service", "broker")
    for account in accounts:
        for zone in _ZONES:
            here = [grant for grant in grants if (grant.account, grant.zone) == (account, zone)]
            yield from _of_place(here, account_of(account, settings)[1], _place(zone, settings))


def _of_place(grants: list[Grant], account: str, place: str) -> Iterator[Row]:
    resources = {_resource(grant): grant for grant in grants}
    for resource in sorted(resources):
        same = [grant for grant in grants if _resource(grant) == resource]
        verbs = " ".join(verb for rule in make_rules(grant.permission for grant in same) for verb in rule.verbs)
        yield account, place, verbs, resource, ", ".join(sorted({grant.needed_by for grant in same}))


def _resource(grant: Grant) -> str:
    permission = grant.permission
    if permission.resource is None:
        return ""
    group = f".{permission.resource.group}" if permission.resource.group else ""
    names = f" {' '.join(permission.names)}" if permission.names else ""
    return f"{permission.resource.plural}{group}{names}"


def _place(zone: Zone, settings: Settings) -> str:
    if zone == "cluster":
        return "all namespaces"
    if zone == "tenant":
        return f"user namespaces ({settings.namespaces.prefix}*)"
    return namespace_of(zone, settings) or zone
