"""Supervise a running cluster: keep the desired workers, and end it by the shutdown policy.

It is level-triggered: each round compares the existing workers with the desired ones, and acts on the difference. So no
change is lost, and a restarted service continues from the existing pods.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from spawnpenny.api import (
    Backoff,
    ClusterError,
    Manifest,
    QuotaExceededError,
    Scale,
    Spawn,
    SpawnError,
    SpawnpennyError,
    WorkerNotices,
    WorkerPods,
    pod_is_leaving,
    pod_is_lost,
)
from spawnpenny_ray.desired_workers import Plan, has_joined, plan
from spawnpenny_ray.head_client import SilentError, State, read_state
from spawnpenny_ray.shutdown import Limits, lab_gone

_BUSY: Final = 1.0
_QUIET: Final = 10.0
"""Seconds between two rounds: while the cluster changes, and while it does not."""
_SILENCE: Final = 60.0
"""Seconds for which a head may be too busy to answer."""


@dataclass(frozen=True, slots=True)
class SupervisedCluster:
    """A running cluster, with all that its supervision needs.

    ``head`` returns the present address of its head. ``started_at`` is in seconds since the epoch. ``recorded`` is
    false if its record was lost, and the desired number of workers with it. ``lab`` is the lab with which it ends.
    """

    spawn: Spawn
    session: aiohttp.ClientSession
    head: Callable[[], str]
    workers: WorkerPods
    limits: Limits
    started_at: float
    recorded: bool = True
    lab: str | None = None


class ClusterSupervisor:
    """Supervisor of one cluster."""

    def __init__(self, cluster: SupervisedCluster) -> None:
        self._cluster = cluster
        self._notices = WorkerNotices(cluster.spawn)
        self._backoff = Backoff()
        self._trouble: SpawnpennyError | None = None
        """The last reason why workers failed or could not start."""
        self._blocked: str | None = None
        self._busy_at = self._answered_at = time.monotonic()

    async def run(self) -> None:
        """Supervise the cluster until it is to end.

        Raises:
            SpawnError: The cluster is to end, for this reason.

        """
        cluster = self._cluster
        try:
            while True:
                state = await self._state()
                idle = self._idle(state)
                if state is not None:
                    await cluster.spawn.note_idle(idle)
                self._check_limits(state, idle)
                pause = await self._reconcile(state)
                age = time.time() - cluster.started_at
                await cluster.spawn.changed(max(_BUSY, min(pause, cluster.limits.left(idle, age))))
        finally:
            await cluster.workers.settle()

    async def _state(self) -> State | None:
        try:
            state = await read_state(self._cluster.session, self._cluster.head())
        except SilentError as error:
            if time.monotonic() - self._answered_at >= _SILENCE:
                self._notices.notify(
                    f"The head does not answer ({error}). Until it does, no worker is removed that may have work.",
                    about="silent",
                    code="ray_silent",
                )
            return None
        self._answered_at = time.monotonic()
        return state

    def _idle(self, state: State | None) -> float | None:
        """Return for how many seconds the cluster has been without work; None while it has some."""
        now = time.monotonic()
        if state is not None and not state.idle:
            self._busy_at = now
            return None
        return now - self._busy_at

    def _check_limits(self, state: State | None, idle: float | None) -> None:
        cluster = self._cluster
        if cluster.lab is not None and not cluster.spawn.lab_runs():
            raise lab_gone(cluster.lab)
        age = time.time() - cluster.started_at
        if state is not None:
            end = cluster.limits.exceeded(idle, age)
        elif cluster.workers.main_pod_is_ready():  # it is too busy to answer, and the kubelet reaches it
            end = cluster.limits.exceeded(None, age)
        else:
            end = cluster.limits.exceeded(None, age, time.monotonic() - self._answered_at)
        if end is not None:
            raise end

    async def _reconcile(self, state: State | None) -> float:
        """Compare existing and desired workers, act on the difference, and return the seconds until the next round."""
        pods = self._cluster.workers.pods()
        self._note_troubles(pods)
        todo = plan(self._desired(pods), pods, state)
        await self._remove(todo)
        await self._start(todo.start)
        left = self._backoff.left(time.monotonic()) if todo.start else 0.0
        held = self._trouble if left else self._blocked if todo.start else None
        self._cluster.spawn.hold_back(held, until=time.time() + left if left else None)
        if left:
            return left
        settled = todo == Plan() and state is not None and all(has_joined(pod, state) for pod in pods)
        return _QUIET if settled else _BUSY

    def _desired(self, pods: list[Manifest]) -> int:
        """Return the desired number of workers: the existing ones, if the record was lost and nobody scaled since."""
        scale = self._cluster.spawn.scale
        if not self._cluster.recorded and scale == Scale():
            return sum(not pod_is_leaving(pod) and not pod_is_lost(pod) for pod in pods)
        return scale.count

    def _note_troubles(self, pods: list[Manifest]) -> None:
        ended = [pod for pod in pods if pod_is_lost(pod) and not pod_is_leaving(pod)]
        if not ended:
            self._notices.check(pods)
            return
        self._backoff.failed(time.monotonic())
        self._trouble = self._notices.ending(ended[0])
        self._notices.ended(ended[0], len(ended))

    async def _remove(self, todo: Plan) -> None:
        try:
            await self._cluster.workers.remove(todo.remove)
        except ClusterError as error:
            self._notices.refused(error)

    async def _start(self, count: int) -> None:
        self._blocked = None
        if not count or self._backoff.left(time.monotonic()):
            return
        self._blocked = self._cluster.spawn.blocked()
        if self._blocked is not None:
            self._cluster.spawn.notify(self._blocked)
            return
        try:
            await self._cluster.workers.start(count)
        except (ClusterError, QuotaExceededError, SpawnError) as error:
            self._trouble = error
            self._backoff.failed(time.monotonic())
            self._notices.refused(error)
