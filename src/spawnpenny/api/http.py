"""The names that a plugin with routes may import, beside those of ``spawnpenny.api``. They need aiohttp."""

from spawnpenny.advice import advice
from spawnpenny.aio.pacing import paced
from spawnpenny.domain.names import MAX_OWN_CLUSTER, cluster_name, is_own_cluster_name, own_cluster_name
from spawnpenny.domain.proxy_names import proxy_name
from spawnpenny.domain.spawns import Reason, SpawnRequest
from spawnpenny.domain.worker_groups import check_group, group_names
from spawnpenny.errors import InvalidRequestError
from spawnpenny.kubernetes.pods.status import has_started as pod_has_started
from spawnpenny.kubernetes.pods.status import has_succeeded as pod_has_succeeded
from spawnpenny.kubernetes.pods.status import is_deleted as pod_is_deleted
from spawnpenny.kubernetes.pods.status import is_over as pod_is_over
from spawnpenny.serving.prefix import outer_path, prefix_of
from spawnpenny.spawns.active import EndedPart, HeldBack
from spawnpenny.spawns.errors import SpawnNotRunningError
from spawnpenny.web.dialect import Dialect
from spawnpenny.web.errors import MalformedBodyError, TooManyRequestsError, UnknownTicketError
from spawnpenny.web.health import HealthView
from spawnpenny.web.kind_spawns import KindSpawns, ScaledSpawn, SpawnPage, StartedSpawn
from spawnpenny.web.metrics.plugin_gauges import PluginGauge, SpawnsHere
from spawnpenny.web.middleware.authorize import (
    ADMIN,
    COMMISSION,
    OWN_SPAWNS,
    PUBLIC,
    READ,
    READ_ALL,
    ROUTES,
    SPAWN,
    STOP,
    Access,
)
from spawnpenny.web.request_context import identity_of
from spawnpenny.web.request_parsing import body_of, cluster_of, query_of, start_of, user_of
from spawnpenny.web.route import BODY_REFUSED, CHANGE_REFUSED, NO_MORE_EVENTS, START_REFUSED, Answer, Route
from spawnpenny.web.schemas.fields import (
    MAX_WAIT,
    EnvField,
    OptionsField,
    QuerySecondsField,
    SecondsField,
    integer_field,
    start_field,
)
from spawnpenny.web.schemas.incoming import BodySchema, QuerySchema, field_messages
from spawnpenny.web.schemas.queries import (
    EventsQuery,
    EventsQuerySchema,
    NoQuerySchema,
    PagedQuerySchema,
    PageQuery,
    PageQuerySchema,
)
from spawnpenny.web.schemas.responses import ReasonView, SpawnView, described, grace_field, next_field, unknown_field
from spawnpenny.web.spawn_state import SpawnState
from spawnpenny.web.tickets import TicketBody, TicketView

__all__ = [
    "ADMIN",
    "BODY_REFUSED",
    "CHANGE_REFUSED",
    "COMMISSION",
    "MAX_OWN_CLUSTER",
    "MAX_WAIT",
    "NO_MORE_EVENTS",
    "OWN_SPAWNS",
    "PUBLIC",
    "READ",
    "READ_ALL",
    "ROUTES",
    "SPAWN",
    "START_REFUSED",
    "STOP",
    "Access",
    "Answer",
    "BodySchema",
    "Dialect",
    "EndedPart",
    "EnvField",
    "EventsQuery",
    "EventsQuerySchema",
    "HealthView",
    "HeldBack",
    "InvalidRequestError",
    "KindSpawns",
    "MalformedBodyError",
    "NoQuerySchema",
    "OptionsField",
    "PageQuery",
    "PageQuerySchema",
    "PagedQuerySchema",
    "PluginGauge",
    "QuerySchema",
    "QuerySecondsField",
    "Reason",
    "ReasonView",
    "Route",
    "ScaledSpawn",
    "SecondsField",
    "SpawnNotRunningError",
    "SpawnPage",
    "SpawnRequest",
    "SpawnState",
    "SpawnView",
    "SpawnsHere",
    "StartedSpawn",
    "TicketBody",
    "TicketView",
    "TooManyRequestsError",
    "UnknownTicketError",
    "advice",
    "body_of",
    "check_group",
    "cluster_name",
    "cluster_of",
    "described",
    "field_messages",
    "grace_field",
    "group_names",
    "identity_of",
    "integer_field",
    "is_own_cluster_name",
    "next_field",
    "outer_path",
    "own_cluster_name",
    "paced",
    "pod_has_started",
    "pod_has_succeeded",
    "pod_is_deleted",
    "pod_is_over",
    "prefix_of",
    "proxy_name",
    "query_of",
    "start_field",
    "start_of",
    "unknown_field",
    "user_of",
]
