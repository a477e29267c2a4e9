"""Admission of spawns: check a request, and make the record of a new spawn."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from spawnpenny.auth.identity import Identity
from spawnpenny.auth.lab_tokens import VARIABLE, new_lab_token
from spawnpenny.domain.answers import check_options
from spawnpenny.domain.cluster_options import check_cluster_options, secret_options
from spawnpenny.domain.events import EventLog
from spawnpenny.domain.kinds import Kinds, OptionSource
from spawnpenny.domain.names import Names
from spawnpenny.domain.spawns import MAX_SPAWNS, Desired, Key, Phase, SpawnRequest, StepProgress
from spawnpenny.domain.users import User
from spawnpenny.errors import NameCollisionError
from spawnpenny.kubernetes.pods.grace_period import longest_grace
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.errors import SpawnNotRunningError, StartConflictError, TlsUnsupportedError, TooManySpawnsError
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.spawn_context import SpawnContext
from spawnpenny.spawns.spawn_record import Replaced, SpawnRecord
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.user_state import UserState

MARGIN: Final = 5.0
"""Seconds by which our deadline is earlier than the caller's, so that the caller hears the true reason."""
_SHORTEST: Final = 1.0
"""The shortest time for a start, in seconds, if its caller waits hardly longer than ``MARGIN``."""
_WHY_NOT_UP: Final[Mapping[Phase, str]] = {
    Phase.UNDOING: "has failed",
    Phase.FAILED: "has failed",
    Phase.EXITED: "has ended",
    Phase.SUCCEEDED: "has run to its end",
}


def make_spawn(
    service_context: ServiceContext, user_state: UserState, key: Key, request: SpawnRequest, *, identity: Identity
) -> ActiveSpawn:
    """Check a request and return a new spawn of a user. Nothing is written or started yet.

    Raises:
        InvalidRequestError, QuotaExceededError, NameCollisionError, TooManySpawnsError: The request is refused.

    """
    context = draft(service_context, user_state, key, request, identity=identity)
    record = context.run.record
    record.replaces = to_replace(user_state, user_state.runs.get(key))
    if request.timeout is None:  # a caller with a timeout waits no longer
        record.deadline += _grace_of_replaced(context)
    refuse_collision(context)
    choose(context)
    _check(context)
    return context.run


def draft(
    service_context: ServiceContext, user_state: UserState, key: Key, request: SpawnRequest, *, identity: Identity
) -> SpawnContext:
    """Return a new spawn of a user, unchecked."""
    now = time.time()
    record = SpawnRecord(
        key=key,
        id=secrets.token_hex(8),
        generation=user_state.record.generation,
        request=request,
        started_by=identity.name,
        started_as_user=identity.username == user_state.username,
        requested_at=now,
        deadline=now + _seconds_to_start(service_context, request),
        scale=request.scale,
        log=EventLog(user_state.record.generation),
    )
    return SpawnContext(service_context, user_state, ActiveSpawn(record))


def choose(context: SpawnContext) -> None:
    """Check the options against the offered ones, and give the spawn its lab token.

    Raises:
        InvalidRequestError: An option is unknown, its value is not offered, or there are too many workers.

    """
    record, user, plugins = context.run.record, context.user_state.record.user, context.service_context.plugins
    kind = plugins.kinds[record.key.kind]
    kind.check_workers(record.scale.total, "scale.count")
    if kind.has_form:
        options = check_options(plugins.form_of(kind.name, user), record.request.options)
        record.request = replace(record.request, options=options)
    if kind.lab_token:
        env = {**record.request.env, VARIABLE: new_lab_token(context.names)}
        record.request = replace(record.request, env=env)
    if kind.options is OptionSource.CLUSTER:
        offered = plugins.cluster_options(user, context.run.record.key.kind)
        record.choose(check_cluster_options(offered, record.request.options), secret=secret_options(offered))


def hostnames(service_context: ServiceContext, username: str, key: Key) -> tuple[str, ...]:
    """Return the subject alternative names that the certificate of a spawn needs, as ``DNS:…`` or ``IP:…``.

    They follow from names alone, before any object exists.

    Raises:
        TlsUnsupportedError: No step of the pipeline serves TLS.

    """
    names = Names.of(username, key.kind, key.name, prefix=service_context.settings.namespaces.prefix)
    ordered = service_context.plugins.pipelines.get(key.kind)
    services = [service for step in (ordered.steps if ordered else ()) for service in step.services(names)]
    if not services:
        raise TlsUnsupportedError(service_context.plugins.kinds.title(key.kind))
    cluster = service_context.cluster
    return tuple(_alternative_name(cluster.service_host(names.namespace, service)) for service in services)


