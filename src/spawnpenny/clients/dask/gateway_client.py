"""The routes of the Dask gateway protocol, as this client uses them."""

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
from spawnpenny.clients.dask.address import Place
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.errors import ProblemError, UnexpectedAnswerError
from spawnpenny.clients.patience import Patience

_API: Final = "/gateway/api/v1"
_CLUSTERS: Final = f"{_API}/clusters/"
_FACTS: Final = {"facts": "1"}
_KEPT_NAME: Final = re.compile(r"-[0-9a-f]{8}\Z")
_PAUSE: Final = 0.2
"""Seconds between two questions that wait: a service that is about to end answers them at once."""
_PROMPT: Final = 10.0
"""Seconds that an end may take to be accepted: the user who closes a cluster waits for it."""
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
    route: str = field(default="", repr=False)
    """The name under which proxies know it."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Report:
        """Return what a JSON object says.

        Raises:
            UnexpectedAnswerError: It says something else.

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
    """Asks the service. Connections last as long as one question, so that there is nothing to close."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._user = place.user

    async def create(self, options: Mapping[str, Any], *, name: str | None = None) -> str:
        """Create a cluster, and return its name once that is durable.

        The request carries a random ``start``, of which the service makes the cluster's name: sent again, after an
        answer that was lost, it is the same cluster.

        Raises:
            ClientError: It was not accepted.

        """
        query = {"start": secrets.token_hex(16), **({} if name is None else {"name": name})}
        answer = await self._have("POST", _CLUSTERS, query=query, body={"cluster_options": dict(options)})
        try:
            return short(str(answer["name"]))
        except KeyError:
            raise UnexpectedAnswerError(f"{self.place.url} made a cluster and did not say its name.") from None

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
        return (await self.offered())[0]

    async def worker_groups(self) -> list[dict[str, Any]]:
        """Return the groups of workers that the site offers, the default one first."""
        return (await self.offered())[1]

    async def offered(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the options that a cluster has, and the groups of workers that the site offers."""
        answer = await self._have("GET", f"{_API}/options")
        return list(answer["cluster_options"]), list(answer.get("worker_groups") or [])

    async def scale(self, name: str, count: int, *, group: str | None = None) -> str | None:
        """Scale a group to so many workers, and return a notice if fewer fit; None: the default group."""
        body = {"count": count, **({} if group is None else {"group": group})}
        return _message(await self._ask("POST", f"{_cluster(name)}/scale", body=body))

    async def adapt(self, name: str, *, minimum: int | None, maximum: int | None, active: bool) -> str | None:
        """Scale with the work, and return a notice if fewer workers fit."""
        body = {"minimum": minimum, "maximum": maximum, "active": active}
        return _message(await self._ask("POST", f"{_cluster(name)}/adapt", body=body))

    async def view(self, name: str) -> dict[str, Any]:
        """Return all that the service says of a cluster: its phase, reason, scale and workers."""
        return await self._have("GET", await self.path_of(name))

    async def path_of(self, name: str) -> str:
        """Return the path of a cluster among those of all users."""
        if self._user is None:
            self._user = (await self._have("GET", "/v1/whoami")).get("username")
        return f"/v1/users/{quote(self._user or '', safe='')}/dask/{quote(name, safe='')}"

    async def stop(self, name: str) -> None:
        await self._ask("DELETE", _cluster(name), within=_PROMPT, patience=Patience(total=_PROMPT))

    async def _have(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer: dict[str, Any] | None = await self._ask(method, path, **more)
        if answer is None:
            raise UnexpectedAnswerError(f"{self.place.url} answered with nothing, and not as spawnpenny does.")
        return answer

    async def _ask(self, method: str, path: str, *, patience: Patience | None = None, **more: Any) -> Any:
        place = self.place
        async with aiohttp.ClientSession() as session:
            try:
                return await Connection(session, place.url, place.token, patience or Patience()).ask(
                    method, path, **more
                )
            except ProblemError as error:
                raise ClusterError(error.detail, status=error.status) from None


def short(name: str) -> str:
    """Return a cluster's name as its user has it: the service keeps ``mine`` as ``mine-`` and 8 hexadecimal digits.

    The names that the service makes have no hyphen.
    """
    return _KEPT_NAME.sub("", name)


def _cluster(name: str) -> str:
    return f"{_CLUSTERS}{quote(name, safe='')}"


def _message(answer: Mapping[str, Any] | None) -> str | None:
    message = (answer or {}).get("msg")
    return str(message) if message else None
