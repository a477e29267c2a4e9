"""Client of the gateway protocol: create, find, scale and stop clusters."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from spawnpenny.clients.connection import Connection
from spawnpenny.clients.dask.address import ServiceAddress
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.errors import ProblemError, UnexpectedAnswerError
from spawnpenny.clients.patience import Patience

_API: Final = "/gateway/api/v1"
_CLUSTERS: Final = f"{_API}/clusters/"
_FACTS: Final = {"facts": "1"}
_KEPT_NAME: Final = re.compile(r"-[0-9a-f]{8}\Z")
_PAUSE: Final = 0.2
"""Seconds between two requests that wait, as a service that is about to end answers them at once."""
_PROMPT: Final = 10.0
"""Seconds for the service to accept a stop, as the user waits for it."""
_RESTART: Final = Patience(total=120.0)
"""How long the service may be away while a cluster starts."""


@dataclass(frozen=True, slots=True)
class Report:
    """The service's report of a cluster. ``options`` are the chosen ones; ``facts`` are of a running cluster.

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
    route: str = field(default="", repr=False)
    """The name of the cluster for proxies."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """Return the report in a JSON object.

        Raises:
            UnexpectedAnswerError: The object is no report.

        """
        try:
            ended = data["stop_time"]
            return cls(
                name=short(str(data["name"])),
                status=str(data["status"]).upper(),
                started_at=data["start_time"] / 1000,
                ended_at=None if ended is None else ended / 1000,
                options=dict(data["options"] or {}),
                dashboard=data.get("dashboard_route"),
                certificate=data.get("tls_cert"),
                key=data.get("tls_key"),
                facts=dict(data.get("facts") or {}),
                route=str(data["name"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise UnexpectedAnswerError(
                "The answer is no report of a Dask cluster: is this spawnpenny's URL?"
            ) from None


class Gateway:
    """Client of the service. It opens a connection for each request, so that there is nothing to close."""

    def __init__(self, service: ServiceAddress) -> None:
        self.service = service
        self._user = service.user

    async def create(self, options: Mapping[str, Any], *, name: str | None = None) -> str:
        """Create a cluster, and return its name once it is durable.

        The request has a random ``start``, from which the service makes the name. Repeated after a lost answer, it
        names the same cluster.

        Raises:
            ClientError: The service did not accept it.

        """
        query = {"start": secrets.token_hex(16), **({} if name is None else {"name": name})}
        answer = await self._answer("POST", _CLUSTERS, query=query, body={"cluster_options": dict(options)})
        try:
            return short(str(answer["name"]))
        except KeyError:
            raise UnexpectedAnswerError(f"{self.service.url} created a cluster, but did not send its name.") from None

    async def until_running(self, name: str) -> Report:
        """Return the report of a cluster once it runs, with a certificate and key for this client.

        Raises:
            ClusterError: It will not run; the message has the reason.
            ClientError: The service does not answer.

        """
        while True:
            answer = await self._answer("GET", _cluster(name), query={"wait": "1", **_FACTS}, patience=_RESTART)
            report = Report.from_json(answer)
            if report.status == "RUNNING":
                return report
            if report.status != "PENDING":
                raise ClusterError(f"The Dask cluster {name} is {report.status.lower()}.")
            await asyncio.sleep(_PAUSE)

    async def report(self, name: str) -> Report:
        return Report.from_json(await self._answer("GET", _cluster(name), query=_FACTS))

    async def reports(self) -> list[Report]:
        """Return the reports of the user's pending and running clusters, without certificates."""
        answer = await self._answer("GET", _CLUSTERS)
        return sorted(map(Report.from_json, answer.values()), key=lambda report: report.started_at)

    async def options(self) -> list[dict[str, Any]]:
        """Return the cluster options of the site, in the form of the protocol."""
        return (await self.offered())[0]

    async def worker_groups(self) -> list[dict[str, Any]]:
        """Return the worker groups of the site, the default one first."""
        return (await self.offered())[1]

    async def offered(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the cluster options and the worker groups of the site."""
        answer = await self._answer("GET", f"{_API}/options")
        return list(answer["cluster_options"]), list(answer.get("worker_groups") or [])

    async def scale(self, name: str, count: int, *, group: str | None = None) -> str | None:
        """Scale a group (None: the default one) to so many workers; return a notice if fewer fit."""
        body = {"count": count, **({} if group is None else {"group": group})}
        return _message(await self._ask("POST", f"{_cluster(name)}/scale", body=body))

    async def adapt(self, name: str, *, minimum: int | None, maximum: int | None, active: bool) -> str | None:
        """Scale with the work; return a notice if fewer workers fit."""
        body = {"minimum": minimum, "maximum": maximum, "active": active}
        return _message(await self._ask("POST", f"{_cluster(name)}/adapt", body=body))

    async def view(self, name: str) -> dict[str, Any]:
        """Return the service's view of a cluster: phase, reason, scale and workers."""
        return await self._answer("GET", await self.path_of(name))

    async def path_of(self, name: str) -> str:
        """Return the path of a cluster in the REST API."""
        if self._user is None:
            self._user = (await self._answer("GET", "/v1/whoami")).get("username")
        return f"/v1/users/{quote(self._user or '', safe='')}/dask/{quote(name, safe='')}"

    async def stop(self, name: str) -> None:
        await self._ask("DELETE", _cluster(name), within=_PROMPT, patience=Patience(total=_PROMPT))

    async def _answer(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] | None = await self._ask(method, path, **more)
        if answer is None:
            raise UnexpectedAnswerError(f"{self.service.url} sent an empty answer, unlike spawnpenny.")
        return answer

    async def _ask(self, method: str, path: str, *, patience: Patience | None = None, **more: Any) -> Any:
        service = self.service
        async with aiohttp.ClientSession() as session:
            try:
                return await Connection(session, service.url, service.token, patience or Patience()).ask(
                    method, path, **more
                )
            except ProblemError as error:
                raise ClusterError(error.detail, status=error.status) from None


def short(name: str) -> str:
    """Return a cluster's name for its user, from that of the service: ``mine`` from ``mine-0123abcd``.

    Names that the service makes have no hyphen.
    """
    return _KEPT_NAME.sub("", name)


def _cluster(name: str) -> str:
    return f"{_CLUSTERS}{quote(name, safe='')}"


def _message(answer: Mapping[str, Any] | None) -> str | None:
    message = (answer or {}).get("msg")
    return str(message) if message else None
