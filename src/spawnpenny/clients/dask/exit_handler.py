"""The end of a cluster whose process ends without having closed it."""

from __future__ import annotations

import atexit
import http.client
import logging
import os
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from spawnpenny.clients.dask.address import Place

_log = logging.getLogger(__name__)
_PATIENCE: Final = 3.0
"""Seconds that a service may take to answer at the end: nobody wants to wait for an exit."""


class ExitHandler:
    """Stops a cluster when the interpreter exits, unless ``over`` is called before.

    It is one plain request from the thread that exits: no event loop, and no other thread, can be relied on by then.
    Before it, so that no client is left to complain of a lost scheduler, ``last`` has a moment.
    """

    def __init__(self, place: Place, name: str, last: Callable[[], None]) -> None:
        self._place = place
        self._name = name
        self._last = last
        self._process = os.getpid()
        atexit.register(self._say)

    def over(self) -> None:
        atexit.unregister(self._say)

    def _say(self) -> None:
        if os.getpid() != self._process:  # a fork's end is not the end of its parent's clusters
            return
        with suppress(Exception):
            self._last()
        request = urllib.request.Request(  # noqa: S310 - it is where the cluster was made
            f"{self._place.url}/gateway/api/v1/clusters/{quote(self._name, safe='')}",
            method="DELETE",
            headers={"Authorization": f"Bearer {self._place.token}"} if self._place.token else {},
        )
        # As the other requests do: no proxy of the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            opener.open(request, timeout=_PATIENCE).close()
        except (OSError, http.client.HTTPException) as error:
            _log.warning("The Dask cluster %s may still run: it could not be stopped at exit: %s", self._name, error)
