"""Supervise a running cluster: keep the desired workers, and end it by the shutdown policy.

It is level-triggered: each round compares the existing workers with the desired ones, and acts on the difference. So no
change is lost, and a restarted service continues from the existing pods.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from spawnpenny.api import (
    Backoff,
    ClusterError,
    EventType,
    Manifest,
    QuotaExceededError,
    Spawn,
    SpawnError,
    SpawnpennyError,
    WorkerPods,
    pod_age,
    pod_is_leaving,
    pod_is_lost,
    pod_name,
    worker_group,
)
from spawnpenny_dask.churn import Churn
from spawnpenny_dask.desired_workers import DesiredWorkers, RetiringWorkers
from spawnpenny_dask.joined_workers import JoinedWorkers
from spawnpenny_dask.notices import Notices
from spawnpenny_dask.pod_manifest import pod_host
from spawnpenny_dask.scheduler_client import Control, SilentError, State
from spawnpenny_dask.shutdown import Limits, lab_gone
from spawnpenny_dask.workers import plan

_BUSY: Final = 1.0
_QUIET: Final = 10.0
"""Seconds between two rounds: while the cluster changes, and while it does not."""
_SOON: Final = 60.0
"""The age in seconds below which the end of a worker counts as soon after its start."""
_AGAIN: Final = 10.0
"""Seconds until the scheduler is asked again to retire workers that it has refused to retire."""


async def _send_nothing(pods: Sequence[Manifest], joined: Collection[str]) -> None:
    """Send nothing."""


@dataclass(frozen=True, slots=True)
class SupervisedCluster:
    """A running cluster, with all that its supervision needs.

    ``started_at`` is in seconds since the epoch. ``lab`` is the lab with which the cluster ends, if any.
    ``send_address`` sends the scheduler's address to waiting workers, except to those that have joined.
    """

    spawn: Spawn
    control: Control
    workers: WorkerPods
    limits: Limits
    desired_workers: DesiredWorkers
    started_at: float
    lab: str | None = None
    send_address: Callable[[Sequence[Manifest], Collection[str]], Awaitable[None]] = _send_nothing


class ClusterSupervisor:
    """Supervisor of one cluster."""

    def __init__(self, cluster: SupervisedCluster, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._notices = Notices(cluster.spawn, clock)
        self._backoff = Backoff()
        self._churn = Churn()
        self._joined = JoinedWorkers()
        self._retiring = RetiringWorkers(clock)
        self._retire_again_at = 0.0
        self._blocked: str | None = None
        self._trouble: SpawnpennyError | None = None
        """The last reason why workers failed or could not start."""

    async def run(self) -> None:
        """Supervise the cluster until it is to end.

        Raises:
            SpawnError: The cluster is to end, for this reason.

        """
        cluster = self._cluster
        try:
            while True:
                state = await self._state()
                if state is not None:
                    await cluster.spawn.note_idle(state.idle)
                age = time.time() - cluster.started_at
                self._check_limits(state, age)
                pause = await self._reconcile(state)
                await self._inform(state)
                await cluster.spawn.changed(max(_BUSY, min(pause, cluster.limits.left(state, age))))
        finally:
            await cluster.workers.settle()

    def _check_limits(self, state: State | None, age: float) -> None:
        cluster = self._cluster
        if cluster.lab is not None and not cluster.spawn.lab_runs():
            raise lab_gone(cluster.lab)
        end = cluster.limits.exceeded(state, age)
        if (
            end is None and state is None and not cluster.workers.main_pod_is_ready()
        ):  # the kubelet gets no answer either
            end = cluster.limits.hung(self._notices.silence())
        if end is not None:
            raise end

    async def _state(self) -> State | None:
        try:
            state = await self._cluster.control.state(
                among={pod_name(pod): pod_host(pod) for pod in self._cluster.workers.pods()}
            )
        except SilentError as error:
            self._notices.silent(str(error))
            return None
        self._notices.answered()
        return state

    async def _reconcile(self, state: State | None) -> float:
        """Compare existing and desired workers, act on the difference, and return the seconds until the next round."""
        pods = self._cluster.workers.pods()
        self._joined.note(state, pods)
        await self._cluster.send_address(pods, state.workers if state else ())
        lost = self._joined.lost(pods, state)
        self._note_troubles(pods, lost)
        for end in state.ends if state else ():
            self._notices.process_ended(end)
        desired = self._cluster.desired_workers.counts(state, pods)
        registered = self._retiring.seen_in(state.workers) if state else None
        groups = {
            group: [pod for pod in pods if worker_group(pod) == group] for group in {*desired, *map(worker_group, pods)}
        }
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
            self._cluster.spawn.hold_back(self._trouble, until=time.time() + left)
            return left
        self._cluster.spawn.hold_back(self._blocked if starts else None)
        settled = all(todo.settled for todo in todos.values())
        busy = state is None or not settled or any(pod_name(pod) not in state.workers for pod in pods)
        return _BUSY if busy or self._cluster.spawn.scale.adaptive else _QUIET

    async def _inform(self, state: State | None) -> None:
        """Send new events to the scheduler, whose clients read them there."""
        if state is None:
            return
        events = [event for event in self._cluster.spawn.events(state.event) if event.type is not EventType.STEP]
        if events or state.ends:
            with suppress(SilentError):  # the next round sends them
                await self._cluster.control.send(events, ends=max((end.id for end in state.ends), default=0))

    def _note_troubles(self, pods: list[Manifest], lost: Mapping[str, SpawnError]) -> None:
        ended = [
            pod for pod in pods if pod_is_lost(pod) and not pod_is_leaving(pod) and pod_name(pod) not in self._retiring
        ]
        failed = [pod for pod in ended if not self._joined.ended_well(pod)]
        if failed or lost or self._churns(ended, len(pods)):
            self._backoff.failed(self._clock())
        if failed:
            self._trouble = self._notices.ending(failed[0])
        if lost:
            why = next(iter(lost.values()))
            self._trouble = why
            self._notices.lost(why, len(lost))
        if ended:
            self._notices.ended((failed or ended)[0], len(ended))
        elif not lost:
            self._notices.check(pods)
        for pod in pods:
            if pod_is_leaving(pod) and not pod_is_lost(pod):
                self._notices.leaving(pod)

    def _churns(self, ended: list[Manifest], count: int) -> bool:
        """Return whether workers end soon after their start again and again, although not by a failure."""
        soon = sum(pod_age(pod) < _SOON for pod in ended)
        if not soon or not self._churn.too_much(self._clock(), soon / count):
            return False
        self._trouble = SpawnError("Workers end soon after they have started, again and again.")
        self._notices.churning(self._trouble)
        return True

    async def _start(self, count: int, group: str) -> None:
        if self._backoff.left(self._clock()):
            return
        self._blocked = self._cluster.spawn.blocked()
        if self._blocked is not None:
            self._cluster.spawn.notify(self._blocked)
            return
        try:
            await self._cluster.workers.start(count, group)
        except (ClusterError, QuotaExceededError, SpawnError) as error:
            self._trouble = error
            self._backoff.failed(self._clock())
            self._notices.refused(error)

    async def _remove(self, pods: tuple[Manifest, ...]) -> None:
        try:
            await self._cluster.workers.remove(pods)
        except ClusterError as error:
            self._notices.refused(error)

    async def _retire(self, count: int, pods: list[Manifest], registered: dict[str, str], *, last: bool) -> None:
        """Have the scheduler retire some of these workers. ``last`` is true if the cluster is to have no workers."""
        if self._clock() < self._retire_again_at:
            return
        ours = [pod for pod in pods if pod_name(pod) in registered]
        try:
            going = await self._cluster.control.retire(count, among=[pod_name(pod) for pod in ours])
        except SilentError:
            return  # the next state shows the result
        self._retiring.add(going)
        if len(going) == count:
            return
        if last and not self._cluster.spawn.scale.adaptive:  # no worker is to stay that could take their data
            rest = tuple(pod for pod in ours if pod_name(pod) not in going)
            with suppress(SilentError):
                await self._cluster.control.dismiss([pod_name(pod) for pod in rest])
            await self._remove(rest)
            return
        self._retire_again_at = self._clock() + _AGAIN
        self._notices.kept(count - len(going))
