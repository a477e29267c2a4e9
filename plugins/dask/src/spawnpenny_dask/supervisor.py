"""Supervise a running cluster: keep the desired number of workers, and end it when it is of no more use.

Level-triggered: each turn compares the existing workers with the desired ones, and acts on the difference. So no change
is lost meanwhile, and a restarted service goes on from what it finds.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from spawnpenny.api import (
    ClusterError,
    EventType,
    Manifest,
    QuotaExceededError,
    Spawn,
    SpawnError,
    SpawnpennyError,
)
from spawnpenny_dask.attendance import Attendance
from spawnpenny_dask.backoff import Backoff, Churn
from spawnpenny_dask.desired_workers import Wishes
from spawnpenny_dask.notices import Reports
from spawnpenny_dask.objects import pod_host
from spawnpenny_dask.plan import age_of, group_of, is_leaving, is_over, name_of, plan
from spawnpenny_dask.retiring import Spared
from spawnpenny_dask.scheduler_client import Control, SilentError, State
from spawnpenny_dask.shutdown import Limits, lab_gone
from spawnpenny_dask.workers import Fleet

_BUSY: Final = 1.0
_QUIET: Final = 10.0
"""Seconds between two looks at a cluster: while something is under way, and where nothing is."""
_SOON: Final = 60.0
"""Seconds within which a worker ends soon after its start."""
_AGAIN: Final = 10.0
"""Seconds until the scheduler is asked again to spare workers that it would not."""


async def _no_welcome(pods: Sequence[Manifest], here: Collection[str]) -> None:
    """Send nothing."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One cluster that is looked after.

    ``born`` is when it came up (seconds since the epoch), ``lab`` the one with which it ends, if any. ``welcome`` sends
    the scheduler's address to those of its workers that wait for it, but for some that have come.
    """

    spawn: Spawn
    control: Control
    fleet: Fleet
    limits: Limits
    wishes: Wishes
    born: float
    lab: str | None = None
    welcome: Callable[[Sequence[Manifest], Collection[str]], Awaitable[None]] = _no_welcome


class Tending:
    """Looks after one cluster."""

    def __init__(self, charge: Charge, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._charge = charge
        self._clock = clock
        self._reports = Reports(charge.spawn, clock)
        self._backoff = Backoff()
        self._churn = Churn()
        self._attendance = Attendance()
        self._spared = Spared(clock)
        self._ask_again = 0.0
        self._blocked: str | None = None
        self._trouble: SpawnpennyError | None = None
        """Why workers were not to be had last."""

    async def run(self) -> None:
        """Look after it for ever.

        Raises:
            SpawnError: It is to end.

        """
        charge = self._charge
        try:
            while True:
                state = await self._state()
                if state is not None:
                    await charge.spawn.note_idle(state.idle)
                age = time.time() - charge.born
                self._demand_its_use(state, age)
                pause = await self._turn(state)
                await self._inform(state)
                await charge.spawn.changed(max(_BUSY, min(pause, charge.limits.left(state, age))))
        finally:
            await charge.fleet.settle()

    def _demand_its_use(self, state: State | None, age: float) -> None:
        charge = self._charge
        if charge.lab is not None and not charge.spawn.lab_runs():
            raise lab_gone(charge.lab)
        end = charge.limits.exceeded(state, age)
        if (
            end is None and state is None and not charge.fleet.scheduler_is_ready()
        ):  # the kubelet does not reach it either
            end = charge.limits.hung(self._reports.silence())
        if end is not None:
            raise end

    async def _state(self) -> State | None:
        try:
            state = await self._charge.control.state(
                among={name_of(pod): pod_host(pod) for pod in self._charge.fleet.pods()}
            )
        except SilentError as error:
            self._reports.silent(str(error))
            return None
        self._reports.answered()
        return state

    async def _turn(self, state: State | None) -> float:
        """Do what is to be done now, and return in how many seconds to look again at the latest."""
        pods = self._charge.fleet.pods()
        self._attendance.note(state, pods)
        await self._charge.welcome(pods, state.workers if state else ())
        lost = self._attendance.lost(pods, state)
        self._look(pods, lost)
        for end in state.ends if state else ():
            self._reports.process_ended(end)
        desired = self._charge.wishes.wanted(state, pods)
        registered = self._spared.seen_in(state.workers) if state else None
        groups = {group: [pod for pod in pods if group_of(pod) == group] for group in {*desired, *map(group_of, pods)}}
        todos = {group: plan(desired[group], those, registered, lost) for group, those in groups.items()}
        await self._remove(tuple(pod for todo in todos.values() for pod in todo.remove))
        for group, todo in todos.items():
            if todo.start:
                await self._start(todo.start, group)
        for group, todo in todos.items():
            if todo.retire:
                await self._retire(todo.retire, groups[group], registered or {}, last=not desired.total())
        starts = any(todo.start for todo in todos.values())
        if starts and (left := self._backoff.left(self._clock())):
            self._charge.spawn.hold_back(self._trouble, until=time.time() + left)
            return left
        self._charge.spawn.hold_back(self._blocked if starts else None)
        settled = all(todo.settled for todo in todos.values())
        busy = state is None or not settled or any(name_of(pod) not in state.workers for pod in pods)
        return _BUSY if busy or self._charge.spawn.scale.adaptive else _QUIET

    async def _inform(self, state: State | None) -> None:
        """Log the news since the scheduler's last event at the scheduler: its clients read it there."""
        if state is None:
            return
        events = [event for event in self._charge.spawn.events(state.event) if event.type is not EventType.STEP]
        if events or state.ends:
            with suppress(SilentError):  # the next turn sends them
                await self._charge.control.send(events, ends=max((end.id for end in state.ends), default=0))

    def _look(self, pods: list[Manifest], lost: Mapping[str, SpawnError]) -> None:
        ended = [pod for pod in pods if is_over(pod) and not is_leaving(pod) and name_of(pod) not in self._spared]
        failed = [pod for pod in ended if not self._attendance.ended_well(pod)]
        if failed or lost or self._churns(ended, len(pods)):
            self._backoff.failed(self._clock())
        if failed:
            self._trouble = self._reports.ending(failed[0])
        if lost:
            why = next(iter(lost.values()))
            self._trouble = why
            self._reports.lost(why, len(lost))
        if ended:
            self._reports.ended((failed or ended)[0], len(ended))
        elif not lost:
            self._reports.look(pods)
        for pod in pods:
            if is_leaving(pod) and not is_over(pod):
                self._reports.leaving(pod)

    def _churns(self, ended: list[Manifest], count: int) -> bool:
        """Say whether workers end soon after their start, again and again, though by no failure."""
        soon = sum(age_of(pod) < _SOON for pod in ended)
        if not soon or not self._churn.too_much(self._clock(), soon / count):
            return False
        self._trouble = SpawnError("Workers end soon after they have started, again and again.")
        self._reports.churning(self._trouble)
        return True

    async def _start(self, count: int, group: str) -> None:
        if self._backoff.left(self._clock()):
            return
        self._blocked = self._charge.spawn.blocked()
        if self._blocked is not None:
            self._charge.spawn.notify(self._blocked)
            return
        try:
            await self._charge.fleet.start(count, group)
        except (ClusterError, QuotaExceededError, SpawnError) as error:
            self._trouble = error
            self._backoff.failed(self._clock())
            self._reports.refused(error)

    async def _remove(self, pods: tuple[Manifest, ...]) -> None:
        try:
            await self._charge.fleet.remove(pods)
        except ClusterError as error:
            self._reports.refused(error)

    async def _retire(self, count: int, pods: list[Manifest], registered: dict[str, str], *, last: bool) -> None:
        """Retire some of these workers, of the scheduler's choice; ``last`` says that none at all is to be left."""
        if self._clock() < self._ask_again:
            return
        ours = [pod for pod in pods if name_of(pod) in registered]
        try:
            going = await self._charge.control.retire(count, among=[name_of(pod) for pod in ours])
        except SilentError:
            return  # the next turn's state shows the result
        self._spared.add(going)
        if len(going) == count:
            return
        if last and not self._charge.spawn.scale.adaptive:  # nobody was to be left who could take their data
            rest = tuple(pod for pod in ours if name_of(pod) not in going)
            with suppress(SilentError):
                await self._charge.control.dismiss([name_of(pod) for pod in rest])
            await self._remove(rest)
            return
        self._ask_again = self._clock() + _AGAIN
        self._reports.kept(count - len(going))
