"""Rules about failures: each call of apply and of revert fails in turn, and what is left is repaired or undone."""

from __future__ import annotations

import asyncio
from collections import Counter

from spawnpenny.pipeline.runner import FOR_USERS
from spawnpenny.testing.contract.recorder import Fault
from spawnpenny.testing.contract.repetition import demand_nothing_left, revert
from spawnpenny.testing.contract.stage import Stage
from spawnpenny.testing.contract.trial import HungError, Trial, trial_on


async def check_failures(stage: Stage) -> None:
    """Fail each call of apply in turn, in each way; then apply again, or revert. Then fail each call of revert."""
    async with trial_on(stage) as trial:
        trial.main.recorder.arm()
        if await trial.run("apply", trial.main.apply()):
            return
        count, complete, scope = len(trial.main.recorder.calls), await trial.applied(), trial.scope
        reverts = await _count_reverts(trial) if scope == "spawn" else 0
    for at in range(count):
        for fault in Fault:
            async with trial_on(stage) as trial:
                await _repair(trial, at, fault, complete)
            if scope == "spawn":
                async with trial_on(stage) as trial:
                    await _undo(trial, at, fault)
    for at in range(reverts):
        for fault in (Fault.REFUSED, Fault.LOST):
            async with trial_on(stage) as trial:
                await _fail_revert(trial, at, fault)


async def _count_reverts(trial: Trial) -> int:
    trial.main.restart(running=True)
    trial.main.recorder.arm()
    if await trial.run("revert", trial.main.revert()):
        return 0
    return len(trial.main.recorder.calls)


async def _repair(trial: Trial, at: int, fault: Fault, complete: Counter[str]) -> None:
    """Have one call of apply fail, and apply again."""
    main = trial.main
    main.recorder.arm(at, fault)
    error = await trial.run("apply", main.apply())
    call = main.recorder.failed
    main.recorder.arm()
    if call is None or isinstance(error, HungError):
        return
    if fault is Fault.CANCELLED:
        if not isinstance(error, asyncio.CancelledError):
            trial.report("cancellation", f"The call {call} {fault}, and apply ended with {error!r}.", "apply")
    elif error is None:
        if missing := complete - await trial.applied():
            trial.report("error-raised", f"The call {call} {fault}, and apply ended without {_some(missing)}.")
    elif not isinstance(error, FOR_USERS):
        trial.report("error-reportable", f"The call {call} {fault}, and apply raised {error!r}.")
    await _apply_again(trial, f"The call {call} {fault}. ", complete)
    await trial.demand_unharmed(f"an apply of which the call {call} {fault}, and another one")


async def _apply_again(trial: Trial, failure: str, complete: Counter[str]) -> None:
    """Apply after a failure, and compare the objects with those of an apply without one."""
    if again := await trial.run("apply", trial.main.apply()):
        trial.report("repair", f"{failure}The next apply raised {again!r}.")
        return
    now = await trial.applied()
    if missing := complete - now:
        trial.report("repair", f"{failure}After the next apply, this is missing: {_some(missing)}.")
    elif further := now - complete:
        trial.report("repair", f"{failure}After the next apply, this is too much: {_some(further)}.")


async def _undo(trial: Trial, at: int, fault: Fault) -> None:
    """Have one call of apply fail, and revert: in the same process, or in another one after a lost answer."""
    main = trial.main
    main.recorder.arm(at, fault)
    await trial.run("apply", main.apply())
    call = main.recorder.failed
    main.recorder.arm()
    if call is None:
        return
    if fault is not Fault.CANCELLED:
        main.restart(running=True)
    await revert(trial, f"an apply of which the call {call} {fault}, and a revert")


async def _fail_revert(trial: Trial, at: int, fault: Fault) -> None:
    """Have one call of revert fail, and revert again."""
    main = trial.main
    if await trial.run("apply", main.apply()):
        return
    main.restart(running=True)
    main.recorder.arm(at, fault)
    error = await trial.run("revert", main.revert())
    call = main.recorder.failed
    main.recorder.arm()
    if call is None:
        return
    if error is None and (left := await trial.own()):
        trial.report("revert-error", f"The call {call} {fault}, and revert left {', '.join(map(str, left))}.")
    if error := await trial.run("revert", main.revert()):
        trial.report("revert-succeeds", f"The call {call} {fault}. The next revert raised {error!r}.")
    await demand_nothing_left(trial, f"a revert of which the call {call} {fault}, and another one")


def _some(objects: Counter[str]) -> str:
    """Return the kinds and names of objects, without their contents."""
    return ", ".join(sorted(" ".join(text.split()[:2]) for text in objects))
