"""A cluster whose number of workers the service keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from distributed.core import Status

from spawnpenny.clients.dask.adaptivity import Adaptivity
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.gateway_client import Gateway
from spawnpenny.clients.dask.notices import Notices
from spawnpenny.clients.dask.sizes import DEFAULT_GROUP, Amount, WorkerSize, bound, bounded, whole_number
from spawnpenny.clients.dask.watched import WatchedCluster

_NOT_USED: Final = frozenset({"Adaptive", "interval", "wait_count", "target_duration", "worker_key"})
"""Arguments of distributed's Adaptive, which runs in the notebook. Here the service decides when to scale."""
_LAST: Final = 5.0
"""Seconds that a closing cluster waits for its open requests."""


class ScaledCluster(WatchedCluster):
    """A cluster that is scaled by the service."""

    _adaptive: Adaptivity | None
    _gateway: Gateway
    _notices: Notices
    _options: dict[str, Any]
    _count: int | None = None
    """The desired workers of the default group; None if they follow the work."""
    _requests: set[asyncio.Future[Any]]
    _further: int = 0
    """The desired workers of the other groups."""

    def scale(self, n: int | None = None, memory: float | str | None = None, cores: float | None = None) -> Any:
        """Scale to ``n`` workers, or to as many as have this memory and these cores together.

        If fewer fit the quota, the cluster gets as many as fit, and a warning gives the numbers.

        Args:
            n: The number of workers; with ``memory`` or ``cores``, the least number.
            memory: The memory of all workers: bytes, or a text with a unit, such as ``"100 GiB"``.
            cores: The cores of all workers.

        """
        if n is None and memory is None and cores is None:
            raise TypeError("scale() needs a number of workers, memory= or cores=.")
        count = 0 if n is None else whole_number(n, "n")
        return self._do(self._scale_to, count, Amount(cores, memory))

    def adapt(
        self,
        minimum: float | None = None,
        maximum: float | None = None,
        active: bool = True,
        *,
        minimum_cores: float | None = None,
        maximum_cores: float | None = None,
        minimum_memory: float | str | None = None,
        maximum_memory: float | str | None = None,
        **other: Any,
    ) -> Adaptivity:
        """Have the service scale with the work, within bounds.

        Args:
            minimum: The least workers; None: 0.
            maximum: The most workers; None: as many as fit the quota.
            active: False: keep the present number of workers.
            minimum_cores: The least cores of all workers.
            maximum_cores: The most cores of all workers.
            minimum_memory: The least memory of all workers.
            maximum_memory: The most memory of all workers.
            other: Arguments of distributed's ``Adaptive``. They are not used; a warning says so.

        """
        unknown = other.keys() - _NOT_USED
        if unknown:
            raise TypeError(f"adapt() got an unexpected keyword argument {min(unknown)!r}")
        if other:
            self._notices.add(f"adapt() does not use {', '.join(sorted(other))}: the service decides when to scale.")
        adaptivity = Adaptivity(bound(minimum, "minimum"), bound(maximum, "maximum"), periodic_callback=active)
        least, most = Amount(minimum_cores, minimum_memory), Amount(bounded(maximum_cores), bounded(maximum_memory))
        adaptivity.request = self._do(self._adapt, adaptivity, least, most)
        return adaptivity

    @property
    def _desired(self) -> int | None:
        gone = self.end is not None or self.status in (Status.closing, Status.closed)
        return None if self._count is None or gone else self._count + self._further

    @property
    def workers(self) -> Mapping[str, Any]:
        """The running workers by name, with the scheduler's information."""
        return {str(worker["name"]): worker for worker in self.scheduler_info["workers"].values()}

    @property
    def observed(self) -> set[str]:
        """The names of the running workers."""
        return set(self.workers)

    @property
    def requested(self) -> set[str]:
        """The names of the running workers, and placeholders for the missing ones."""
        names = self.observed
        return names | {f"pending-{number}" for number in range((self._desired or 0) - len(names))}

    @property
    def plan(self) -> set[str]:
        """The same as ``requested``, as the service requests all desired workers."""
        return self.requested

    def _update_worker_status(self, op: str, msg: Any) -> None:
        super()._update_worker_status(op, msg)
        if op == "add":
            self._check_arrivals()

    def _check_arrivals(self) -> None:
        if self._watch is not None and len(self.scheduler_info["workers"]) >= (self._desired or 0):
            self._watch.all_is_well()

    async def _scale_to(self, count: int, amount: Amount) -> None:
        self._check_alive()
        if amount != Amount():
            count = max([count, *amount.workers(await self._size())])
        await self._scale(count)

    async def _scale(self, count: int) -> None:
        message = await self._gateway.scale(self.name, count)
        self._notices.add(message)
        self._adaptive, self._count = None, count
        if message is not None:  # fewer fit
            await self._learn_scale()
        self._check_arrivals()

    async def _adapt(self, adaptivity: Adaptivity, least: Amount, most: Amount) -> None:
        self._check_alive()
        if (least, most) != (Amount(), Amount()):
            size = await self._size()
            minima = [adaptivity.minimum, *least.workers(size)]
            maxima = [adaptivity.maximum, *most.workers(size, at_most=True)]
            adaptivity.minimum = max((least for least in minima if least is not None), default=None)
            adaptivity.maximum = min((most for most in maxima if most is not None), default=None)
        if (
            adaptivity.minimum is not None
            and adaptivity.maximum is not None
            and adaptivity.minimum > adaptivity.maximum
        ):
            raise ClusterError(f"The minimum, {adaptivity.minimum}, is more than the maximum, {adaptivity.maximum}.")
        message = await self._gateway.adapt(
            self.name,
            minimum=adaptivity.minimum,
            maximum=adaptivity.maximum,
            active=adaptivity.periodic_callback,
        )
        self._notices.add(message)
        self._adaptive, self._count = adaptivity, None
        if message is not None:  # not all of it fits: show the bounds that the service keeps
            await self._learn_bounds(adaptivity)

    async def _learn_scale(self) -> None:
        """Read the scale that the service keeps."""
        view = await self._gateway.view(self.name)
        scale, groups = view["scale"], view.get("groups") or {}
        self._further = sum(group["desired"] for name, group in groups.items() if name != DEFAULT_GROUP)
        if scale["adaptive"]:
            self._adaptive, self._count = Adaptivity(scale["minimum"], scale["maximum"]), None
        else:
            self._adaptive, self._count = None, scale["count"]

    async def _learn_bounds(self, adaptivity: Adaptivity) -> None:
        """Read the bounds that the service keeps."""
        scale = (await self._gateway.view(self.name))["scale"]
        if scale["adaptive"]:
            adaptivity.minimum, adaptivity.maximum = scale["minimum"], scale["maximum"]

    async def _size(self) -> WorkerSize:
        """Return the size of a worker of the default group."""
        fields, groups = await self._gateway.offered()
        workers = self.scheduler_info["workers"].values()
        running = WorkerSize.running(workers, grouped=len(groups) > 1)
        chosen = (await self._gateway.report(self.name)).options
        usual = next((WorkerSize(group["cores"], group["memory"]) for group in groups), None)
        nominal = WorkerSize.chosen(fields, chosen, usual)
        return nominal if running is None else running.with_memory_of(nominal)

    def _do(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run a function, and issue its warnings. In an event loop run it as a task, as widgets await nothing.

        Raises:
            ClusterError: The cluster has ended, or is closed here.

        """
        self._check_alive()
        if self.asynchronous:
            request = asyncio.ensure_future(self._done(function, *args))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)
            return request
        result = self.sync(function, *args)
        self._notices.show(stacklevel=4)
        return result

    async def _requests_done(self) -> None:
        """Wait for open requests that nobody awaits."""
        requests = self._requests - {asyncio.current_task()}
        if requests:
            await asyncio.wait(requests, timeout=_LAST)

    async def _done(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        result = await function(*args)
        self._notices.show(stacklevel=2)
        return result
