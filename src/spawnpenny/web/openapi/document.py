"""Generate the OpenAPI document from the table of routes."""

from __future__ import annotations

import json
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
    from collections.abc import Iterable, Mapping

    from spawnpenny.web.route import Answer, Codes, Route

_LOCATIONS: Final = {
    "user": ("The username, percent-encoded.", MAX_USERNAME),
    "cluster": ("The Dask cluster's name.", MAX_CLUSTER),
    "lab": ("The lab's name, percent-encoded; `~default` is the default one.", MAX_LAB),
}
_COMMON: Final = {
    401: ("unauthenticated",),
    403: ("forbidden",),
    422: ("request_invalid", "name_invalid"),
    429: ("too_many_requests",),
    503: ("not_ready",),
}


class Document:
    """The OpenAPI document of routes, written once as JSON and as a page: everybody may ask for them."""

    def __init__(self, routes: Iterable[Route], *, cookie: str) -> None:
        self._content = make_document(routes, cookie=cookie)

    @cached_property
    def json(self) -> bytes:
        return json.dumps(self._content).encode()

    def under(self, prefix: str) -> bytes:
        """Return it for a caller who reaches the routes under a prefix; empty for none."""
        if not prefix:
            return self.json
        return json.dumps({**self._content, "servers": [{"url": prefix}]}).encode()

    @cached_property
    def page(self) -> bytes:
        return render(self._content).encode()


def make_document(routes: Iterable[Route], *, cookie: str) -> dict[str, Any]:
    """Return the OpenAPI document; ``cookie`` is the name of the cookie that routes of the gateway protocol take."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(
        title="spawnpenny",
        version=version("spawnpenny"),
        openapi_version="3.1.0",
        info={"description": "Creates, in a Kubernetes namespace per user, all that a JupyterHub spawn needs."},
        plugins=[plugin],
    )
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme("gatewayCookie", {"type": "apiKey", "in": "cookie", "name": cookie})
    with warnings.catch_warnings():
        # A schema without a name of its own in the components is what is meant here, for queries.
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
        "summary": route.summary.replace("`", ""),  # plain text, where descriptions are Markdown
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if not route.access.public:
        operation["security"] = [{"token": []}, *([{"gatewayCookie": []}] if route.access.gateway else [])]
        operation["x-scopes"] = {"any": sorted(route.access.any), "own": sorted(route.access.own)}
        operation["description"] = _scopes(route.access.any, route.access.own)
    if route.body is not None:
        content = {"application/json": {"schema": route.body, "example": route.body.example}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _scopes(everybody: Iterable[str], own: Iterable[str]) -> str:
    """Say which scopes open a route."""
    needed, theirs = (" or ".join(f"`{scope}`" for scope in sorted(scopes)) for scopes in (everybody, own))
    return f"Needs the scope {needed}" + (f", or for the token's own user {theirs}." if theirs else ".")


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "in": "path",
            "name": name,
            "required": True,
            "description": told,
            "schema": {"type": "string", "minLength": 1, "maxLength": most, "pattern": NAME_PATTERN},
        }
        for name, (told, most) in _LOCATIONS.items()
        if f"{{{name}}}" in route.path
    ]
    if route.query is not None:
        found.append({"in": "query", "schema": route.query})
    return found


def _responses(route: Route) -> dict[str, Any]:
    responses = {str(status): _response(answer) for status, answer in route.answers.items()}
    common = {} if route.access.public or not route.problems else _COMMON
    refusals = _merged(common, route.refusals)
    for status, codes in sorted(refusals.items()):
        responses[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in codes),
            "content": {CONTENT_TYPE: {"schema": ProblemView}},
        }
    return responses


def _merged(common: Mapping[int, Codes], own: Mapping[int, Codes]) -> dict[int, Codes]:
    return {status: (*common.get(status, ()), *own.get(status, ())) for status in common.keys() | own.keys()}


def _response(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.meaning}
    if isinstance(answer.body, str | tuple):
        kinds = (answer.body,) if isinstance(answer.body, str) else answer.body
        response["content"] = {kind: {"schema": {"type": "object" if "json" in kind else "string"}} for kind in kinds}
    elif answer.body is not None:
        response["content"] = {"application/json": {"schema": answer.body}}
    return response
