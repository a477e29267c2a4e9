"""The OpenAPI document, generated from the routes."""

from __future__ import annotations

import json
import re
import warnings
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from spawnpenny.domain.names import MAX_CLUSTER, MAX_LAB, MAX_USERNAME, NAME_PATTERN
from spawnpenny.web.middleware.errors import CONTENT_TYPE
from spawnpenny.web.openapi.page import render
from spawnpenny.web.schemas.responses import ProblemView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spawnpenny.web.dialect import Dialect
    from spawnpenny.web.route import Answer, Codes, Route

_LOCATIONS: Final = {
    "user": ("The username, percent-encoded.", MAX_USERNAME),
    "cluster": ("The name of the cluster.", MAX_CLUSTER),
    "lab": ("The name of the lab, percent-encoded. `~default` is the default lab.", MAX_LAB),
}
_PART: Final = re.compile(r"\{(\w+)\}")
_COMMON: Final = {
    401: ("unauthenticated",),
    403: ("forbidden",),
    422: ("request_invalid", "name_invalid"),
    429: ("too_many_requests",),
    503: ("not_ready",),
}


class Document:
    """The OpenAPI document of routes as JSON and as a page. Each is made once, as anybody may request it."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._content = make_document(routes)

    @cached_property
    def json(self) -> bytes:
        return json.dumps(self._content).encode()

    def under(self, prefix: str) -> bytes:
        """Return the document for callers who reach the routes under a path prefix, which may be empty."""
        if not prefix:
            return self.json
        return json.dumps({**self._content, "servers": [{"url": prefix}]}).encode()

    @cached_property
    def page(self) -> bytes:
        return render(self._content).encode()


def make_document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the OpenAPI document."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(
        title="spawnpenny",
        version=version("spawnpenny"),
        openapi_version="3.1.0",
        info={"description": "Creates everything that a JupyterHub spawn needs, in one Kubernetes namespace per user."},
        plugins=[plugin],
    )
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for dialect in dict.fromkeys(route.dialect for route in routes if route.dialect):
        if dialect.cookie:
            scheme = {"type": "apiKey", "in": "cookie", "name": dialect.cookie}
            spec.components.security_scheme(_cookie_scheme(dialect), scheme)
    with warnings.catch_warnings():
        # Schemas of queries have no name in the components, on purpose.
        warnings.simplefilter("ignore", UserWarning)
        for route in routes:
            spec.path(path=route.path, operations={route.method.lower(): _operation(route)})
        return spec.to_dict()


def _name(schema: type[Schema] | Schema | str) -> str:
    name = schema if isinstance(schema, str) else getattr(schema, "__name__", type(schema).__name__)
    return name.removesuffix("View").removesuffix("Schema")


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.name.partition(".")[0]],
        "summary": route.summary.replace("`", ""),  # plain text; only descriptions are Markdown
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if not route.access.public:
        cookie: list[dict[str, list[str]]] = (
            [{_cookie_scheme(route.dialect): []}] if route.dialect and route.dialect.cookie else []
        )
        operation["security"] = [{"token": []}, *cookie]
        operation["x-scopes"] = {"any": sorted(route.access.any), "own": sorted(route.access.own)}
        operation["description"] = _scopes(route.access.any, route.access.own)
    if route.body is not None:
        content = {"application/json": {"schema": route.body, "example": route.body.example}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _cookie_scheme(dialect: Dialect) -> str:
    return f"{dialect.name}Cookie"


def _scopes(everybody: Iterable[str], own: Iterable[str]) -> str:
    """Return the sentence that says which scopes open a route."""
    of_all, of_own = _one_of(everybody), _one_of(own)
    if not of_all:
        return f"Needs the scope {of_own}, and is about the token's own user."
    return f"Needs the scope {of_all}." + (f" For the token's own user, {of_own} is enough." if of_own else "")


def _one_of(scopes: Iterable[str]) -> str:
    *others, last = [f"`{scope}`" for scope in sorted(scopes)] or [""]
    return f"{', '.join(others)} or {last}" if others else last


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "in": "path",
            "name": name,
            "required": True,
            "description": description,
            "schema": {"type": "string", "minLength": 1, "maxLength": most, "pattern": NAME_PATTERN},
        }
        for name, (description, most) in _parts(route.path)
    ]
    if route.query is not None:
        found.append({"in": "query", "schema": route.query})
    return found


def _parts(path: str) -> list[tuple[str, tuple[str, int]]]:
    """Return the parts of a path, with their descriptions and greatest lengths."""
    return [(name, _LOCATIONS.get(name, (f"The {name}, percent-encoded.", MAX_LAB))) for name in _PART.findall(path)]


def _responses(route: Route) -> dict[str, Any]:
    responses = {str(status): _response(answer) for status, answer in route.answers.items()}
    common = {} if route.access.public or route.dialect else _COMMON
    refusals = _merged(common, route.refusals)
    for status, codes in sorted(refusals.items()):
        responses[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in codes),
            "content": {CONTENT_TYPE: {"schema": ProblemView}},
        }
    return responses


def _merged(common: Mapping[int, Codes], own: Mapping[int, Codes]) -> dict[int, Codes]:
    return {
        status: tuple(dict.fromkeys((*common.get(status, ()), *own.get(status, ()))))
        for status in common.keys() | own.keys()
    }


def _response(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.meaning}
    if isinstance(answer.body, str | tuple):
        kinds = (answer.body,) if isinstance(answer.body, str) else answer.body
        response["content"] = {kind: {"schema": {"type": "object" if "json" in kind else "string"}} for kind in kinds}
    elif answer.body is not None:
        response["content"] = {"application/json": {"schema": answer.body}}
    return response
