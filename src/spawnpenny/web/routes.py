"""Routes of labs, users and the service: for the router, authorization, the audit log and the OpenAPI document."""

from __future__ import annotations

from typing import Final

from spawnpenny.web.events import lab_events, user_events
from spawnpenny.web.form.handler import HTML, SCHEMA, FormQuerySchema, get_form
from spawnpenny.web.health import HealthView, ReadyView, get_healthz, get_metrics, get_readyz
from spawnpenny.web.labs import get_hostnames, get_lab, list_labs, list_labs_of_user, start_lab, stop_lab
from spawnpenny.web.middleware import authorize
from spawnpenny.web.openapi.handler import get_docs, get_openapi, get_script, get_style, get_viewer_file, go_to_docs
from spawnpenny.web.pipelines import PipelinesView, PluginsView, get_pipelines, get_plugins
from spawnpenny.web.route import BODY_REFUSED, CHANGE_REFUSED, Answer, Route
from spawnpenny.web.schemas.requests import (
    DossierBody,
    EventsQuerySchema,
    LabBody,
    PageQuerySchema,
    RetireQuerySchema,
    StartQuerySchema,
    StopQuerySchema,
)
from spawnpenny.web.schemas.responses import HostnamesView, LabsView, LabView, StoppingLabView, UserLabsView, UserView
from spawnpenny.web.users import commission_user, get_user, retire_user
from spawnpenny.web.whoami import IdentityView, get_whoami

METRICS_ROUTE: Final = "service.metrics"
_USER: Final = "/v1/users/{user}"
_LAB: Final = f"{_USER}/labs/{{lab}}"
_TOO_MANY: Final = ("too_many_spawns", "too_many_requests")

LABS: Final = (
    Route(
        "PUT",
        _LAB,
        start_lab,
        authorize.SPAWN,
        "lab.start",
        "Start a lab. The same `start` again is the same lab.",
        {
            202: Answer("Accepted: it is durable, and under way.", LabView),
            200: Answer("This start is there already.", LabView),
        },
        query=StartQuerySchema,
        body=LabBody,
        refusals={
            **BODY_REFUSED,
            **CHANGE_REFUSED,
            403: ("quota_exceeded",),
            409: (
                "start_conflict",
                "foreign_start",
                "name_collision",
                "user_conflict",
                "storage_in_use",
                "purge_conflict",
            ),
            422: ("option_unknown", "option_invalid", "tls_unsupported"),
            429: _TOO_MANY,
        },
    ),
    Route(
        "GET",
        _LAB,
        get_lab,
        authorize.READ,
        "lab.get",
        "How far a lab is, and where it is reached.",
        {200: Answer("The lab.", LabView)},
        refusals={404: ("lab_not_found",)},
    ),
    Route(
        "DELETE",
        _LAB,
        stop_lab,
        authorize.STOP,
        "lab.stop",
        "Stop a lab; with `start`, only if that is the present one; with `purge=storage`, its storage goes as well.",
        {
            202: Answer("It is being stopped.", StoppingLabView),
            204: Answer("It is gone, or was not there, or is another start."),
        },
        query=StopQuerySchema,
        refusals={
            **CHANGE_REFUSED,
            403: ("forbidden",),
            409: ("storage_kept", "user_conflict"),
            429: ("too_many_spawns",),
        },
    ),
    Route(
        "GET",
        f"{_LAB}/events",
        lab_events,
        authorize.READ,
        "lab.events",
        "What happened to a lab and what happens, as server-sent events.",
        {
            200: Answer("Ends when the lab runs (without `follow`), has failed or is gone.", "text/event-stream"),
            204: Answer("Nothing came after `Last-Event-ID`, and nothing will."),
        },
        query=EventsQuerySchema,
        refusals={404: ("lab_not_found",), 429: ("too_many_requests",)},
    ),
    Route(
        "GET",
        f"{_LAB}/hostnames",
        get_hostnames,
        authorize.READ,
        "lab.hostnames",
        "Under which names a lab is reached by TLS, known before it is started.",
        {200: Answer("What its certificate has to name.", HostnamesView)},
        refusals={422: ("tls_unsupported",)},
    ),
    Route(
        "GET",
        f"{_USER}/labs",
        list_labs_of_user,
        authorize.READ,
        "lab.list",
        "A user's labs.",
        {200: Answer("All of them, by name.", UserLabsView)},
    ),
    Route(
        "GET",
        f"{_USER}/form",
        get_form,
        authorize.READ_FORM,
        "lab.form",
        "What may be chosen for a lab, as a part of a page or as a schema of `options`.",
        {200: Answer("By `Accept`: HTML, empty where there is nothing to choose, or JSON Schema.", (SCHEMA, HTML))},
        query=FormQuerySchema,
        refusals={409: ("user_conflict",)},
    ),
    Route(
        "GET",
        "/v1/labs",
        list_labs,
        authorize.READ_ALL,
        "lab.list_all",
        "All labs, a page at a time.",
        {200: Answer("One page, by user and name.", LabsView)},
        query=PageQuerySchema,
    ),
)

