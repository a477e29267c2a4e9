"""A Dask cluster of the service, as distributed knows clusters."""

from __future__ import annotations

import asyncio
import datetime as dt
import warnings
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, Self

from dask.utils import parse_timedelta
from distributed.client import Client
from distributed.core import Status, rpc
from distributed.deploy.cluster import Cluster
from distributed.utils import LoopRunner

from spawnpenny.clients.dask.adaptivity import Adaptivity
from spawnpenny.clients.dask.creation import create
from spawnpenny.clients.dask.errors import ClusterError, ClusterWarning
from spawnpenny.clients.dask.farewell import Farewell
from spawnpenny.clients.dask.gateway import Gateway, Report
from spawnpenny.clients.dask.place import Place
from spawnpenny.clients.dask.progress import progress
from spawnpenny.clients.dask.reach import ClusterSecurity, scheduler_of, security_of
from spawnpenny.clients.dask.remarks import Remarks
from spawnpenny.clients.dask.versions import told
from spawnpenny.clients.errors import ClientError

_MOMENT: Final = 1.0
"""Seconds that a client has, at the end of the process, to take its leave."""


class SpawnpennyCluster(Cluster):  # type: ignore[misc]  # distributed has no types
    """A Dask cluster that the spawnpenny service makes and keeps; inside a lab it needs no argument.

    The service keeps the number of workers, adapts it, and ends the cluster when it has been idle for long: none of it
    needs this process. Everything of ``distributed.deploy.Cluster`` is here, and ``Client(cluster)`` takes it.

    Args:
        n_workers: How many workers to begin with; None: none, or as many as a cluster has that is there already.
        name: The name of a cluster that is there, to connect to; None: a new one.
        shutdown_on_close: Whether ``close``, or the end of the process, ends the cluster; None: if it is a new one.
        asynchronous: Whether this is used in an event loop; then ``await`` it, or use ``async with``.
        timeout: How long the start may take: seconds, or words such as ``"5 minutes"``. None: as long as the service
            lets it.
        quiet: Whether to print nothing while a start takes long.
        proxy: True: go through the TLS proxy; False: straight to the scheduler; ``host:port``: through that proxy.
            None: straight where that works, else through the proxy.
        url: The service; None: ``$SPAWNPENNY_URL``.
        token: What speaks for the user; None: ``$SPAWNPENNY_TOKEN``.
        user: The user, whose progress is shown; None: ``$SPAWNPENNY_USER``.
        public_address: Where browsers reach dashboards; None: ``$DASK_GATEWAY__PUBLIC_ADDRESS``.
        options: The cluster's options, such as ``worker_cores=2``; ``SpawnpennyCluster.options()`` tells which.

    Raises:
        ClusterError: It was refused or failed; the message is the service's.
        ClientError: The service cannot be reached.
        TimeoutError: It took longer than ``timeout``.

    """

    _adaptive: Adaptivity | None

    def __init__(  # noqa: PLR0913 - as a user says it
        self,
        *,
        n_workers: int | None = None,
        name: str | None = None,
        shutdown_on_close: bool | None = None,
        asynchronous: bool = False,
        timeout: float | str | None = None,
        quiet: bool = False,
        proxy: bool | str | None = None,
        url: str | None = None,
        token: str | None = None,
        user: str | None = None,
        public_address: str | None = None,
        **options: Any,
    ) -> None:
        if name is not None and options:
            raise TypeError(f"The cluster {name} is there: it takes no options, and {min(options)} is one.")
        host = proxy if isinstance(proxy, str) else None
        self._place = Place.known(url=url, token=token, user=user, proxy=host, public=public_address)
        self._gateway = Gateway(self._place)
        self._straight = None if proxy is None else proxy is False
        self._options = options
        self._n_workers = n_workers
        self._timeout = None if timeout is None else parse_timedelta(timeout)
        self._connects = name is not None
        self._there = False
        self._farewell: Farewell | None = None
        self._shutdown_on_close = not self._connects if shutdown_on_close is None else shutdown_on_close
        self._closing = asyncio.Lock()
        self._starting: asyncio.Task[None] | None = None
        self._remarks = Remarks()
        self._dashboard = ""
        self.security: ClusterSecurity | None = None
        super().__init__(asynchronous=asynchronous, name=name, quiet=quiet)
        if not self.called_from_running_loop:
            self._start_here()

    @classmethod
    def from_name(cls, name: str, **more: Any) -> Self:
        """Return a cluster that is there already; it stays when this object is closed."""
        return cls(name=name, **more)

    @staticmethod
    def list(*, asynchronous: bool = False, url: str | None = None, token: str | None = None) -> Any:
        """Return a ``Report`` of each cluster of the user that is pending or runs, the oldest first."""
        return _at_once(Gateway(Place.known(url=url, token=token)).reports, asynchronous)

    @staticmethod
    def options(*, asynchronous: bool = False, url: str | None = None, token: str | None = None) -> Any:
        """Return the options that a cluster has: of each its ``field``, ``label``, ``default`` and ``spec``."""
        return _at_once(Gateway(Place.known(url=url, token=token)).options, asynchronous)

    @property
    def shutdown_on_close(self) -> bool:
        """Whether the cluster ends with this object, or with the process."""
        return self._shutdown_on_close

    @shutdown_on_close.setter
    def shutdown_on_close(self, ends: bool) -> None:
        self._shutdown_on_close = ends
        self._mind_the_exit()

    @property
    def dashboard_link(self) -> str:
        """A link to the dashboard, made when this object connected: it opens once. Empty where there is none."""
        return self._dashboard

    def new_dashboard_link(self) -> Any:
        """Return a further link to the dashboard, for where the last one has been opened."""
        return self._do(self._new_dashboard_link)

    def scale(self, n: int) -> Any:
        """Have ``n`` workers. Where fewer fit the quota, the cluster has those, and a warning gives the numbers."""
        return self._do(self._scale, n)

    def adapt(self, minimum: int | None = None, maximum: int | None = None, *, active: bool = True) -> Adaptivity:
        """Have as many workers as there is work for, within bounds; the service sees to it.

        Args:
            minimum: At least so many; None: none.
            maximum: At most so many; None: as many as fit the quota.
            active: False: the workers stay as many as they are.

        """
        adaptivity = Adaptivity(minimum, maximum, periodic_callback=active)
        adaptivity.asking = self._do(self._adapt, adaptivity)
        return adaptivity

    def close(self, timeout: float | None = None) -> Any:
        """Close the connections, and end the cluster where ``shutdown_on_close`` says so."""
        closing = super().close(timeout)
        if not self.asynchronous:
            self._loop_runner.stop()
        return closing

    def shutdown(self, timeout: float | None = None) -> Any:
        """Close the connections and end the cluster, whoever made it."""
        self.shutdown_on_close = True
        return self.close(timeout)

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._begun().__await__()

    def _start_here(self) -> None:
        self._loop_runner.start()
        try:
            self.sync(self._start)
            self._remarks.tell(stacklevel=4)
        except BaseException:
            self.close()  # again, where _start was interrupted and is still at it
            raise

    async def _begun(self) -> Self:
        if self.status == Status.created:
            self._starting = asyncio.create_task(self._start())
        if self._starting is not None:
            await self._starting
            self._remarks.tell(stacklevel=2)
        return self

    async def _start(self) -> None:
        self.status = Status.starting
        patience = asyncio.timeout(self._timeout)
        try:
            async with patience:
                await self._come_up()
        except BaseException as error:
            await self._close()
            if isinstance(error, TimeoutError) and patience.expired():
                message = f"The Dask cluster {self.name} was not there within {self._timeout:g} seconds."
                raise TimeoutError(message) from None
            raise

    async def _come_up(self) -> None:
        if not self._connects:
            await create(self._gateway, self._options, self._accepted)
        async with progress(self._place, self.name, keep=self._keep, show=self._show):
            report = await self._gateway.until_running(self.name)
        if self._connects:
            self._accepted(self.name)
            self._adaptive = await self._gateway.adaptivity(self.name)
        if self._n_workers is not None:
            await self._scale(self._n_workers)
        await self._connect(report)

    def _accepted(self, name: str) -> None:
        self.name, self._there = name, True
        self._mind_the_exit()

    async def _connect(self, report: Report) -> None:
        self._link(report)
        self.security = security_of(report)
        address = await scheduler_of(report, self.security, self._place.proxy, self._straight)
        self.scheduler_comm = rpc(address, connection_args=self.security.get_connection_args("client"))
        try:
            self._remarks.hear(told(self.name, (await self.scheduler_comm.versions())["packages"]))
            await super()._start()
        except OSError as error:  # distributed's own errors of comms are of it
            message = f"The scheduler of the Dask cluster {self.name} cannot be reached at {address}: {error}"
            raise ClusterError(message) from error

    async def _close(self) -> None:
        async with self._closing:
            if self.status == Status.closed:
                return
            await super()._close()
            if not (self._there and self._shutdown_on_close):
                return
            try:
                await self._gateway.stop(self.name)
            except ClientError as error:
                warnings.warn(f"The Dask cluster {self.name} may still run: {error}", ClusterWarning, stacklevel=2)
                return
            self._there = False
            self._mind_the_exit()

    async def _scale(self, n: int) -> None:
        self._remarks.hear(await self._gateway.scale(self.name, n))
        self._adaptive = None

    async def _adapt(self, adaptivity: Adaptivity) -> None:
        self._remarks.hear(
            await self._gateway.adapt(
                self.name,
                minimum=adaptivity.minimum,
                maximum=adaptivity.maximum,
                active=adaptivity.periodic_callback,
            )
        )
        self._adaptive = adaptivity

    async def _new_dashboard_link(self) -> str:
        self._link(await self._gateway.report(self.name))
        return self._dashboard

    def _link(self, report: Report) -> None:
        public, route = self._place.public, report.dashboard
        self._dashboard = f"{public.rstrip('/')}{route}" if public and route else ""

    def _mind_the_exit(self) -> None:
        if self._farewell is not None:
            self._farewell.over()
        ends = self._there and self._shutdown_on_close
        self._farewell = Farewell(self._place, self.name, self._let_client_go) if ends else None

    def _let_client_go(self) -> None:
        client = Client.current()
        if client.cluster is self:
            client.close(timeout=_MOMENT)

    def _keep(self, message: str) -> None:
        self._cluster_manager_logs.append((dt.datetime.now(), message))  # noqa: DTZ005 - as distributed's own

    def _show(self, message: str) -> None:
        if not self.quiet:
            print(message, flush=True)  # noqa: T201 - as distributed's own clusters do

    def _do(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Do it, and say what is to be said of it; in an event loop a task, as widgets await nothing."""
        if self.asynchronous:
            return asyncio.ensure_future(self._said(function, *args))
        result = self.sync(function, *args)
        self._remarks.tell(stacklevel=4)
        return result

    async def _said(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        result = await function(*args)
        self._remarks.tell(stacklevel=2)
        return result


def _at_once(function: Callable[[], Awaitable[Any]], asynchronous: bool) -> Any:
    return function() if asynchronous else LoopRunner().run_sync(function)
