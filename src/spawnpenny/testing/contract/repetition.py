"""Rules about repetition: apply twice, in another process, revert twice, late, and beside objects of others."""

from __future__ import annotations

from typing import Final

from spawnpenny.testing.contract.memory import memory_of
from spawnpenny.testing.contract.snapshots import Snapshot, is_part, with_uids
from spawnpenny.testing.contract.subject import Subject
from spawnpenny.testing.contract.trial import HungError, Trial

_SHORTEST: Final = 8
"""Characters of a value that is looked for: a shorter one may be anything."""


async def check_repetition(trial: Trial) -> bool:
    """Apply twice, again in another process, and revert twice; return whether the first apply succeeded."""
    main = trial.main
    before = memory_of(main.step)
    if error := await trial.run("apply", main.apply()):
        if not isinstance(error, HungError):
            trial.report("apply-succeeds", f"It raised {error!r}.")
        return False
    await _check_exposed(trial)
    first = with_uids(await trial.own())
    await _apply_again(trial, first, "apply-twice", "The second apply")
    if (changed := memory_of(main.step)) != before:
        names = ", ".join(sorted(name for name in changed.keys() | before if changed.get(name) != before.get(name)))
        trial.report("memory", f"apply changed {names}.")
    main.restart()
    await _apply_again(trial, first, "restart", "An apply in another process")
    await trial.demand_unharmed("apply")
    if trial.scope == "user":
        if error := await trial.run("apply", trial.sibling.apply()):
            trial.report("shared", f"For another spawn of the user, apply raised {error!r}.")
    else:
        await _revert_again(trial)
    return True


async def _revert_again(trial: Trial) -> None:
    """Revert in another process, again in the same one, and again in a third."""
    main = trial.main
    main.restart(running=True)
    await revert(trial, "a revert in another process")
    if error := await trial.run("revert", main.revert()):
        trial.report("revert-twice", f"The second revert raised {error!r}.")
    main.restart(running=True)
    if error := await trial.run("revert", main.revert()):
        trial.report("revert-twice", f"A revert after the spawn was gone raised {error!r}.")
    await trial.demand_unharmed("a second revert")


async def revert(trial: Trial, when: str) -> None:
    """Revert the spawn under test, and report what is left and what was harmed."""
    if error := await trial.run("revert", trial.main.revert()):
        trial.report("revert-succeeds", f"{when[:1].upper()}{when[1:]} raised {error!r}.")
    await demand_nothing_left(trial, when)


async def demand_nothing_left(trial: Trial, when: str) -> None:
    """Report what is left of the spawn under test, and which other objects were harmed."""
    left = [ref for ref, item in (await trial.own()).items() if "deletionTimestamp" not in item["metadata"]]
    if left:
        trial.report("revert-complete", f"After {when}, these are left: {', '.join(sorted(map(str, left)))}.")
    await trial.demand_unharmed(when)


async def check_successor(trial: Trial) -> None:
    """Revert a spawn late, when a new one has the same names."""
    main = trial.main
    if trial.scope != "spawn":
        return
    if await trial.run("apply", main.apply()) or await trial.run("revert", main.revert_all()):
        return  # check_repetition has reported it
    successor = Subject(trial.stage, main.user, main.name, main.plugins, main.options)
    successor.keep_secrets()
    if error := await trial.run("apply", successor.prepare_and_apply()):
        trial.report("revert-complete", f"After a revert, a new spawn of the same name cannot start: {error!r}.")
        return
    await trial.remember()
    for known in (True, False):
        if not known:
            main.restart(running=True)
        if error := await trial.run("revert", main.revert()):
            trial.report("revert-twice", f"A revert when a new spawn had the same names raised {error!r}.")
    if harm := await trial.harm():
        trial.report("successor-unharmed", f"After a late revert: {harm}")


async def check_foreign_names(trial: Trial) -> None:
    """Have somebody else's objects under the step's names: neither apply nor revert may touch them."""
    main = trial.main
    if trial.scope != "spawn":
        return
    taken = [
        await trial.add_foreign(manifest, main.names.namespace, manifest["metadata"]["name"])
        for manifest in main.step.manifests(main.planned())
    ]
    await trial.remember()
    main.recorder.arm()
    error = await trial.run("apply", main.apply())
    tried = {call.name for call in main.recorder.calls} & {ref.name for ref in taken if ref}
    if error is None and tried:
        trial.report("foreign-name", f"apply succeeded although {', '.join(sorted(tried))} was somebody else's.")
    for known in (True, False):
        if not known:
            main.restart(running=True)
        if error := await trial.run("revert", main.revert()):
            trial.report("revert-succeeds", f"Beside somebody else's objects, it raised {error!r}.")
    if harm := await trial.harm():
        trial.report("foreign-name", f"Where somebody else's objects had its names: {harm}", "touched")


async def _apply_again(trial: Trial, first: dict[str, str], rule: str, what: str) -> None:
    if error := await trial.run("apply", trial.main.prepare_and_apply()):
        trial.report(rule, f"{what} raised {error!r}.")
        return
    now: Snapshot = await trial.own()
    parts = {str(ref) for ref, item in now.items() if is_part(item)}
    uids = {name: uid for name, uid in with_uids(now).items() if name not in parts}
    if uids != {name: uid for name, uid in first.items() if name not in parts}:
        trial.report(rule, f"{what} left {_list(uids)}; the first one had left {_list(first)}.")


async def _check_exposed(trial: Trial) -> None:
    """Report values of the environment in objects that are no Secrets."""
    values = [value for value in trial.main.env.values() if len(value) >= _SHORTEST]
    for ref, item in (await trial.own()).items():
        if ref.resource.kind != "Secret" and any(value in str(item) for value in values):
            trial.report("secret-exposed", f"A value of spawn.env is in the {ref}.", ref.resource.kind)


def _list(uids: dict[str, str]) -> str:
    return ", ".join(f"{name} with the uid {uid[:8]}" for name, uid in sorted(uids.items())) or "nothing"