USERS: Final = (
    Route(
        "PUT",
        _USER,
        commission_user,
        authorize.COMMISSION,
        "user.commission",
        "Make a user known with a dossier, and run the site's orders.",
        {
            202: Answer("Accepted: it is durable, and under way.", UserView),
            200: Answer("The same dossier is active or under way already.", UserView),
        },
        body=DossierBody,
        refusals={**BODY_REFUSED, **CHANGE_REFUSED, 409: ("user_conflict", "name_collision"), 429: _TOO_MANY},
    ),
    Route(
        "GET",
        _USER,
        get_user,
        authorize.READ_USER,
        "user.get",
        "A user's dossier, and how far commissioning is.",
        {200: Answer("The user.", UserView)},
        refusals={404: ("user_not_found",)},
    ),
    Route(
        "DELETE",
        _USER,
        retire_user,
        authorize.COMMISSION,
        "user.retire",
        "Retire a user: the site's order runs, and the user's namespace goes; storage only with `purge=storage`.",
        {
            202: Answer("Accepted: it is being done.", UserView),
            204: Answer("It is done, or nothing is known of the user."),
        },
        query=RetireQuerySchema,
        refusals={**CHANGE_REFUSED, 403: ("forbidden",), 409: ("user_conflict",)},
    ),
    Route(
        "GET",
        f"{_USER}/events",
        user_events,
        authorize.READ_USER,
        "user.events",
        "What happens in a user's commissioning, as server-sent events.",
        {
            200: Answer("Ends when the user is active or has failed.", "text/event-stream"),
            204: Answer("Nothing came after `Last-Event-ID`, and nothing will."),
        },
        query=EventsQuerySchema,
        refusals={404: ("user_not_found",), 429: ("too_many_requests",)},
    ),
)

META: Final = (
    Route(
        "GET",
        "/v1/whoami",
        get_whoami,
        authorize.ANY_SCOPE,
        "service.whoami",
        "Who asks, and with which scopes.",
        {200: Answer("The identity behind the token.", IdentityView)},
    ),
    Route(
        "GET",
        "/v1/pipelines",
        get_pipelines,
        authorize.ADMIN,
        "service.pipelines",
        "The steps of each kind of spawn, in order, and why.",
        {200: Answer("All kinds.", PipelinesView)},
    ),
    Route(
        "GET",
        "/v1/plugins",
        get_plugins,
        authorize.ADMIN,
        "service.plugins",
        "The installed plugins.",
        {200: Answer("By name.", PluginsView)},
    ),
    Route(
        "GET",
        "/healthz",
        get_healthz,
        authorize.PUBLIC,
        "service.healthz",
        "Whether the service lives.",
        {200: Answer("It does.", HealthView)},
    ),
    Route(
        "GET",
        "/readyz",
        get_readyz,
        authorize.PUBLIC,
        "service.readyz",
        "Whether the service knows the cluster's state.",
        {200: Answer("It does.", ReadyView)},
        refusals={503: ("not_ready",)},
    ),
    Route(
        "GET",
        "/metrics",
        get_metrics,
        authorize.PUBLIC,
        METRICS_ROUTE,
        "What the service has counted and timed; only where `web.metrics` is set.",
        {200: Answer("Prometheus' text format.", "text/plain")},
    ),
    Route(
        "GET",
        "/openapi.json",
        get_openapi,
        authorize.PUBLIC,
        "service.openapi",
        "This API, for programs.",
        {200: Answer("OpenAPI 3.1.", "application/json")},
    ),
    Route(
        "GET",
        "/docs",
        get_docs,
        authorize.PUBLIC,
        "service.docs",
        "This API, for people.",
        {200: Answer("A page.", "text/html")},
    ),
    Route("GET", "/", go_to_docs, authorize.PUBLIC, "service.root", "Leads to /docs.", {302: Answer("To /docs.")}),
    Route(
        "GET", "/docs/", go_to_docs, authorize.PUBLIC, "service.docs_too", "Leads to /docs.", {302: Answer("To /docs.")}
    ),
    Route(
        "GET",
        "/docs/style.css",
        get_style,
        authorize.PUBLIC,
        "service.style",
        "The looks of /docs.",
        {200: Answer("A style sheet.", "text/css")},
    ),
    Route(
        "GET",
        "/docs/page.js",
        get_script,
        authorize.PUBLIC,
        "service.script",
        "The script of /docs.",
        {200: Answer("A script.", "text/javascript")},
    ),
    Route(
        "GET",
        "/docs/swagger-ui.css",
        get_viewer_file,
        authorize.PUBLIC,
        "service.viewer_style",
        "The style sheet of Swagger UI.",
        {200: Answer("A style sheet.", "text/css")},
    ),
    Route(
        "GET",
        "/docs/swagger-ui-bundle.js",
        get_viewer_file,
        authorize.PUBLIC,
        "service.viewer",
        "The script of Swagger UI.",
        {200: Answer("A script.", "text/javascript")},
    ),
)
