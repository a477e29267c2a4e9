"""Make the record of a new spawn: check the request against the plugins' offers and the user's budget."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Final

from spawnpenny.auth.identity import Identity
from spawnpenny.auth.lab_tokens import VARIABLE, new_lab_token
from spawnpenny.domain.answers import check_options
from spawnpenny.domain.cluster_options import check_cluster_options, secret_options
from spawnpenny.domain.events import EventLog
from spawnpenny.domain.spawns import Key, Kind, SpawnRequest, StepProgress
from spawnpenny.kubernetes.pods.grace_period import longest_grace
from spawnpenny.spawns.acceptance import refuse_collision, to_replace
from spawnpenny.spawns.active import ActiveSpawn
from spawnpenny.spawns.hostnames import hostnames
from spawnpenny.spawns.record import SpawnRecord
from spawnpenny.spawns.service_context import ServiceContext
from spawnpenny.spawns.user_state import UserState
from spawnpenny.spawns.views import Context

MARGIN: Final = 5.0
"""Seconds by which our deadline is earlier than the caller's, so that the caller hears the true reason."""


def make_run(
    service_context: ServiceContext, user_state: UserState, key: Key, request: SpawnRequest, *, identity: Identity
) -> ActiveSpawn:
    """Return a new spawn of a user state, of which nothing is written or begun yet.

    Raises:
        InvalidRequestError, QuotaExceededError, NameCollisionError, TooManySpawnsError: Why it is refused.

    """
    context = draft(service_context, user_state, key, request, identity=identity)
    record = context.run.record
    record.replaces = to_replace(user_state, user_state.runs.get(key))
    if request.timeout is None:  # else the caller waits no longer
        record.deadline += _grace_of_replaced(context)
    refuse_collision(context)
    choose(context)
    _check(context)
    return context.run


def draft(
    service_context: ServiceContext, user_state: UserState, key: Key, request: SpawnRequest, *, identity: Identity
) -> Context:
    """Return a new spawn of a user state before anything of it was looked at."""
    now = time.time()
    record = SpawnRecord(
        key=key,
        id=secrets.token_hex(8),
        generation=user_state.record.generation,
        request=request,
        by=identity.name,
        own=identity.username == user_state.username,
        requested_at=now,
        deadline=now + _patience(service_context, request),
        log=EventLog(user_state.record.generation),
    )
    return Context(service_context, user_state, ActiveSpawn(record))


def _grace_of_replaced(context: Context) -> float:
    """Return the seconds that the pods of what it replaces get to end, before anything of it can begin."""
    pods = context.service_context.pods.within(context.names.namespace)
    return max((longest_grace(pods, replaced.id) for replaced in context.run.record.replaces), default=0)


_LEAST: Final = 1.0
"""Seconds that a start has where its caller waits hardly longer than ``MARGIN``."""


def _patience(service_context: ServiceContext, request: SpawnRequest) -> float:
    most = service_context.settings.deadlines.spawn
    if request.timeout is None:
        return most
    return min(most, max(request.timeout - MARGIN, min(request.timeout, _LEAST)))


def choose(context: Context) -> None:
    """Hold the options to what is offered, and give a lab the token of its own.

    Raises:
        InvalidRequestError: An option is not known, or its value is not one of the option's.

    """
    record, user, plugins = context.run.record, context.user_state.record.user, context.service_context.plugins
    if record.key.kind is Kind.LAB:
        check_options(plugins.form(user), record.request.options)
        env = {**record.request.env, VARIABLE: new_lab_token(context.names)}
        record.request = replace(record.request, env=env)
    if record.key.kind is Kind.DASK:
        offered = plugins.cluster_options(user)
        record.choose(check_cluster_options(offered, record.request.options), secret=secret_options(offered))


def _check(context: Context) -> None:
    steps, record = context.pipeline.steps, context.run.record
    record.steps = [StepProgress(step.name) for step in steps]
    record.resources = context.resources()
    if record.request.tls is not None:
        hostnames(
            context.service_context, context.user_state.username, record.key
        )  # or nobody would make anything of it
    for step in steps:
        step.check(context.spawn())
    context.demand_useful()
    for step in steps:
        record.secrets |= step.secrets(context.spawn())
