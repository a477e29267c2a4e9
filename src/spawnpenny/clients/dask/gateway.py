"""The routes of the Dask gateway protocol, as this client uses them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from spawnpenny.clients.connection import Connection
from spawnpenny.clients.dask.adaptivity import Adaptivity
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.place import Place
from spawnpenny.clients.errors import ClientError, ProblemError, UnexpectedAnswerError
from spawnpenny.clients.patience import Patience

_API: Final = "/gateway/api/v1"
_CLUSTERS: Final = f"{_API}/clusters/"
_FACTS: Final = {"facts": "1"}
_PAUSE: Final = 0.2
"""Seconds between two questions that wait: a service that is about to end answers them at once."""
_PROMPT: Final = 10.0
"""Seconds that an end may take to be accepted: whoever closes a cluster waits for it."""
_RESTART: Final = Patience(total=120.0)
"""How long it may be away while a cluster is waited for."""


@dataclass(frozen=True, slots=True)
class Report:
    """A cluster as the service reports it. ``options`` are what was chosen, ``facts`` are of one that runs.

    ``status`` is ``PENDING``, ``RUNNING``, ``STOPPING``, ``STOPPED`` or ``FAILED``; times are seconds since the epoch.
    """

    name: str
    status: str
    started_at: float
    ended_at: float | None
    options: Mapping[str, Any]
    dashboard: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """Return what a JSON object says.

        Raises:
            UnexpectedAnswerError: It says something else.

        """
        try:
            ended = data["stop_time"]
            return cls(
                name=str(data["name"]),
                status=str(data["status"]).upper(),
                started_at=data["start_time"] / 1000,
                ended_at=None if ended is None else ended / 1000,
                options=dict(data["options"] or {}),
                dashboard=data.get("dashboard_route"),
                certificate=data.get("tls_cert"),
                key=data.get("tls_key"),
                facts=dict(data.get("facts") or {}),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise UnexpectedAnswerError(
                "The answer is no report of a Dask cluster: is this spawnpenny's URL?"
            ) from None


class Gateway:
    """Asks the service. Connections last as long as one question, so that there is nothing to close."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def create(self, options: Mapping[str, Any]) -> str:
        """Have a cluster made, and return its name once that is durable.

        The request carries a random ``start``, of which the service makes the cluster's name: sent again, after an
        answer that was lost, it is the same cluster.

        Raises:
            ClientError: It was not accepted.

        """
        start = {"start": secrets.token_hex(16)}
        answer = await self._have("POST", _CLUSTERS, query=start, body={"cluster_options": dict(options)})
        try:
            return str(answer["name"])
        except KeyError:
            raise UnexpectedAnswerError(f"{self._place.url} made a cluster and did not say its name.") from None

    async def until_running(self, name: str) -> Report:
        """Return a cluster's report once it runs, with a certificate and key for this client.

        Raises:
            ClusterError: It will not; the message says why.
            ClientError: It is not known.

        """
        while True:
            answer = await self._have("GET", _cluster(name), query={"wait": "1", **_FACTS}, patience=_RESTART)
            report = Report.from_json(answer)
            if report.status == "RUNNING":
                return report
            if report.status != "PENDING":
                raise ClusterError(f"The Dask cluster {name} is {report.status.lower()}.")
            await asyncio.sleep(_PAUSE)

    async def report(self, name: str) -> Report:
        return Report.from_json(await self._have("GET", _cluster(name), query=_FACTS))

    async def reports(self) -> list[Report]:
        """Return the reports of the user's clusters that are pending or run, without certificates."""
        answer = await self._have("GET", _CLUSTERS)
        return sorted(map(Report.from_json, answer.values()), key=lambda each: each.started_at)

    async def options(self) -> list[dict[str, Any]]:
        """Return the options that a cluster has, as the protocol says them."""
        return list((await self._have("GET", f"{_API}/options"))["cluster_options"])

    async def scale(self, name: str, count: int) -> str | None:
        """Have so many workers, and return what is to be said of it, where fewer fit."""
        return _message(await self._ask("POST", f"{_cluster(name)}/scale", body={"count": count}))

    async def adapt(self, name: str, *, minimum: int | None, maximum: int | None, active: bool) -> str | None:
        """Have as many workers as there is work for, and return what is to be said of it, where fewer fit."""
        body = {"minimum": minimum, "maximum": maximum, "active": active}
        return _message(await self._ask("POST", f"{_cluster(name)}/adapt", body=body))

    async def adaptivity(self, name: str) -> Adaptivity | None:
        """Return within which bounds a cluster adapts, or None where it does not, or is not known to."""
        user = self._place.user
        if user is None:
            return None
        with suppress(ClientError):  # it is for show
            path = f"/v1/users/{quote(user, safe='')}/dask/{quote(name, safe='')}"
            scale = (await self._have("GET", path)).get("scale") or {}
            return Adaptivity(scale.get("minimum"), scale.get("maximum")) if scale.get("adaptive") else None
        return None

    async def stop(self, name: str) -> None:
        await self._ask("DELETE", _cluster(name), within=_PROMPT, patience=Patience(total=_PROMPT))

    async def _have(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] | None = await self._ask(method, path, **more)
        if answer is None:
            raise UnexpectedAnswerError(f"{self._place.url} answered with nothing, and not as spawnpenny does.")
        return answer

    async def _ask(self, method: str, path: str, *, patience: Patience | None = None, **more: Any) -> Any:
        place = self._place
        async with aiohttp.ClientSession() as session:
            try:
                return await Connection(session, place.url, place.token, patience or Patience()).ask(
                    method, path, **more
                )
            except ProblemError as error:
                raise ClusterError(error.detail, status=error.status) from None


def _cluster(name: str) -> str:
    return f"{_CLUSTERS}{quote(name, safe='')}"


def _message(answer: Mapping[str, Any] | None) -> str | None:
    message = (answer or {}).get("msg")
    return str(message) if message else None
