"""The form for a lab: a part of a page for people, a JSON Schema for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiohttp import web
from marshmallow import fields

from spawnpenny.auth.users import resolve_user
from spawnpenny.domain.kinds import OptionSource
from spawnpenny.domain.names import DEFAULT_LAB, MAX_LAB, NAME_PATTERN, check_lab
from spawnpenny.domain.spawns import Key
from spawnpenny.spawns.form_fit import unfitting
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.form.json_schema import form_schema, options_schema
from spawnpenny.web.form.page import form_page
from spawnpenny.web.lab_kind import LAB
from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_context import identity_of
from spawnpenny.web.request_parsing import query_of, username_of
from spawnpenny.web.route import USER_PATH, Answer, route
from spawnpenny.web.schemas.fields import OptionsField
from spawnpenny.web.schemas.incoming import QuerySchema

if TYPE_CHECKING:
    from spawnpenny.spawns.user_state import UserState

HTML: Final = "text/html"
SCHEMA: Final = "application/schema+json"
_JSON: Final = "application/json"


class QueryOptionsField(OptionsField):
    """Options as JSON in a query."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            given = json.loads(value)
        except (ValueError, RecursionError):
            raise self.make_error("invalid") from None
        return super()._deserialize(given, attr, data, **kwargs)


@dataclass(frozen=True, slots=True)
class FormQuery:
    lab: str = DEFAULT_LAB
    options: dict[str, Any] | None = None


class FormQuerySchema(QuerySchema[FormQuery]):
    model: ClassVar[type] = FormQuery
    lab = fields.String(
        metadata={
            "description": "The name of the lab; `~default` by default.",
            "pattern": NAME_PATTERN,
            "maxLength": MAX_LAB,
        }
    )
    options = QueryOptionsField(
        metadata={
            "type": "string",
            "contentMediaType": "application/json",
            "description": "A JSON object of earlier choices. The page preselects those that still fit.",
        }
    )


@route(
    "GET",
    f"{USER_PATH}/form",
    authorize.READ_FORM,
    "lab.form",
    "Read the form for a lab: HTML for a page, or a JSON Schema of `options`.",
    {200: Answer("By `Accept`: HTML, empty if there is nothing to choose, or JSON Schema.", (SCHEMA, HTML))},
    query=FormQuerySchema,
    refusals={409: ("user_conflict",)},
)
async def get_form(request: web.Request) -> web.Response:
    username = username_of(request)
    query = query_of(request, FormQuerySchema())
    return await answer_form(request, username, Key(LAB, check_lab(query.lab)), query.options)


ROUTES: Final = (get_form,)


async def answer_form(request: web.Request, username: str, key: Key, options: Mapping[str, Any] | None) -> web.Response:
    """Answer with the form for a spawn, in the media type that the caller prefers.

    ``options`` are preselected; None: those with which the spawn was last started.
    """
    service = request.app[SERVICE]
    user_state = service.spawns.user_state(username)
    user = resolve_user(
        username, identity_of(request), user_state.known if user_state else None, service.settings.users
    )
    accepted = _preferred(request.headers.getall("Accept", []))
    declared = service.plugins.kinds.get(key.kind)
    if declared is not None and not declared.has_form:
        offered = (
            service.plugins.cluster_options(user, declared.name) if declared.options is OptionSource.CLUSTER else None
        )
        text = "" if accepted == HTML else json.dumps(options_schema(offered))
        return web.Response(text=text, content_type=accepted, headers={"Vary": "Accept"})
    form = service.plugins.form_of(key.kind, user)
    short = await unfitting(service.service_context, user_state, user, key, form)
    chosen = options if options is not None else _last_options(user_state, key)
    text = form_page(form, chosen, short) if accepted == HTML else json.dumps(form_schema(form, short))
    return web.Response(text=text, content_type=accepted, headers={"Vary": "Accept"})


def _last_options(user_state: UserState | None, key: Key) -> Mapping[str, Any]:
    """Return the options with which a spawn was last started."""
    run = user_state.runs.get(key) if user_state is not None else None
    return run.record.request.options if run is not None else {}


def _preferred(accepted: list[str]) -> str:
    """Return the media type that the caller prefers; by default the schema."""
    quality = {HTML: 0.0, SCHEMA: 0.0, _JSON: 0.0}
    for part in ",".join(accepted).split(","):
        name, *parameters = (item.strip().lower() for item in part.split(";"))
        if name in quality:
            quality[name] = max(quality[name], _quality(parameters))
    best = max(quality.values())
    return next(kind for kind in (SCHEMA, _JSON, HTML) if quality[kind] == best)


def _quality(parameters: list[str]) -> float:
    given = next((parameter.removeprefix("q=") for parameter in parameters if parameter.startswith("q=")), "1")
    try:
        return float(given)
    except ValueError:
        return 0.0
