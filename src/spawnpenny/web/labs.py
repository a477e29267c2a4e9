"""Labs: the routes that every kind has, and what only labs have: purge, TLS, host names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Final

from aiohttp import web

from spawnpenny.domain.kinds import Kind, OptionSource
from spawnpenny.domain.spawns import Key, Phase
from spawnpenny.errors import StorageKeptError
from spawnpenny.serving.metrics.families import gauges
from spawnpenny.web.app_keys import SERVICE
from spawnpenny.web.errors import LabNotFoundError
from spawnpenny.web.kinds.handlers import KindHandlers
from spawnpenny.web.kinds.routes import routes_of
from spawnpenny.web.kinds.schemas import KindSchemas
from spawnpenny.web.lab_kind import LAB
from spawnpenny.web.middleware import authorize
from spawnpenny.web.request_context import demand_purge, identity_of
from spawnpenny.web.request_parsing import lab_of, query_of, username_of
from spawnpenny.web.route import USER_PATH, Answer, route
from spawnpenny.web.schemas.labs import LabBody, StopLabQuerySchema
from spawnpenny.web.schemas.queries import NoQuerySchema
from spawnpenny.web.schemas.responses import HostnamesView, LabsView, LabView, StoppingLabView, UserLabsView, lab_view
from spawnpenny.web.spawns import answer_stop

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from spawnpenny.service import Service
    from spawnpenny.web.kinds.views import Viewer

_KIND: Final = Kind(LAB, "labs", "lab", options=OptionSource.FORM, name_field=LAB, from_labs=False)
"""The kind as the routes know it: they exist with whichever plugin, and without."""


class LabHandlers(KindHandlers):
    """Handlers for labs, with the body and the answers that Hubs know."""

    body = LabBody
    stop_query = StopLabQuerySchema
    start_refusals: ClassVar = {
        **KindHandlers.start_refusals,
        409: (*KindHandlers.start_refusals[409], "storage_in_use"),
        422: (*KindHandlers.start_refusals[422], "tls_unsupported"),
    }
    stop_refusals: ClassVar = {403: ("forbidden",), 409: ("storage_kept", "user_conflict"), 429: ("too_many_spawns",)}

    def name_of(self, request: web.Request) -> str:
        return lab_of(request)

    def viewer(self, service: Service, username: str) -> Viewer:
        return lambda run: lab_view(username, run)

    def not_found(self, username: str, name: str) -> LabNotFoundError:
        return LabNotFoundError(username, name)

    async def stop(self, request: web.Request) -> web.Response:
        username, key = username_of(request), self.key_of(request)
        query = query_of(request, self.stop_query())
        if not query.purge:
            return await super().stop(request)
        demand_purge(request)
        service = request.app[SERVICE]
        run = await service.spawns.purge(username, key, identity=identity_of(request), start=query.start)
        answer = await answer_stop(request, username, run, query.wait, self.viewer(service, username))
        if run is not None and run.gone and run.kept:
            raise StorageKeptError(run.kept)
        return answer


@route(
    "GET",
    f"{USER_PATH}/labs/{{lab}}/hostnames",
    authorize.READ,
    "lab.hostnames",
    "List the host names of a lab for its TLS certificate, also before it starts.",
    {200: Answer("The names that the certificate needs.", HostnamesView)},
    refusals={422: ("tls_unsupported",)},
)
async def get_hostnames(request: web.Request) -> web.Response:
    query_of(request, NoQuerySchema())
    key = Key(LAB, lab_of(request))
    found = request.app[SERVICE].spawns.hostnames(username_of(request), key)
    return web.json_response({"hostnames": found})


ROUTES: Final = (
    *routes_of(LabHandlers(_KIND), KindSchemas(LabView, StoppingLabView, UserLabsView, LabsView)),
    get_hostnames,
)


def lab_gauges(service: Service) -> Iterable[Metric]:
    """Yield the gauge of the labs that this replica looks after."""
    phases = Counter(
        run.record.phase
        for user_state in service.spawns.user_states()
        for key, run in user_state.runs.items()
        if key.kind == LAB
    )
    by_phase = {phase.value: phases[phase] for phase in Phase}
    yield gauges("spawnpenny_labs", "Labs, by phase.", "phase", by_phase)
