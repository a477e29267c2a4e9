"""A Dask cluster of the service, with the interface of distributed's clusters."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any, Final, Self

from distributed.client import Client
from distributed.core import Status, rpc
from distributed.utils import LoopRunner

from spawnpenny.clients.answers import Event
from spawnpenny.clients.dask.address import ServiceAddress, service_of
from spawnpenny.clients.dask.connection import ClusterSecurity, scheduler_of, security_of
from spawnpenny.clients.dask.create_mode import CreateMode
from spawnpenny.clients.dask.errors import ClusterError, ClusterWarning
from spawnpenny.clients.dask.gateway_client import Gateway, Report
from spawnpenny.clients.dask.lifecycle import Creation, ExitHandler
from spawnpenny.clients.dask.linked import LinkedCluster
from spawnpenny.clients.dask.notices import Notices
from spawnpenny.clients.dask.progress import Progress
from spawnpenny.clients.dask.sizes import whole_number
from spawnpenny.clients.dask.units import seconds
from spawnpenny.clients.dask.versions import version_warning
from spawnpenny.clients.dask.watch import End
from spawnpenny.clients.errors import ClientError

_MODE: Final = CreateMode.CREATE_OR_CONNECT
_MOMENT: Final = 1.0
"""Seconds for a client to close at the end of the process."""


class SpawnpennyCluster(LinkedCluster):
    """A Dask cluster that the spawnpenny service runs. In a lab it needs no argument.

    The service keeps the number of workers, adapts it, and ends an idle cluster, without this process. The class has
    all members of ``distributed.deploy.Cluster``, and ``Client(cluster)`` accepts it.

    Args:
        n_workers: The number of workers at first. None: none, or those of an existing cluster.
        name: A name of your own. If you have a cluster of that name, this connects to it. None: a new cluster, with a
            name that the service makes.
        create_mode: ``"CREATE_ONLY"``: only create a cluster of that name; ``"CONNECT_ONLY"``: only connect to one;
            ``"CREATE_OR_CONNECT"``: do either.
        shutdown_on_close: Whether ``close``, or the end of the process, ends the cluster. None: if this created it.
        asynchronous: Whether the cluster is used in an event loop. Then ``await`` it, or use ``async with``.
        timeout: How long the start may take: seconds, or a text such as ``"5 minutes"``. None: as long as the service
            allows.
        quiet: Whether to print nothing during a long start.
        proxy: True: connect through the TLS proxy; False: directly to the scheduler; ``host:port``: through that proxy.
            None: directly if that works, else through the proxy.
        url: The URL of the service; None: ``$SPAWNPENNY_URL``.
        token: The token of the user; None: ``$SPAWNPENNY_TOKEN``.
        user: The user; None: ``$SPAWNPENNY_USER``, or the user of the token.
        public_address: The URL at which browsers reach dashboards; None: ``$DASK_GATEWAY__PUBLIC_ADDRESS``.
        options: Cluster options, such as ``worker_cores=2``; ``SpawnpennyCluster.options()`` lists them. Arguments of
            other cluster classes are translated; a warning names unused ones.

    Raises:
        ClusterError: The cluster was refused or failed, with the message of the service.
        ClientError: The service cannot be reached.
        TimeoutError: The start took longer than ``timeout``.

    """

    def __init__(  # noqa: PLR0913 - as a user says it
        self,
        *,
        n_workers: int | None = None,
        name: str | None = None,
        create_mode: CreateMode | str | None = None,
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
        if name is not None and not (isinstance(name, str) and name):
            raise TypeError(f"name is {name!r}; it has to be a text, such as 'my-work', or None.")
        url = url or service_of(options.pop("address", None))
        proxy = options.pop("proxy_address", None) if proxy is None else proxy
        host = proxy if isinstance(proxy, str) else None
        self._service = ServiceAddress.find(url=url, token=token, user=user, proxy=host, public=public_address)
        self._gateway = Gateway(self._service)
        self._straight = None if proxy is None else proxy is False
        self._creation = Creation(self._gateway, name, CreateMode.of(create_mode or _MODE), options)
        self._n_workers = None if n_workers is None else whole_number(n_workers, "n_workers")
        self._timeout = seconds(timeout)
        self._exists = False
        self._exit_handler: ExitHandler | None = None
        self._shutdown_on_close = shutdown_on_close
        self._closing = asyncio.Lock()
        self._starting: asyncio.Task[None] | None = None
        self._notices = Notices()
        self._requests = set()
        self._progress = Progress(self._show)
        self.security: ClusterSecurity | None = None
        super().__init__(asynchronous=asynchronous, name=name, quiet=quiet)
        if not self.called_from_running_loop:
            self._start_here()

    @classmethod
    def from_name(cls, name: str | None = None, *, cluster_name: str | None = None, **more: Any) -> Self:
        """Connect to an existing cluster. It stays when this object is closed.

        Args:
            name: The name of the cluster.
            cluster_name: The same; dask-gateway calls it so.
            more: Arguments of the class.

        Raises:
            ClusterError: You have no cluster of that name.

        """
        found = name or cluster_name
        if not found or not isinstance(found, str):
            raise TypeError("from_name() needs the name of a cluster.")
        return cls(name=found, **{"create_mode": CreateMode.CONNECT_ONLY, "shutdown_on_close": False, **more})

    @staticmethod
    def list(*, asynchronous: bool = False, url: str | None = None, token: str | None = None) -> Any:
        """Return a ``Report`` for each pending or running cluster of the user, the oldest first."""
        return _run_alone(Gateway(ServiceAddress.find(url=url, token=token)).reports, asynchronous)

    @staticmethod
    def options(*, asynchronous: bool = False, url: str | None = None, token: str | None = None) -> Any:
        """Return the cluster options of the site, each with ``field``, ``label``, ``default`` and ``spec``."""
        return _run_alone(Gateway(ServiceAddress.find(url=url, token=token)).options, asynchronous)

    @property
    def shutdown_on_close(self) -> bool:
        """True if the cluster ends with this object, or with the process."""
        return self._creation.made if self._shutdown_on_close is None else self._shutdown_on_close

    @shutdown_on_close.setter
    def shutdown_on_close(self, ends: bool) -> None:
        self._shutdown_on_close = ends
        self._update_exit_handler()

    def close(self, timeout: float | None = None, shutdown: bool | None = None) -> Any:
        """Close the connections, and end the cluster if ``shutdown_on_close`` is true.

        Args:
            timeout: The most seconds that it may take.
            shutdown: Whether to end the cluster; None: by ``shutdown_on_close``.

        """
        if isinstance(timeout, bool):  # dask-gateway's first argument
            timeout, shutdown = None, timeout
        if shutdown is not None:
            self.shutdown_on_close = shutdown
        closing = super().close(timeout)
        if not self.asynchronous:
            self._loop_runner.stop()
        return closing

    def shutdown(self, timeout: float | None = None) -> Any:
        """Close the connections and end the cluster, even if another process created it."""
        return self.close(timeout, shutdown=True)

    def __await__(self) -> Generator[Any, Any, Self]:
        return self._ready().__await__()

    def __reduce__(self) -> Any:
        raise TypeError(
            "A SpawnpennyCluster cannot be pickled or copied, as it holds connections. "
            f"Pass its name, and connect there: SpawnpennyCluster.from_name({self.name!r})."
        )

    def _start_here(self) -> None:
        self._loop_runner.start()
        try:
            self.sync(self._start)
            self._notices.show(stacklevel=4)
        except BaseException:
            self.close()  # also if _start was interrupted and still runs
            raise

    async def _ready(self) -> Self:
        if self.status == Status.created:
            self._starting = asyncio.create_task(self._start())
        if self._starting is not None:
            await self._starting
            self._notices.show(stacklevel=2)
        await self._settle()  # distributed's Client awaits a cluster before it connects
        return self

    async def _start(self) -> None:
        self.status = Status.starting
        patience = asyncio.timeout(self._timeout)
        try:
            async with patience:
                await self._bring_up()
        except BaseException as error:
            await self._close()
            if isinstance(error, TimeoutError) and patience.expired():
                message = f"The Dask cluster {self.name} did not start within {self._timeout:g} seconds."
                raise TimeoutError(message) from None
            raise

    async def _bring_up(self) -> None:
        await self._creation.run(self._accepted, self._notices.add)
        self._start_watch(self._gateway, self.name)
        if self._creation.made:
            await self._begin_workers()  # they start at the same time as the scheduler
        with self._progress.shown():
            report = await self._gateway.until_running(self.name)
        if not self._creation.made:
            self._accepted(self.name)
            with suppress(ClientError):  # it is only shown
                await self._learn_scale()
            await self._begin_workers()
        await self._connect(report)

    async def _begin_workers(self) -> None:
        if self._n_workers is not None:
            await self._scale(self._n_workers)

    def _accepted(self, name: str) -> None:
        self.name, self._exists = name, True
        self._update_exit_handler()

    async def _connect(self, report: Report) -> None:
        self._link(report)
        self.security = security_of(report)
        address = await scheduler_of(report, self.security, self._service.proxy, self._straight)
        self.scheduler_comm = rpc(address, connection_args=self.security.get_connection_args("client"))
        try:
            versions = (await self.scheduler_comm.versions())["packages"]
            self._notices.add(version_warning(self.name, versions))
            await super()._start()
        except OSError as error:  # distributed's own errors of comms are OSErrors
            message = f"The scheduler of the Dask cluster {self.name} cannot be reached at {address}: {error}"
            raise ClusterError(message) from error

    async def _close(self) -> None:
        async with self._closing:
            if self.status == Status.closed:
                return
            await self._requests_done()
            self.status = Status.closing
            await self._stop_watch()
            await super()._close()
            if not (self._exists and self.shutdown_on_close):
                return
            try:
                await self._gateway.stop(self.name)
            except ClientError as error:
                warnings.warn(f"The Dask cluster {self.name} may still run: {error}", ClusterWarning, stacklevel=2)
                return
            self._exists = False
            self._update_exit_handler()

    async def _ended(self, end: End) -> None:
        self._exists = False
        self._update_exit_handler()
        await super()._ended(end)

    def _update_exit_handler(self) -> None:
        if self._exit_handler is not None:
            self._exit_handler.cancel()
        ends = self._exists and self.shutdown_on_close
        self._exit_handler = ExitHandler(self._service, self.name, self._close_client) if ends else None

    def _close_client(self) -> None:
        client = Client.current()
        if client.cluster is self:
            client.close(timeout=_MOMENT)

    def _take(self, event: Event) -> None:
        super()._take(event)
        self._progress.take(event)

    def _show(self, message: str) -> None:
        if not self.quiet:
            print(message, flush=True)  # noqa: T201 - as distributed's own clusters do


def _run_alone(function: Callable[[], Awaitable[Any]], asynchronous: bool) -> Any:
    return function() if asynchronous else LoopRunner().run_sync(function)
