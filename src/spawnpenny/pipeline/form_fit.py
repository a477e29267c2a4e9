"""The choices of a spawn form that do not fit into what a user has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from spawnpenny.domain.availability import Path, Shortage, unavailable
from spawnpenny.domain.names import safe_slug
from spawnpenny.domain.spawns import SpawnRequest
from spawnpenny.errors import QuotaExceededError, SpawnpennyError
from spawnpenny.pipeline.account import Account
from spawnpenny.pipeline.making import draft
from spawnpenny.pipeline.record import UserRecord

if TYPE_CHECKING:
    from spawnpenny.domain.form_answers import Answers
    from spawnpenny.domain.forms import FormField
    from spawnpenny.domain.spawns import Key
    from spawnpenny.domain.users import User
    from spawnpenny.pipeline.world import World


def unfitting(
    world: World, account: Account | None, user: User, key: Key, form: Sequence[FormField]
) -> dict[Path, Shortage]:
    """Return the choices that the steps' own checks would refuse for want of room, with what is short.

    What the spawn of this key uses already does not count, as the new one takes its place.
    """
    record = replace(account.record, user=user) if account else UserRecord(user, "")
    own = Account(safe_slug(user.username), record, runs=account.runs if account else {})

    def judge(answers: Answers) -> Shortage | None:
        context = draft(world, own, key, SpawnRequest("form", dict(answers)), by="form")
        try:
            context.run.record.asks = context.asks()
            for step in context.pipeline.steps:
                step.check(context.spawn())
        except QuotaExceededError as error:
            facts = error.facts
            return Shortage(*(str(facts[each]) for each in ("resource", "asked", "used", "limit")))
        except SpawnpennyError:
            return None  # not a matter of room: the start itself says it
        return None

    return unavailable(form, judge)
