"""Make a cluster, or find the one of its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from spawnpenny.clients.dask.arguments import is_foreign, translate
from spawnpenny.clients.dask.create_mode import CreateMode
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.gateway_client import Gateway, Report
from spawnpenny.clients.dask.units import plain

_LAST_WORD: Final = 5.0
"""Seconds that an interrupted creation waits for the name of what was asked for."""
_PAUSE: Final = 0.5
"""Seconds between two looks at a cluster that is being stopped, and has the name of the next one."""
_ACTIVE: Final = frozenset({"PENDING", "RUNNING"})


class Creation:
    """The creation of one cluster. ``made`` says whether it was made here, and not found."""

    def __init__(self, gateway: Gateway, name: str | None, mode: CreateMode, arguments: Mapping[str, Any]) -> None:
        self.made = False
        self._gateway = gateway
        self._name = name
        self._mode = mode
        self._arguments = arguments

    async def run(self, accepted: Callable[[str], None], warn: Callable[[str], None]) -> None:
        """Make the cluster if it does not exist, and report its name once it is durable.

        Args:
            accepted: Called with the name of a cluster that was made, also where this is interrupted.
            warn: Called with what the user should know.

        Raises:
            ClientError: It was not accepted, or is there and should not be.

        """
        if self._name is None and self._mode is CreateMode.CONNECT_ONLY:
            raise ClusterError(f"create_mode is {self._mode}: give the name of the cluster.")
        options = await self._options(warn)
        if self._mode is CreateMode.CONNECT_ONLY or await self._is_there(options, warn):
            return
        try:
            await self._make(options, accepted)
        except ClusterError as error:
            if self._name is None or error.status != HTTPStatus.CONFLICT or not await self._is_there(options, warn):
                raise  # or another process has made it meanwhile

    async def _options(self, warn: Callable[[str], None]) -> dict[str, Any]:
        arguments = {name: plain(value) for name, value in self._arguments.items()}
        if not is_foreign(arguments):
            return arguments
        fields = {str(field["field"]): field for field in await self._gateway.options()}
        options, unused = translate(arguments, fields)
        if unused:
            warn(f"Not used, as the site decides it: {', '.join(sorted(unused))}.")
        return options

    async def _is_there(self, options: Mapping[str, Any], warn: Callable[[str], None]) -> bool:
        """Return whether there is a cluster of the name to connect to; wait for the end of one that is being stopped.

        Raises:
            ClusterError: There is one, and this is to make a new one.

        """
        report = await self._found()
        if report is None or report.status not in _ACTIVE:
            return False
        if self._mode is CreateMode.CREATE_ONLY:
            raise ClusterError(
                f"There is a Dask cluster {self._name} already, and create_mode is {self._mode}. "
                f"Connect to it by SpawnpennyCluster.from_name({self._name!r}), or take another name."
            )
        for name, value in options.items():
            if name in report.options and report.options[name] != value:
                warn(
                    f"The Dask cluster {self._name} is there already, with {name}={report.options[name]!r}: "
                    f"{name}={value!r} has no effect. Shut it down first, or take another name."
                )
        return True

    async def _found(self) -> Report | None:
        """Return the report of the cluster of the name, once that is not about to end.

        A name that no cluster can have is refused when one is made, with the form of a name.
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
            await asyncio.wait([creating], timeout=_LAST_WORD)
            raise
        finally:
            if creating.done() and not creating.cancelled() and creating.exception() is None:
                self.made = True
                accepted(creating.result())
            creating.cancel()
