"""A cluster that follows its own events, from its start to its end."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable
from typing import Any, Final, NoReturn

from distributed.client import Client
from distributed.core import Status
from distributed.deploy.cluster import Cluster
from distributed.objects import SchedulerInfo
from distributed.utils import Log, Logs

from spawnpenny.clients.answers import Event
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.gateway_client import Gateway
from spawnpenny.clients.dask.watch import ClusterWatch, End

_AGAIN: Final = 0.5
"""Seconds until a scheduler is tried again whose connection was lost."""
_LINES: Final = 2000
_NEWS: Final = 5.0
"""Seconds in which the service knows that a scheduler has ended."""


class WatchedCluster(Cluster):  # type: ignore[misc]  # distributed has no types
    """A cluster whose events and end are known here as soon as the service knows them."""

    scheduler_comm: Any
    _watch: ClusterWatch | None = None
    _reconnecting: asyncio.Task[None] | None = None

    @property
    def end(self) -> str | None:
        """The reason why the cluster ended, as a sentence. None while it exists, and if this process ended it."""
        return self._watch.end.message if self._watch is not None and self._watch.end is not None else None

    @property
    def trouble(self) -> str | None:
        """The present trouble of the cluster, as a sentence, such as why a worker does not start.

        None again once all the workers have come that there are to be.
        """
        event = self._watch.trouble if self._watch is not None else None
        return event.message if event is not None else None

    def get_events(self) -> list[Event]:
        """Return what happened to the cluster, the oldest first; each has a ``time``, a ``message`` and a ``type``."""
        return self._watch.events if self._watch is not None else []

    def get_logs(self, cluster: bool = True, scheduler: bool = True, workers: Any = True) -> Any:
        """Return logs of the cluster, the scheduler and the workers; of one that has ended, what happened to it.

        Args:
            cluster: Whether to return what happened to the cluster.
            scheduler: Whether to return the scheduler's log.
            workers: Whether to return the workers' logs, or the addresses of those whose logs to return.

        """
        if self.status == Status.closed and not self.asynchronous:
            return self._kept_logs(cluster=cluster)
        return super().get_logs(cluster, scheduler, workers)

    def wait_for_workers(self, n_workers: int, timeout: float | None = None) -> Any:
        """Wait until so many workers run.

        Args:
            n_workers: How many.
            timeout: For so many seconds.

        Raises:
            ClusterError: The cluster has ended, also where it does meanwhile.

        """
        self._demand_alive()
        return super().wait_for_workers(n_workers, timeout)

    def get_client(self, set_as_default: bool = True) -> Client:
        """Return the current client where it is of this cluster, or else a new one.

        Args:
            set_as_default: Whether it is the one that Dask's collections use from now on.

        Raises:
            ClusterError: The cluster has ended.

        """
        self._demand_alive()
        if not self.asynchronous:
            self.sync(self._settle)
            self._demand_alive()
        if set_as_default:
            return super().get_client()
        return Client(self, set_as_default=False, asynchronous=self.asynchronous)

    def _begin_to_watch(self, gateway: Gateway, name: str) -> None:
        self._watch = ClusterWatch(gateway, name, self._take)
        self._watch.start(self._ended)

    async def _watch_no_longer(self) -> None:
        if self._reconnecting is not None and self._reconnecting is not asyncio.current_task():
            self._reconnecting.cancel()
        if self._watch is not None:
            await self._watch.stop()

    def _take(self, event: Event) -> None:
        """Keep an event among the logs."""
        self._keep(dt.datetime.fromtimestamp(event.time), event.message)  # noqa: DTZ006 - as distributed's own

    def _keep(self, when: dt.datetime, line: str) -> None:
        self._cluster_manager_logs.append((when, line))
        del self._cluster_manager_logs[:-_LINES]

    def _update_worker_status(self, op: str, msg: Any) -> None:
        if op == "remove" and msg in self.scheduler_info["workers"]:
            name = self.scheduler_info["workers"][msg].get("name", msg)
            self._keep(dt.datetime.now(), f"The worker {name} at {msg} has left.")  # noqa: DTZ005 - likewise
        super()._update_worker_status(op, msg)

    async def _ended(self, end: End) -> None:
        """Release a cluster that has ended."""
        if self.status != Status.running:
            return  # who starts or closes it learns of it
        self._keep(dt.datetime.now(), end.message)  # noqa: DTZ005 - as distributed's own
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        await Cluster._close(self)  # noqa: SLF001 - what is left of it is here alone
        self.scheduler_info["workers"] = {}
        self.scheduler_comm = None
        # Or they would try for half a minute to reach the scheduler again, and each call of theirs with them.
        every = list(Client._instances)  # noqa: SLF001 - nothing else knows the clients of a cluster
        mine = [client for client in every if client.cluster is self and client.loop is self.loop]
        closing = (client._close(fast=True) for client in mine)  # noqa: SLF001 - as we are in its loop
        await asyncio.gather(*closing, return_exceptions=True)

    async def _settle(self) -> None:
        """Wait until it is known whether a scheduler has ended whose connection was lost."""
        if self._reconnecting is not None and not self._reconnecting.done():
            await asyncio.wait({self._reconnecting}, timeout=_NEWS)

    def _demand_alive(self) -> None:
        """Refuse what cannot be done with a cluster that has ended, or is closed here.

        Raises:
            ClusterError: It has, or is.

        """
        if self.end is not None:
            raise ClusterError(self.end)
        if self.status in (Status.closing, Status.closed):
            raise ClusterError(
                f"The Dask cluster {self.name} is closed here. Where it still runs, connect to it: "
                f"{type(self).__name__}.from_name({self.name!r})."
            )

    async def _while_alive(self, work: Awaitable[Any]) -> Any:
        """Await a scheduler's answer; if the cluster ends meanwhile, raise why, rather than that it is silent.

        Raises:
            ClusterError: It has ended.

        """
        task = asyncio.ensure_future(work)
        if self._watch is None:
            return await task
        ended = asyncio.create_task(self._watch.ended.wait())
        try:
            await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                try:
                    return task.result()
                except TimeoutError:  # which is of OSError
                    raise
                except OSError as error:  # distributed's own errors of comms are of it
                    await asyncio.wait({ended}, timeout=_NEWS)
                    self._raise_end_or(error)
            self._demand_alive()
        finally:
            for each in (task, ended):
                each.cancel()

    def _raise_end_or(self, error: BaseException) -> NoReturn:
        if self.end is not None:
            raise ClusterError(self.end) from error
        raise error

    async def _get_logs(self, cluster: bool = True, scheduler: bool = True, workers: Any = True) -> Logs:
        if self.status == Status.running and self.scheduler_comm is not None:
            try:
                return await self._while_alive(super()._get_logs(cluster, scheduler, workers))
            except ClusterError:
                pass
        return self._kept_logs(cluster=cluster)

    def _kept_logs(self, *, cluster: bool) -> Logs:
        """Return what is known here: all that happened, or else why the cluster is no more."""
        lines = "\n".join(line for _, line in self._cluster_manager_logs)
        return Logs({"Cluster": Log(lines if cluster else self.end or "")})

    async def _wait_for_workers(self, n_workers: int = 0, timeout: float | None = None) -> None:  # noqa: ASYNC109 - distributed's own
        self._demand_alive()
        await self._while_alive(super()._wait_for_workers(n_workers, timeout))

    async def _watch_worker_status(self, comm: Any) -> None:
        await super()._watch_worker_status(comm)
        if self.status == Status.running and self.end is None:
            self._reconnecting = asyncio.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        """Go on after a lost connection: the scheduler has ended, or is reached again."""
        while self.status == Status.running:
            if self._watch is not None and await self._watch.look():
                return
            try:
                comm = await self.scheduler_comm.live_comm()
                await comm.write({"op": "subscribe_worker_status"})
                self.scheduler_info = SchedulerInfo(await comm.read())
            except OSError:
                await asyncio.sleep(_AGAIN)
            else:
                self._watch_worker_status_comm = comm
                self._watch_worker_status_task = asyncio.ensure_future(self._watch_worker_status(comm))
                return