def conflict(existing: ActiveSpawn, key: Key, kinds: Kinds) -> StartConflictError:
    """Return the error that refuses a start because of another one."""
    phase, what = existing.record.phase, kinds.describe(key)
    return StartConflictError(
        f"Another start of the {what} is already {phase}.",
        phase=phase,
        start=existing.record.request.start,
    )


def demand_up(run: ActiveSpawn, kinds: Kinds) -> None:
    """Refuse to change a spawn that is ending.

    Raises:
        SpawnNotRunningError: It is being stopped, has failed or has ended.

    """
    phase, key = run.record.phase, run.record.key
    if run.record.desired is Desired.GONE or phase.over or phase is Phase.UNDOING:
        why = f" {run.record.reason.message}" if run.record.reason else ""
        ending = _WHY_NOT_UP.get(phase, "is being stopped")
        raise SpawnNotRunningError(f"The {kinds.describe(key)} {ending}.{why}", phase=phase)


def refuse_collision(context: SpawnContext) -> None:
    """Refuse a name that gives the same Kubernetes name as another spawn of the user.

    Raises:
        NameCollisionError: The two names collide.

    """
    names, key = context.names, context.run.record.key
    prefix = context.service_context.settings.namespaces.prefix
    for other in context.user_state.runs:
        taken = Names.of(context.user_state.username, other.kind, other.name, prefix=prefix)
        if other != key and taken.base == names.base:
            raise NameCollisionError(
                key.name, names.base, what=f"another {context.service_context.plugins.kinds.title(key.kind)}'s name"
            )


def trial(user_state: UserState, user: User, identity: Identity, *, commissioned: bool) -> UserState:
    """Return a copy of the user state as it will be if the write succeeds. It shares its spawns with the original."""
    uid_verified = (
        commissioned
        or user_state.record.uid_verified
        or (identity.username == user.username and identity.uid is not None)
    )
    record = replace(
        user_state.record,
        user=user,
        commissioned=commissioned or user_state.record.commissioned,
        uid_verified=uid_verified,
        generation=user_state.record.generation + 1,
        spawns=dict(user_state.record.spawns),
    )
    return UserState(user_state.slug, record, runs=user_state.runs)


def oldest_history(user_state: UserState, key: Key) -> ActiveSpawn | None:
    """Return the ended spawn that has to make room for a new one, or None if there is room.

    Raises:
        TooManySpawnsError: There is no room, and no spawn is over.

    """
    if key in user_state.record.spawns or len(user_state.record.spawns) < MAX_SPAWNS:
        return None
    over = user_state.history()
    if not over:
        leaving = any(spawn.leaving for spawn in user_state.record.spawns.values())
        way_out = "Some of them are ending: try again in a moment." if leaving else "Stop one first."
        raise TooManySpawnsError(
            f"{user_state.username} already has {MAX_SPAWNS} spawns, the most that one user may have. {way_out}",
            retry_after=5 if leaving else 30,
        )
    return over[0]


def to_replace(user_state: UserState, existing: ActiveSpawn | None) -> list[Replaced]:
    """Return the spawns that must be gone before a new one can take the place of ``existing``.

    Raises:
        TooManySpawnsError: As many as a record holds are still being deleted.

    """
    if existing is None or existing.record.reverted:
        return []
    replaces = [*existing.record.replaces, Replaced(existing.record.id, existing.record.uids)]
    if len(replaces) - (existing.started == set()) > MAX_SPAWNS:
        raise TooManySpawnsError(
            f"{len(replaces)} earlier starts of {user_state.username} are still being deleted. Try again later.",
            retry_after=30,
        )
    return replaces


def _alternative_name(host: str) -> str:
    try:
        return f"IP:{ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _grace_of_replaced(context: SpawnContext) -> float:
    """Return the seconds that the pods of replaced spawns get to end before this one can start."""
    pods = context.service_context.pods.within(context.names.namespace)
    return max((longest_grace(pods, replaced.id) for replaced in context.run.record.replaces), default=0)


def _seconds_to_start(service_context: ServiceContext, request: SpawnRequest) -> float:
    longest = service_context.settings.deadlines.spawn
    if request.timeout is None:
        return longest
    return min(longest, max(request.timeout - MARGIN, min(request.timeout, _SHORTEST)))


def _check(context: SpawnContext) -> None:
    steps, record, view = context.pipeline.steps, context.run.record, StepView(context)
    record.steps = [StepProgress(step.name) for step in steps]
    record.resources = view.budget.resources()
    if record.request.tls is not None:  # refused if no step would use it
        hostnames(context.service_context, context.user_state.username, record.key)
    for step in steps:
        step.check(view.spawn())
    view.budget.demand_room_for_workers()
    for step in steps:
        record.secrets |= step.secrets(view.spawn())
