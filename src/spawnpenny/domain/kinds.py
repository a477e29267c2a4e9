"""Kinds of spawns: what plugins declare of them, and the kinds of the loaded plugins by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from spawnpenny.domain.dashboards import Dashboard
from spawnpenny.domain.forms import FormField
from spawnpenny.domain.names import OWN_NAME, check_spawn_name, is_own_cluster_name, own_cluster_name
from spawnpenny.domain.spawn_status import SpawnStatus
from spawnpenny.domain.spawns import KIND_NAME, USER, Key
from spawnpenny.domain.users import User
from spawnpenny.errors import InvalidNameError, InvalidRequestError

Form = Callable[[User], Sequence[FormField]]
Details = Callable[[SpawnStatus, Sequence[dict[str, Any]]], Mapping[str, Any]]
"""A function that returns the ``details`` of a spawn in answers, from its status and its pods."""

_PLURAL: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,28}[a-z0-9])?", re.ASCII)
_MAX_TITLE: Final = 40
_NAME_FIELD: Final = re.compile(r"[a-z]{1,20}", re.ASCII)
FORM: Final = "form"
"""The segment of paths that stands for the form, so that no spawn can have this name."""
_ENDS_IN_Y: Final = re.compile(r"[^aeiou]y$")
_RESERVED_NAMES: Final = frozenset(
    {USER, "record", "request", "status", "replica", "order", "every"}  # values of the label ``spawnpenny.io/kind``
    | {"kind", "service", "spawn"}  # first words of the names of routes
    | {"broker", "check", "demo", "doctor", "kinds", "migrate", "openapi", "permissions", "pipeline", "plugin"}
    | {"plugins", "proxy", "serve", "try"}  # subcommands, among which kinds have theirs
)
_RESERVED_PLURALS: Final = frozenset(
    {USER, "users", "events", "form", "whoami", "pipelines", "plugins", "routes", "kinds", "spawns", "metrics"}
    | {"next", "unknown"}
)
"""Segments of paths of the HTTP API that stand where a plural would, and further members of lists."""


_RESERVED_FIELDS: Final = frozenset(
    {
        "user",
        "kind",
        "start",
        "spawn",
        "phase",
        "url",
        "reason",
        "steps",
        "progress",
        "by",
        "client",
        "options",
        "scale",
    }
    | {"workers", "resources", "details", "grace", "deadline"}
)
"""Members of answers, and parts of paths, beside the name of a spawn."""
_LAB: Final = "lab"
"""The member of answers that has the lab which requested a spawn; labs themselves have their name there."""


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
        title: The name in sentences, without an article, such as ``lab``.
        scales: Whether it has workers, whose number its callers change.
        completes: Whether it runs to completion. If its main program ends with exit code 0, it has succeeded.
        ends_with_lab: Whether it may end with the lab that requested it. Such kinds are retired first.
        follows_pods: Whether ``Step.supervise`` is notified of changes of its pods.
        minimum: The number of workers that have to fit into the budget for a start to be useful.
        maximum: The largest number of workers of one spawn; None: as many as fit into the budget.
        options: The hooks that describe the options of a request: ``form`` for ``spawnpenny_form``, ``cluster`` for
            ``spawnpenny_cluster_options`` and ``spawnpenny_worker_groups``, ``steps`` if only ``Step.check`` does.
        lab_token: Whether it gets a lab token, with which its programs call the service as their user.
        hub_service: The service of JupyterHub under whose path clients of the kind look for the API, if they do. It is
            the default of the setting ``web.prefix``.
        from_labs: Whether labs may start, scale and stop it with their lab tokens.
        form: A function that returns the fields of the kind's own form for a user: pure, and fast. They come after
            those of ``spawnpenny_form``, if ``options`` is ``form``. A request has no other options then.
        details: A function that returns further members of answers, as JSON, from the status of a spawn and its pods:
            pure, and fast. What it raises is logged, and the answer has no details.
        name_field: The member of answers and the part of paths that has the name of a spawn.
        dashboard: The dashboard that users may open by a link, if the main pod has a port named ``dashboard`` and the
            label ``ROUTE_LABEL``.
        unique_names: Whether names are unique among all users, as proxies need that route by them. A name that a user
            chooses gets a hash at its end then; paths may have it without.
        sample: Options of a request with which ``spawnpenny try`` rehearses it, if no hook describes them.

    """

    name: str
    plural: str
    title: str
    scales: bool = False
    completes: bool = False
    ends_with_lab: bool = False
    follows_pods: bool = False
    minimum: int = 0
    maximum: int | None = None
    options: OptionSource = OptionSource.STEPS
    lab_token: bool = False
    hub_service: str | None = None
    from_labs: bool = True
    form: Form | None = None
    details: Details | None = None
    name_field: str = "name"
    dashboard: Dashboard | None = None
    unique_names: bool = False
    sample: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def check_name(self, name: str) -> str:
        """Return the name of a spawn in a path, if it may be one.

        Raises:
            InvalidNameError: It is not valid.

        """
        if name == FORM:
            raise InvalidNameError(f"The {self.name_field} may not be {FORM!r}.", field=self.name_field)
        return check_spawn_name(name, self.name_field, unique=self.unique_names)

    def unique_name(self, username: str, name: str) -> str:
        """Return the full name of a spawn that its user calls by a name.

        Raises:
            InvalidNameError: Names of this kind are unique among all users, and users cannot choose this one.

        """
        full = self.full_name(username, name)
        if self.unique_names and full == name and own_cluster_name(username, name.rpartition("-")[0]) != name:
            raise InvalidNameError(f"The {self.name_field} has to be {OWN_NAME}.", field=self.name_field)
        return full

    def full_name(self, username: str, name: str) -> str:
        """Return the full name if a user can have chosen a name; else the name itself, as it may be a full one."""
        chosen = self.unique_names and is_own_cluster_name(name)
        if not chosen or own_cluster_name(username, name.rpartition("-")[0]) == name:
            return name
        return own_cluster_name(username, name)

    def check_workers(self, count: int, field: str) -> None:
        """Refuse more workers than a spawn may have.

        Raises:
            InvalidRequestError: There are more.

        """
        if self.maximum is not None and count > self.maximum:
            raise InvalidRequestError(
                f"The most workers of {self.indefinite} are {self.maximum}.", field=field, maximum=self.maximum
            )

    @property
    def has_form(self) -> bool:
        """True if a form describes all options of a request."""
        return self.options is OptionSource.FORM or self.form is not None

    @property
    def not_found(self) -> str:
        """The code of the error that there is no such spawn."""
        return f"{self.name}_not_found"

    @property
    def indefinite(self) -> str:
        """The title with its indefinite article, such as ``a lab``."""
        return f"{'an' if self.title[0].lower() in 'aeiou' else 'a'} {self.title}"

    @property
    def titles(self) -> str:
        """The title of several, such as ``labs``."""
        if self.title.endswith(("s", "x", "ch", "sh")):
            return f"{self.title}es"
        return f"{self.title[:-1]}ies" if _ENDS_IN_Y.search(self.title) else f"{self.title}s"


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
        """Return how messages name a spawn, such as ``lab 'mine'``."""
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
    def hub_prefix(self) -> str:
        """The path of the service of JupyterHub that clients of a kind look for; empty if there is none."""
        return next((f"/services/{kind.hub_service}" for kind in self._kinds.values() if kind.hub_service), "")

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
    yield from _name_faults(kind)
    if kind.dashboard is not None and (fault := kind.dashboard.fault()) is not None:
        yield fault
    if kind.hub_service is not None and not _PLURAL.fullmatch(kind.hub_service):
        yield f"has the hub_service {kind.hub_service[:63]!r}: write up to 30 lower case letters, digits and -."
    if kind.minimum < 0 or (kind.minimum and not kind.scales):
        yield f"has the minimum {kind.minimum}: only a kind that scales has one, and none is negative."
    if kind.maximum is not None and (not kind.scales or kind.maximum < max(kind.minimum, 1)):
        yield f"has the maximum {kind.maximum}: only a kind that scales has one, and none is below 1 and the minimum."


def _name_faults(kind: Kind) -> Iterator[str]:
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
    reserved = _RESERVED_FIELDS | {_LAB} if kind.name != _LAB else _RESERVED_FIELDS
    if not _NAME_FIELD.fullmatch(kind.name_field) or kind.name_field in reserved:
        yield f"has the name field {kind.name_field[:63]!r}: write up to 20 lower case letters, not used otherwise."
