"""Rules about supervision, purge and retirement."""

from __future__ import annotations

import asyncio

from spawnpenny.errors import StorageKeptError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.pipeline.step import Step
from spawnpenny.testing.contract.repetition import revert
from spawnpenny.testing.contract.subject import Subject
from spawnpenny.testing.contract.trial import Trial, resource_for

_ROUNDS = 4
"""Calls of ``spawn.changed`` after which supervise is taken for settled."""


async def check_supervision(trial: Trial) -> None:
    """Supervise in two processes, one after the other, and cancel each."""
    main = trial.main
    if type(main.step).supervise is Step.supervise:
        return
    if await trial.run("apply", main.apply()):
        return
    main.restart(running=True)
    await _supervise(trial)
    first = await trial.contents()
    main.restart(running=True)
    await _supervise(trial)
    now = await trial.contents()
    if now != first:
        trial.report(
            "supervise-existing",
            f"After a restart there were {now.total()} objects of the step, and {first.total()} before.",
        )
    await trial.demand_unharmed("supervise")
    if trial.scope == "spawn":
        main.restart(running=True)
        await revert(trial, "supervise and a revert")


async def check_purge(trial: Trial) -> None:
    """Delete the storage of one spawn, beside another one of its user, and twice."""
    main, step = trial.main, trial.main.step
    if type(step).purge is Step.purge:
        return
    for subject in (main, trial.sibling):
        if await trial.run("apply", subject.apply()):
            return
    kept = _manifests(trial, trial.sibling)
    present = await trial.snapshot()
    trial.base = {ref: item for ref, item in present.items() if ref in trial.base or ref in kept}
    for number in ("first", "second"):
        main.restart(running=True)
        error = await trial.run("purge", _purge(main))
        if error and not isinstance(error, StorageKeptError):
            trial.report("purge", f"The {number} purge raised {error!r}.")
    if harm := await trial.harm():
        trial.report("purge", f"After the purge of one spawn: {harm}", "harm")


async def check_retirement(trial: Trial) -> None:
    """Retire a user, without and with the storage, beside another user."""
    main = trial.main
    if type(main.step).retire is Step.retire:
        return
    if await trial.run("apply", main.apply()):
        return
    own = main.names.namespace
    trial.base = {ref: item for ref, item in trial.base.items() if own not in {ref.namespace, ref.name}}
    for purge in (False, True, True):
        main.restart(running=True)
        with main.retiring(purge=purge):
            if error := await trial.run("retire", _retire(main)):
                trial.report("retire", f"It raised {error!r}.")
    if harm := await trial.harm():
        trial.report("retire", f"After the retirement of another user: {harm}", "harm")


async def _supervise(trial: Trial) -> None:
    """Supervise for some rounds, and cancel."""
    main = trial.main
    main.rounds = 0
    task = asyncio.create_task(main.supervise())
    end = asyncio.get_running_loop().time() + trial.stage.contract.seconds
    while not task.done() and main.rounds < _ROUNDS and asyncio.get_running_loop().time() < end:
        await asyncio.wait({task}, timeout=0.01)
    if not task.done():
        await trial.cancel("supervise", task)
    if task.done() and not task.cancelled():
        error = task.exception()
        happened = f"It raised {error!r}." if error else "It ended by itself, or as if it were not cancelled."
        trial.report("supervise-succeeds", happened)


def _manifests(trial: Trial, subject: Subject) -> set[Ref]:
    manifests = subject.step.manifests(subject.planned())
    place = subject.names.namespace
    return {Ref(resource_for(trial.main, item["kind"]), item["metadata"]["name"], place) for item in manifests}


async def _purge(subject: Subject) -> None:
    await subject.step.purge(subject.spawn(subject.step))


async def _retire(subject: Subject) -> None:
    await subject.step.retire(subject.spawn(subject.step))
