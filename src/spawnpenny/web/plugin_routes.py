"""Routes of plugins: collect them from the hook ``spawnpenny_routes``, and check each as it is added to ours."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from marshmallow import Schema

from spawnpenny.errors import PluginError, SpawnpennyError
from spawnpenny.plugin.hook_results import check_items
from spawnpenny.web.dialect import Dialect, is_under
from spawnpenny.web.kind_spawns import KindSpawns
from spawnpenny.web.middleware.authorize import Access
from spawnpenny.web.path_patterns import PART, covers, overlap, shape
from spawnpenny.web.plugin_handler import guarded
from spawnpenny.web.route import Answer, Route
from spawnpenny.web.schemas.incoming import BodySchema, QuerySchema

if TYPE_CHECKING:
    from spawnpenny.plugin.manager import Plugins

HOOK: Final = "spawnpenny_routes"
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PATH: Final = re.compile(r"(?:/(?:(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+|\{[a-z][a-z0-9_]*\}))+/?", re.ASCII)
_PREFIX: Final = re.compile(r"/[a-z][a-z0-9-]*", re.ASCII)
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*(?:\.[a-z][a-z0-9_]*)+", re.ASCII)
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_REFUSALS: Final = range(400, 600)
_ANSWERS: Final = range(200, 600)
_MAX_SUMMARY: Final = 200


@dataclass(frozen=True, slots=True)
class Owned:
    """A route, and who has it: a plugin, or spawnpenny itself; ``default``: the generic route of a kind of that plugin.

    The plugin that declares the kind may replace a default by a route of the same method and path.
    """

    route: Route
    plugin: str | None = None
    default: bool = False

    @property
    def owner(self) -> str:
        if self.plugin is None:
            return f"spawnpenny itself has {self._named}"
        return f"the plugin {self.plugin!r} has {self._named}"

    @property
    def _named(self) -> str:
        return f"{self.route.method} {self.route.path} ({self.route.name})"


def with_plugin_routes(
    own: Sequence[Route], plugins: Plugins, *, defaults: Mapping[str, Sequence[Route]] | None = None
) -> tuple[Route, ...]:
    """Return the routes of spawnpenny itself, the generic routes of all kinds, and those of the plugins.

    Args:
        own: The routes of spawnpenny itself. No plugin can replace one.
        plugins: The loaded plugins.
        defaults: The generic routes by kind.

    Raises:
        PluginError: A plugin returns something else, or a route is wrong, or hides one of another owner.

    """
    origin = {kind: plugin for plugin, kinds in plugins.declared_kinds.items() for kind in kinds}
    table = [Owned(route) for route in own]
    table += [
        Owned(route, origin.get(kind), default=True) for kind, routes in (defaults or {}).items() for route in routes
    ]
    for default in table[len(own) :]:
        _demand_free(default, own)
    for plugin, result in plugins.routes(KindSpawns):
        for route in check_items(plugin, HOOK, result, Route):
            kinds = plugins.declared_kinds.get(plugin, frozenset())
            if (fault := next(_faults(route, plugin, kinds), None)) is not None:
                raise PluginError(f"The route {_shown(route)} of the plugin {plugin!r} {fault}")
            _put(route, plugin, table)
    for dialect, owner in _dialects(table).items():
        _demand_sole(dialect, owner, table)
    return tuple(owned.route for owned in table)


def _put(route: Route, plugin: str, table: list[Owned]) -> None:
    """Add a route of a plugin to the table: in the place of the generic one that it replaces, else at the end.

    Raises:
        PluginError: It hides another route, or is hidden by one.

    """
    others = [other for other in table if not _replaces(route, plugin, other)]
    _demand_new(route, plugin, others)
    # The place counts: of two routes that fit a request, the first one answers.
    place = next((index for index, other in enumerate(table) if _replaces(route, plugin, other)), len(table))
    _demand_reached(route, plugin, table[:place])
    table[:] = others
    table.insert(place, Owned(replace(route, handler=guarded(plugin, route)), plugin))


def _demand_reached(route: Route, plugin: str, before: Sequence[Owned]) -> None:
    """Refuse a route for which a route before it answers all requests.

    Raises:
        PluginError: There is such a route.

    """
    for other in before:
        known = other.route
        if known.method == route.method and covers(known.path, route.path):
            raise PluginError(
                f"The plugin {plugin!r} has a route {_shown(route)}, but {other.owner} before it: no request reaches "
                "it. Change its path."
            )


def _demand_free(default: Owned, own: Sequence[Route]) -> None:
    """Refuse a kind whose generic routes have a path of spawnpenny itself.

    Raises:
        PluginError: One has.

    """
    taken = next((Owned(known) for known in own if overlap(known.path, default.route.path)), None)
    if taken is not None:
        raise PluginError(
            f"A kind of the plugin {default.plugin!r} has the route {_shown(default.route)}, but {taken.owner}. "
            "Change the plural of the kind."
        )


def _replaces(route: Route, plugin: str, other: Owned) -> bool:
    """Return whether a route takes the place of a generic one of a kind that its plugin declares."""
    known = other.route
    return (
        other.default
        and other.plugin == plugin
        and (route.method, shape(route.path)) == (known.method, shape(known.path))
    )


def _demand_new(route: Route, plugin: str, table: Sequence[Owned]) -> None:
    """Refuse a route that hides another one, or is hidden by it.

    A path belongs to one owner, with all its methods. Within a plugin, two routes may overlap: the first one counts.
    """
    for other in table:
        if route.name == other.route.name:
            raise PluginError(f"The plugin {plugin!r} has a route with the name {route.name!r}, and {other.owner}.")
        if not overlap(route.path, other.route.path):
            continue
        same = shape(route.path) == shape(other.route.path)
        if other.plugin == plugin and (not same or route.method != other.route.method):
            continue
        raise PluginError(
            f"The plugin {plugin!r} has a route {_shown(route)}, but {other.owner}. A path has one owner: change it."
        )


def _dialects(table: Sequence[Owned]) -> dict[Dialect, str | None]:
    """Return the foreign protocols of the routes, each with its plugin."""
    return {owned.route.dialect: owned.plugin for owned in table if owned.route.dialect is not None}


def _demand_sole(dialect: Dialect, plugin: str | None, table: Sequence[Owned]) -> None:
    """Refuse a foreign protocol that is not that of all routes under its prefix, and of no others."""
    for owned in table:
        inside = is_under(owned.route.path, dialect.prefix)
        if inside and owned.route.dialect is not dialect:
            raise PluginError(
                f"The plugin {plugin!r} has the protocol {dialect.name!r} under {dialect.prefix}, but there "
                f"{owned.owner}."
            )
        if not inside and owned.route.dialect is dialect:
            raise PluginError(
                f"The plugin {plugin!r} has the protocol {dialect.name!r} under {dialect.prefix}: the path "
                f"{owned.route.path} is outside of it."
            )


def _shown(route: Route) -> str:
    return f"{str(route.method)[:10]} {str(route.path)[:120]}"


def _faults(route: Route, plugin: str, kinds: frozenset[str]) -> Iterator[str]:
    """Yield what is wrong with a route, each as the rest of a sentence."""
    if route.method not in _METHODS:
        yield f"has the method {route.method!r}: write one of {', '.join(_METHODS)}."
    yield from _path_faults(route.path)
    owners = sorted(
        {plugin, *kinds, *([route.dialect.name] if route.dialect is not None and _is_dialect(route.dialect) else [])}
    )
    if not isinstance(route.name, str) or not _NAME.fullmatch(route.name) or route.name.split(".")[0] not in owners:
        begins = " or ".join(f"{owner}." for owner in owners)
        yield f"has the name {str(route.name)[:63]!r}: begin with {begins}, and go on in lower case."
    if not isinstance(route.summary, str) or not route.summary.strip() or len(route.summary) > _MAX_SUMMARY:
        yield "has no summary: write one line for the OpenAPI document."
    if not inspect.iscoroutinefunction(route.handler):
        yield "has a handler that is not `async def`."
    yield from _access_faults(route)
    if route.dialect is not None and not _is_dialect(route.dialect):
        yield "has a dialect that is no Dialect with a name and a prefix such as /gateway."
    yield from _schema_faults(route)
    yield from _answer_faults(route.answers)
    yield from _refusal_faults(route.refusals)


def _is_dialect(dialect: Any) -> bool:
    prefix = getattr(dialect, "prefix", None)
    return (
        isinstance(dialect, Dialect)
        and isinstance(getattr(dialect, "name", None), str)
        and isinstance(prefix, str)
        and _PREFIX.fullmatch(prefix) is not None
        and prefix != "/v1"
    )


def _path_faults(path: Any) -> Iterator[str]:
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        yield "has a wrong path: after each /, write letters, digits, ., _, ~ and -, or one name in braces: {name}."
        return
    parts = PART.findall(path)
    if len(parts) > len(set(parts)):
        yield "has two parts of one name in its path."


def _access_faults(route: Route) -> Iterator[str]:
    if not isinstance(route.access, Access):
        yield "has no access: take one of spawnpenny.api.http, such as READ, or make one with Access."
    elif route.access.own and not route.access.about_caller and "{user}" not in str(route.path):
        yield "opens to scopes for the caller's own user, but has no part {user} in its path."


def _schema_faults(route: Route) -> Iterator[str]:
    for what, schema, base in (("query", route.query, QuerySchema), ("body", route.body, BodySchema)):
        if schema is not None and not (inspect.isclass(schema) and issubclass(schema, base)):
            yield f"has a {what} that is not a subclass of {base.__name__}."
    if inspect.isclass(route.body) and not isinstance(getattr(route.body, "example", None), dict):
        yield "has a body without an example."


def _answer_faults(answers: Any) -> Iterator[str]:
    if not isinstance(answers, Mapping) or not answers:
        yield "has no answers: write a mapping of HTTP statuses to Answer objects."
        return
    for status, answer in answers.items():
        if status not in _ANSWERS or not isinstance(answer, Answer):
            yield f"has a wrong answer {status!r}: write an HTTP status and an Answer."
        elif not (
            answer.body is None
            or isinstance(answer.body, str | tuple)
            or (inspect.isclass(answer.body) and issubclass(answer.body, Schema))
        ):
            yield f"has an answer {status} with a body that is neither a Schema nor a media type."


def _refusal_faults(refusals: Any) -> Iterator[str]:
    if not isinstance(refusals, Mapping):
        yield "has wrong refusals: write a mapping of HTTP statuses to codes."
        return
    statuses = _statuses()
    for status, codes in refusals.items():
        if status not in _REFUSALS or not isinstance(codes, tuple):
            yield f"has a wrong refusal {status!r}: write an HTTP status from 400 on, and a tuple of codes."
            continue
        for code in codes:
            if not isinstance(code, str) or not _CODE.fullmatch(code):
                yield f"has the refusal {str(code)[:63]!r}: a code has lower case letters, digits and _."
            elif code in statuses and status not in statuses[code]:
                right = " or ".join(map(str, sorted(statuses[code])))
                yield f"has the refusal {code!r} with the HTTP status {status}; its status is {right}."


def _statuses() -> dict[str, set[int]]:
    """Return the HTTP statuses of all known error codes."""
    found: dict[str, set[int]] = {}
    classes = [SpawnpennyError]
    for cls in classes:
        found.setdefault(cls.code, set()).add(cls.status)
        classes += cls.__subclasses__()
    return found
