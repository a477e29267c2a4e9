"""A cluster that follows its own events from start to end."""

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
"""Seconds until the next attempt to connect after a lost connection."""
_MAX_LOG: Final = 2000
_REPORT: Final = 5.0
"""Seconds in which the service learns of the end of a scheduler."""


class WatchedCluster(Cluster):  # type: ignore[misc]  # distributed has no types
    """A cluster that learns of its events and its end as soon as the service does."""

    scheduler_comm: Any
    _watch: ClusterWatch | None = None
    _reconnecting: asyncio.Task[None] | None = None

    @property
    def end(self) -> str | None:
        """The reason why the cluster ended, as a sentence; None while it exists, or if this process ended it."""
        return self._watch.end.message if self._watch is not None and self._watch.end is not None else None

    @property
    def trouble(self) -> str | None:
        """The present trouble of the cluster, as a sentence, such as why a worker does not start.

        None once all desired workers have joined.
        """
        event = self._watch.trouble if self._watch is not None else None
        return event.message if event is not None else None

    def get_events(self) -> list[Event]:
        """Return the events of the cluster, the oldest first, each with ``time``, ``message`` and ``type``."""
        return self._watch.events if self._watch is not None else []

    def get_logs(self, cluster: bool = True, scheduler: bool = True, workers: Any = True) -> Any:
        """Return the logs of the cluster, the scheduler and the workers; of an ended cluster, only its events.

        Args:
            cluster: Whether to return the events of the cluster.
            scheduler: Whether to return the scheduler's log.
            workers: Whether to return the workers' logs, or the addresses of the workers whose logs to return.

        """
        if self.status == Status.closed and not self.asynchronous:
            return self._kept_logs(cluster=cluster)
        return super().get_logs(cluster, scheduler, workers)

    def wait_for_workers(self, n_workers: int, timeout: float | None = None) -> Any:
        """Wait until enough workers run.

        Args:
            n_workers: The number of workers.
            timeout: The most seconds to wait.

        Raises:
            ClusterError: The cluster has ended, or ends meanwhile.

        """
        self._check_alive()
        return super().wait_for_workers(n_workers, timeout)

    def get_client(self, set_as_default: bool = True) -> Client:
        """Return the current client if it is of this cluster, or else a new one.

        Args:
            set_as_default: Whether Dask's collections use the client from now on.

        Raises:
            ClusterError: The cluster has ended.

        """
        self._check_alive()
        if not self.asynchronous:
            self.sync(self._settle)
            self._check_alive()
        if set_as_default:
            return super().get_client()
        return Client(self, set_as_default=False, asynchronous=self.asynchronous)

    def _start_watch(self, gateway: Gateway, name: str) -> None:
        self._watch = ClusterWatch(gateway, name, self._take)
        self._watch.start(self._ended)

    async def _stop_watch(self) -> None:
        if self._reconnecting is not None and self._reconnecting is not asyncio.current_task():
            self._reconnecting.cancel()
        if self._watch is not None:
            await self._watch.stop()

    def _take(self, event: Event) -> None:
        """Add an event to the logs."""
        self._keep(dt.datetime.fromtimestamp(event.time), event.message)  # noqa: DTZ006 - as distributed's own

    def _keep(self, when: dt.datetime, line: str) -> None:
        self._cluster_manager_logs.append((when, line))
        del self._cluster_manager_logs[:-_MAX_LOG]

    def _update_worker_status(self, op: str, msg: Any) -> None:
        if op == "remove" and msg in self.scheduler_info["workers"]:
            name = self.scheduler_info["workers"][msg].get("name", msg)
            self._keep(dt.datetime.now(), f"The worker {name} at {msg} has left.")  # noqa: DTZ005 - likewise
        super()._update_worker_status(op, msg)

    async def _ended(self, end: End) -> None:
        """Release a cluster that has ended."""
        if self.status != Status.running:
            return  # the start or the close reports it
        self._keep(dt.datetime.now(), end.message)  # noqa: DTZ005 - as distributed's own
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        await Cluster._close(self)  # noqa: SLF001 - what is left of it is here alone
        self.scheduler_info["workers"] = {}
        self.scheduler_comm = None
        # Else they, and each of their calls, would try to reach the scheduler for half a minute.
        every = list(Client._instances)  # noqa: SLF001 - nothing else knows the clients of a cluster
        mine = [client for client in every if client.cluster is self and client.loop is self.loop]
        closing = (client._close(fast=True) for client in mine)  # noqa: SLF001 - as we are in its loop
        await asyncio.gather(*closing, return_exceptions=True)

    async def _settle(self) -> None:
        """After a lost connection, wait until the service knows whether the scheduler has ended."""
        if self._reconnecting is not None and not self._reconnecting.done():
            await asyncio.wait({self._reconnecting}, timeout=_REPORT)

    def _check_alive(self) -> None:
        """Check that the cluster is usable.

        Raises:
            ClusterError: The cluster has ended, or is closed here.

        """
        if self.end is not None:
            raise ClusterError(self.end)
        if self.status in (Status.closing, Status.closed):
            raise ClusterError(
                f"The Dask cluster {self.name} is closed here. If it still runs, connect to it: "
                f"{type(self).__name__}.from_name({self.name!r})."
            )

    async def _while_alive(self, work: Awaitable[Any]) -> Any:
        """Await an answer of the scheduler. If the cluster ends meanwhile, raise its reason at once.

        Raises:
            ClusterError: The cluster has ended.

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
                except TimeoutError:  # a subclass of OSError
                    raise
                except OSError as error:  # distributed's own errors of comms are OSErrors
                    await asyncio.wait({ended}, timeout=_REPORT)
                    self._raise_end_or(error)
            self._check_alive()
        finally:
            for waiting in (task, ended):
                waiting.cancel()

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
        """Return the logs that are kept here: all events, or else the reason of the end."""
        text = "\n".join(line for _, line in self._cluster_manager_logs)
        return Logs({"Cluster": Log(text if cluster else self.end or "")})

    async def _wait_for_workers(self, n_workers: int = 0, timeout: float | None = None) -> None:  # noqa: ASYNC109 - distributed's own
        self._check_alive()
        await self._while_alive(super()._wait_for_workers(n_workers, timeout))

    async def _watch_worker_status(self, comm: Any) -> None:
        await super()._watch_worker_status(comm)
        if self.status == Status.running and self.end is None:
            self._reconnecting = asyncio.create_task(self._reconnect())

    async def _reconnect(self) -> None:
        """After a lost connection, reconnect, unless the scheduler has ended."""
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
