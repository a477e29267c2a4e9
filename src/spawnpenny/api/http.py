"""The names that a plugin with routes may import, beside those of ``spawnpenny.api``. They need aiohttp."""

from spawnpenny.domain.spawns import Reason, SpawnRequest
from spawnpenny.errors import InvalidRequestError
from spawnpenny.spawns.errors import SpawnNotRunningError
from spawnpenny.web.errors import MalformedBodyError, TooManyRequestsError
from spawnpenny.web.kind_spawns import KindSpawns, ScaledSpawn, SpawnPage, StartedSpawn
from spawnpenny.web.middleware.authorize import (
    ADMIN,
    COMMISSION,
    PUBLIC,
    READ,
    READ_ALL,
    SPAWN,
    STOP,
    Access,
)
from spawnpenny.web.request_context import identity_of
from spawnpenny.web.request_parsing import body_of, query_of, user_of
from spawnpenny.web.route import BODY_REFUSED, CHANGE_REFUSED, NO_MORE_EVENTS, START_REFUSED, Answer, Route
from spawnpenny.web.schemas.fields import (
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
from spawnpenny.web.schemas.responses import ReasonView, SpawnView
from spawnpenny.web.spawn_state import SpawnState

__all__ = [
    "ADMIN",
    "BODY_REFUSED",
    "CHANGE_REFUSED",
    "COMMISSION",
    "NO_MORE_EVENTS",
    "PUBLIC",
    "READ",
    "READ_ALL",
    "SPAWN",
    "START_REFUSED",
    "STOP",
    "Access",
    "Answer",
    "BodySchema",
    "EnvField",
    "EventsQuery",
    "EventsQuerySchema",
    "InvalidRequestError",
    "KindSpawns",
    "MalformedBodyError",
    "NoQuerySchema",
    "OptionsField",
    "PageQuery",
    "PageQuerySchema",
    "PagedQuerySchema",
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
    "StartedSpawn",
    "TooManyRequestsError",
    "body_of",
    "field_messages",
    "identity_of",
    "integer_field",
    "query_of",
    "start_field",
    "user_of",
]
