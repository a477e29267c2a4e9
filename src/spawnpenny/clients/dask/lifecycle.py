"""The lifecycle of a cluster: create it or find the one of its name, and stop it when its process exits."""

from __future__ import annotations

import asyncio
import atexit
import http.client
import logging
import os
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from spawnpenny.clients.dask.address import ServiceAddress
from spawnpenny.clients.dask.arguments import is_foreign, translate
from spawnpenny.clients.dask.create_mode import CreateMode
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.gateway_client import Gateway, Report
from spawnpenny.clients.dask.units import plain

_LAST_WAIT: Final = 5.0
"""Seconds that an interrupted creation waits for the name of the requested cluster."""
_PAUSE: Final = 0.5
"""Seconds between two requests about a cluster that is being stopped, and whose name the new one is to have."""
_ACTIVE: Final = frozenset({"PENDING", "RUNNING"})
_log = logging.getLogger(__name__)
_PATIENCE: Final = 3.0
"""Seconds for the service's answer at the exit, as the user waits for it."""


class Creation:
    """The creation of one cluster. ``made`` is true if it was created here, and not found."""

    def __init__(self, gateway: Gateway, name: str | None, mode: CreateMode, arguments: Mapping[str, Any]) -> None:
        self.made = False
        self._gateway = gateway
        self._name = name
        self._mode = mode
        self._arguments = arguments

    async def run(self, accepted: Callable[[str], None], warn: Callable[[str], None]) -> None:
        """Create the cluster if it does not exist, and report its name once it is durable.

        Args:
            accepted: Called with the name of a created cluster, also after an interruption.
            warn: Called with warnings for the user.

        Raises:
            ClientError: The service refused the cluster, or it exists although it should not.

        """
        if self._name is None and self._mode is CreateMode.CONNECT_ONLY:
            raise ClusterError(f"create_mode is {self._mode}: pass the name of the cluster.")
        options = await self._options(warn)
        if self._mode is CreateMode.CONNECT_ONLY or await self._exists(options, warn):
            return
        try:
            await self._make(options, accepted)
        except ClusterError as error:
            if self._name is None or error.status != HTTPStatus.CONFLICT or not await self._exists(options, warn):
                raise  # otherwise another process has just created it

    async def _options(self, warn: Callable[[str], None]) -> dict[str, Any]:
        arguments = {name: plain(value) for name, value in self._arguments.items()}
        if not is_foreign(arguments):
            return arguments
        fields = {str(field["field"]): field for field in await self._gateway.options()}
        options, unused = translate(arguments, fields)
        if unused:
            warn(f"Not used, as the site decides it: {', '.join(sorted(unused))}.")
        return options

    async def _exists(self, options: Mapping[str, Any], warn: Callable[[str], None]) -> bool:
        """Return whether a cluster of the name exists; wait for the end of one that is being stopped.

        Raises:
            ClusterError: One exists, although this is to create a new one.

        """
        report = await self._found()
        if report is None or report.status not in _ACTIVE:
            return False
        if self._mode is CreateMode.CREATE_ONLY:
            raise ClusterError(
                f"The Dask cluster {self._name} exists already, and create_mode is {self._mode}. "
                f"Connect to it by SpawnpennyCluster.from_name({self._name!r}), or choose another name."
            )
        for name, value in options.items():
            if name in report.options and report.options[name] != value:
                warn(
                    f"The Dask cluster {self._name} exists already, with {name}={report.options[name]!r}: "
                    f"{name}={value!r} has no effect. Shut it down first, or choose another name."
                )
        return True

    async def _found(self) -> Report | None:
        """Return the report of the cluster of the name, once it is not being stopped; None without one.

        An invalid name counts as no cluster: its creation is refused, with the form of a name.
        """
        if self._name is None:
            return None
        while True:
            try:
                report = await self._gateway.report(self._name)
            except ClusterError as error:
                if error.status == HTTPStatus.NOT_FOUND or self._is_refused_when_made(error):
                    return None
                raise
            if report.status != "STOPPING":
                return report
            await asyncio.sleep(_PAUSE)

    def _is_refused_when_made(self, error: ClusterError) -> bool:
        return error.status == HTTPStatus.UNPROCESSABLE_ENTITY and self._mode is not CreateMode.CONNECT_ONLY

    async def _make(self, options: Mapping[str, Any], accepted: Callable[[str], None]) -> None:
        creating = asyncio.create_task(self._gateway.create(options, name=self._name))
        try:
            await asyncio.shield(creating)
        except asyncio.CancelledError:
            await asyncio.wait([creating], timeout=_LAST_WAIT)
            raise
        finally:
            if creating.done() and not creating.cancelled() and creating.exception() is None:
                self.made = True
                accepted(creating.result())
            creating.cancel()


class ExitHandler:
    """Stops a cluster when the interpreter exits, unless ``cancel`` is called before.

    It sends one plain request from the exiting thread, as event loops and other threads may have ended by then. It
    first calls ``last``, which closes clients, as they would log the loss of their scheduler.
    """

    def __init__(self, service: ServiceAddress, name: str, last: Callable[[], None]) -> None:
        self._service = service
        self._name = name
        self._last = last
        self._process = os.getpid()
        atexit.register(self._stop)

    def cancel(self) -> None:
        atexit.unregister(self._stop)

    def _stop(self) -> None:
        if os.getpid() != self._process:  # the exit of a fork does not end its parent's clusters
            return
        with suppress(Exception):
            self._last()
        request = urllib.request.Request(  # noqa: S310 - it is where the cluster was made
            f"{self._service.url}/gateway/api/v1/clusters/{quote(self._name, safe='')}",
            method="DELETE",
            headers={"Authorization": f"Bearer {self._service.token}"} if self._service.token else {},
        )
        # Without the proxies of the environment, as all other requests.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(request, timeout=_PATIENCE).close()
        except (OSError, http.client.HTTPException) as error:
            _log.warning("The Dask cluster %s may still run: it could not be stopped at exit: %s", self._name, error)
