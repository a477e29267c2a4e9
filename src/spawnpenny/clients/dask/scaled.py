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
"""Arguments of distributed's Adaptive, which runs in the notebook: here the service decides when."""
_LAST: Final = 5.0
"""Seconds that a closing cluster waits for what was asked for."""


class ScaledCluster(WatchedCluster):
    """A cluster that is scaled by the service."""

    _adaptive: Adaptivity | None
    _gateway: Gateway
    _notices: Notices
    _options: dict[str, Any]
    _count: int | None = None
    """The workers that it is to have, beside those of further groups; None where that changes with the work."""
    _requests: set[asyncio.Future[Any]]
    _further: int = 0
    """The workers of further groups that it is to have."""

    def scale(self, n: int | None = None, memory: float | str | None = None, cores: float | None = None) -> Any:
        """Scale to ``n`` workers, or to so many that together they have so much memory and so many cores.

        Where fewer fit the quota, the cluster has those, and a warning gives the numbers.

        Args:
            n: How many workers; with ``memory`` or ``cores``, at least so many.
            memory: As a number of bytes, or with a unit: ``"100 GiB"``.
            cores: Of all workers together.

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
        """Scale with the work, within bounds; the service sees to it.

        Args:
            minimum: At least so many; None: none.
            maximum: At most so many; None: as many as fit the quota.
            active: False: the workers stay as many as they are.
            minimum_cores: At least so many workers that they have so many cores together.
            maximum_cores: At most so many.
            minimum_memory: At least so many workers that they have so much memory together.
            maximum_memory: At most so many.
            other: Arguments of distributed's ``Adaptive``, which are not used; a warning says so.

        """
        unknown = other.keys() - _NOT_USED
        if unknown:
            raise TypeError(f"adapt() got an unexpected keyword argument {min(unknown)!r}")
        if other:
            self._notices.hear(f"adapt() does not use {', '.join(sorted(other))}: the service decides when to scale.")
        adaptivity = Adaptivity(bound(minimum, "minimum"), bound(maximum, "maximum"), periodic_callback=active)
        least, most = Amount(minimum_cores, minimum_memory), Amount(bounded(maximum_cores), bounded(maximum_memory))
        adaptivity.request = self._do(self._adapt, adaptivity, least, most)
        return adaptivity

    @property
    def _wanted(self) -> int | None:
        gone = self.end is not None or self.status in (Status.closing, Status.closed)
        return None if self._count is None or gone else self._count + self._further

    @property
    def workers(self) -> Mapping[str, Any]:
        """The workers that run, by name, as the scheduler knows them."""
        return {str(worker["name"]): worker for worker in self.scheduler_info["workers"].values()}

    @property
    def observed(self) -> set[str]:
        """The names of the workers that run."""
        return set(self.workers)

    @property
    def requested(self) -> set[str]:
        """The names of the workers that run, and one for each that is to come."""
        names = self.observed
        return names | {f"pending-{number}" for number in range((self._wanted or 0) - len(names))}

    @property
    def plan(self) -> set[str]:
        """The same as ``requested``: what the service is to have is what it asks Kubernetes for."""
        return self.requested

    def _update_worker_status(self, op: str, msg: Any) -> None:
        super()._update_worker_status(op, msg)
        if op == "add":
            self._look_whether_all_came()

    def _look_whether_all_came(self) -> None:
        if self._watch is not None and len(self.scheduler_info["workers"]) >= (self._wanted or 0):
            self._watch.all_is_well()

    async def _scale_to(self, count: int, amount: Amount) -> None:
        self._demand_alive()
        if amount != Amount():
            count = max([count, *amount.workers(await self._size())])
        await self._scale(count)

    async def _scale(self, count: int) -> None:
        message = await self._gateway.scale(self.name, count)
        self._notices.hear(message)
        self._adaptive, self._count = None, count
        if message is not None:  # fewer fit
            await self._learn_scale()
        self._look_whether_all_came()

    async def _adapt(self, adaptivity: Adaptivity, least: Amount, most: Amount) -> None:
        self._demand_alive()
        if (least, most) != (Amount(), Amount()):
            size = await self._size()
            minima = [adaptivity.minimum, *least.workers(size)]
            maxima = [adaptivity.maximum, *most.workers(size, at_most=True)]
            adaptivity.minimum = max((each for each in minima if each is not None), default=None)
            adaptivity.maximum = min((each for each in maxima if each is not None), default=None)
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
        self._notices.hear(message)
        self._adaptive, self._count = adaptivity, None
        if message is not None:  # not all of it fits: what is shown is what holds
            await self._learn_bounds(adaptivity)

    async def _learn_scale(self) -> None:
        """Take the scale that the service keeps."""
        view = await self._gateway.view(self.name)
        scale, groups = view["scale"], view.get("groups") or {}
        self._further = sum(group["desired"] for name, group in groups.items() if name != DEFAULT_GROUP)
        if scale["adaptive"]:
            self._adaptive, self._count = Adaptivity(scale["minimum"], scale["maximum"]), None
        else:
            self._adaptive, self._count = None, scale["count"]

    async def _learn_bounds(self, adaptivity: Adaptivity) -> None:
        """Take the bounds that the service keeps."""
        scale = (await self._gateway.view(self.name))["scale"]
        if scale["adaptive"]:
            adaptivity.minimum, adaptivity.maximum = scale["minimum"], scale["maximum"]

    async def _size(self) -> WorkerSize:
        """Return what a worker of the default group has."""
        fields, groups = await self._gateway.offered()
        workers = self.scheduler_info["workers"].values()
        running = WorkerSize.running(workers, grouped=len(groups) > 1)
        chosen = (await self._gateway.report(self.name)).options
        usual = next((WorkerSize(group["cores"], group["memory"]) for group in groups), None)
        nominal = WorkerSize.chosen(fields, chosen, usual)
        return nominal if running is None else running.with_memory_of(nominal)

    def _do(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Do it, and give the warnings that come of it; in an event loop as a task, as widgets await nothing.

        Raises:
            ClusterError: The cluster has ended, or is closed here.

        """
        self._demand_alive()
        if self.asynchronous:
            request = asyncio.ensure_future(self._done(function, *args))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)
            return request
        result = self.sync(function, *args)
        self._notices.show(stacklevel=4)
        return result

    async def _requests_done(self) -> None:
        """Wait for requests that nobody awaits."""
        requests = self._requests - {asyncio.current_task()}
        if requests:
            await asyncio.wait(requests, timeout=_LAST)

    async def _done(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        result = await function(*args)
        self._notices.show(stacklevel=2)
        return result
