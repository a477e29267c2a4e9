"""The choices of a spawn form that exceed the rest of a user's budget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from spawnpenny.auth.identity import Identity
from spawnpenny.domain.availability import Judge, Path, Shortage, unavailable
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import SpawnRequest
from spawnpenny.errors import QuotaExceededError, SpawnpennyError
from spawnpenny.spawns.admission import draft
from spawnpenny.spawns.record import UserRecord
from spawnpenny.spawns.step_view import StepView
from spawnpenny.spawns.user_state import UserState

if TYPE_CHECKING:
    from spawnpenny.domain.form_answers import Answers
    from spawnpenny.domain.forms import FormField
    from spawnpenny.domain.spawns import Key
    from spawnpenny.domain.users import User
    from spawnpenny.spawns.service_context import ServiceContext

_NOBODY: Final = Identity("form", frozenset())
_MOST: Final = 300
"""The number of combinations of answers that are checked for one form."""


async def unfitting(
    service_context: ServiceContext, user_state: UserState | None, user: User, key: Key, form: Sequence[FormField]
) -> dict[Path, Shortage]:
    """Return the choices that the steps' own checks would refuse for lack of room, with the resource that is short.

    The resources of an existing spawn of this key do not count, as the new one takes its place. The checks run in a
    thread, on a copy of the user's state: a form with many profiles takes a while. Of a very large form, only a part is
    checked.
    """
    record = (
        replace(user_state.record, user=user, spawns=dict(user_state.record.spawns))
        if user_state
        else UserRecord(user, "")
    )
    own = UserState(safe_slug(user.username), record, runs=dict(user_state.runs) if user_state else {})
    return await asyncio.to_thread(unavailable, form, _judge(service_context, own, key))


def _judge(service_context: ServiceContext, own: UserState, key: Key) -> Judge:
    known: dict[tuple[tuple[str, str], ...], Shortage | None] = {}

    def judge(answers: Answers) -> Shortage | None:
        options = tuple(sorted(answers.items()))
        if options not in known and len(known) < _MOST:
            known[options] = judged(answers)
        return known.get(options)

    def judged(answers: Answers) -> Shortage | None:
        context = draft(service_context, own, key, SpawnRequest("form", dict(answers)), identity=_NOBODY)
        view = StepView(context)
        try:
            context.run.record.resources = view.budget.resources()
            for step in context.pipeline.steps:
                step.check(view.spawn())
        except QuotaExceededError as error:
            resource, requested, used, limit = (
                str(error.facts[name]) for name in ("resource", "asked", "used", "limit")
            )
            counted = resource == service_context.plugins.kinds[key.kind].titles
            return Shortage(resource, requested, used, limit, counted)
        except SpawnpennyError:
            return None  # not a lack of room: the start reports it
        return None

    return judge
