"""Kinds of spawns: what plugins declare of them, and the kinds of the loaded plugins by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spawnpenny.domain.spawns import KIND_NAME, USER, Key

_PLURAL: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,28}[a-z0-9])?", re.ASCII)
_MAX_TITLE: Final = 40
_RESERVED_NAMES: Final = frozenset({USER, "record", "request", "status", "replica", "order", "every"})
"""Values of the label ``spawnpenny.io/kind`` of objects that belong to no spawn of a plugin."""
_RESERVED_PLURALS: Final = frozenset(
    {USER, "users", "events", "form", "whoami", "pipelines", "plugins", "routes", "kinds", "spawns", "metrics"}
)
"""Segments of paths of the HTTP API that stand where a plural would."""


class OptionSource(StrEnum):
    """The hooks that describe the options of a kind's requests; ``STEPS``: the kind's steps check them."""

    FORM = "form"
    CLUSTER = "cluster"
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of spawns that a plugin provides. Return it from the hook ``spawnpenny_kinds``.

    Attributes:
        name: Up to 15 lower case letters and digits, in keys, labels, names of objects, records and metrics.
        plural: The segment of paths that stands for all spawns of the kind.
        title: The name in sentences, without an article, such as ``Dask cluster``.
        scales: Whether it has workers, whose number its callers change.
        completes: Whether it runs to completion. If its main program ends with exit code 0, it has succeeded.
        ends_with_lab: Whether it may end with the lab that requested it. Such kinds are retired first.
        follows_pods: Whether ``Step.supervise`` is notified of changes of its pods.
        minimum: The number of workers that have to fit into the budget for a start to be useful.
        options: The hooks that describe the options of a request: ``form`` for ``spawnpenny_form``, ``cluster`` for
            ``spawnpenny_cluster_options`` and ``spawnpenny_worker_groups``, ``steps`` if only ``Step.check`` does.
        lab_token: Whether it gets a lab token, with which its programs call the service as their user.

    """

    name: str
    plural: str
    title: str
    scales: bool = False
    completes: bool = False
    ends_with_lab: bool = False
    follows_pods: bool = False
    minimum: int = 0
    options: OptionSource = OptionSource.STEPS
    lab_token: bool = False

    @property
    def indefinite(self) -> str:
        """The title with its indefinite article, such as ``a lab``."""
        return f"{'an' if self.title[0].lower() in 'aeiou' else 'a'} {self.title}"


USER_KIND: Final = Kind(USER, "users", "user")
"""The one kind that no plugin declares: the provisioning of a user."""


class Kinds(Mapping[str, Kind]):
    """The kinds of the loaded plugins, those with a lab token first, then by name; and ``user``."""

    def __init__(self, kinds: Mapping[str, Kind] | None = None) -> None:
        declared = sorted((kinds or {}).values(), key=lambda kind: (not kind.lab_token, kind.name))
        self._kinds = {**{kind.name: kind for kind in declared}, USER: USER_KIND}

    def __getitem__(self, name: str) -> Kind:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def title(self, name: str) -> str:
        """Return the title of a kind; of one that is not loaded, its name."""
        kind = self.get(name)
        return kind.title if kind is not None else name

    def describe(self, key: Key) -> str:
        """Return how messages name a spawn, such as ``Dask cluster 'c1'``."""
        return f"{self.title(key.kind)} {key.name!r}"

    @property
    def of_plugins(self) -> tuple[Kind, ...]:
        """The kinds that plugins declare, in the same order."""
        return tuple(kind for kind in self._kinds.values() if kind.name != USER)

    @property
    def with_lab_token(self) -> frozenset[str]:
        """The names of the kinds that get a lab token."""
        return frozenset(kind.name for kind in self._kinds.values() if kind.lab_token)

    @property
    def retirement_order(self) -> tuple[str, ...]:
        """The names in the order of retirement: kinds that end with their lab, then the others, ``user`` last."""
        kinds = self._kinds.values()
        order = sorted(kinds, key=lambda kind: (kind.name == USER, not kind.ends_with_lab, kind.name))
        return tuple(kind.name for kind in order)


def kind_fault(kind: Kind) -> str | None:
    """Return what is wrong with a declared kind, as the rest of a sentence; None if nothing is."""
    return next(_faults(kind), None)


def _faults(kind: Kind) -> Iterator[str]:
    if not KIND_NAME.fullmatch(kind.name):
        yield f"has the name {kind.name[:63]!r}: write up to 15 lower case letters and digits, a letter first."
    if kind.name in _RESERVED_NAMES:
        yield f"has the name {kind.name!r}, which spawnpenny uses itself."
    if not _PLURAL.fullmatch(kind.plural):
        yield f"has the plural {kind.plural[:63]!r}: write up to 30 lower case letters, digits and -, a letter first."
    if kind.plural in _RESERVED_PLURALS:
        yield f"has the plural {kind.plural!r}, which spawnpenny uses itself."
    if not kind.title.strip() or len(kind.title) > _MAX_TITLE or not kind.title.isprintable():
        yield f"has the title {kind.title[:63]!r}: write one to {_MAX_TITLE} printable characters."
    if kind.minimum < 0 or (kind.minimum and not kind.scales):
        yield f"has the minimum {kind.minimum}: only a kind that scales has one, and none is negative."
