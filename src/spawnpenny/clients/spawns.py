"""Requests about spawns of any kind, for clients that know a kind from the service alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote

from spawnpenny.clients.answers import Event, Reason, Step, known, read, reason_of
from spawnpenny.clients.connection import Connection
from spawnpenny.clients.errors import UnexpectedAnswerError
from spawnpenny.clients.streams import follow
from spawnpenny.clients.waiting import SLACK, pages, until_gone


@dataclass(frozen=True, slots=True)
class KindInfo:
    """A kind of spawns that the service provides.

    Attributes:
        name: The name, such as ``lab``.
        plural: The segment of paths that stands for its spawns.
        title: The name in sentences.
        name_field: The member of answers that has the name of a spawn.
        available: True if a loaded plugin can start spawns of it.
        scales: True if it has workers.
        completes: True if it runs to completion.
        dashboard: True if there are links to its dashboard.

    """

    name: str
    plural: str
    title: str
    name_field: str
    available: bool = True
    scales: bool = False
    completes: bool = False
    dashboard: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return known(cls, data)


@dataclass(frozen=True, slots=True)
class KindList:
    """The kinds of spawns that the service provides."""

    kinds: tuple[KindInfo, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(tuple(KindInfo.from_json(kind) for kind in data["kinds"]))


@dataclass(frozen=True, slots=True)
class KindSpawn:
    """A spawn of any kind. Times are seconds since the epoch.

    Attributes:
        user: The username.
        name: The name of the spawn.
        spawn: The id of the spawn in the logs.
        phase: The phase.
        url: The URL, once it runs.
        reason: Why it failed or ended.
        steps: The steps, in order.
        requested_at: The time of the request.
        deadline: The time at which the start fails.
        ended_at: The time of the end.
        progress: The progress, from 0 to 100.
        start: The id of the start, as the caller sent it.
        by: The identity that started it; empty if unknown.
        client: The name of the program that started it.
        options: The chosen options, without secret ones.
        resources: The amounts that count against the user's quota, as Kubernetes quantities.
        scale: The desired workers, with ``count``; None of a kind without workers.
        workers: The ``running`` and ``pending`` workers, likewise.
        waiting_for: The ``code`` and ``message`` of the trouble of its pods.
        lab: The lab that requested it.
        details: The members that the plugin adds.
        grace: The grace period of the pods of a spawn that is stopping, in seconds.

    """

    user: str
    name: str
    spawn: str
    phase: str
    url: str | None
    reason: Reason | None
    steps: tuple[Step, ...]
    requested_at: float
    deadline: float
    ended_at: float | None
    progress: int = 0
    start: str = ""
    by: str = ""
    client: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, str] = field(default_factory=dict)
    scale: Mapping[str, Any] | None = None
    workers: Mapping[str, int] | None = None
    waiting_for: Mapping[str, Any] | None = None
    lab: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    grace: float = 0

    @property
    def running(self) -> bool:
        """True if it runs."""
        return self.phase == "running"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        steps = tuple(known(Step, step) for step in data["steps"])
        return known(cls, {**data, "steps": steps, "reason": reason_of(data)})


@dataclass(frozen=True, slots=True)
class SpawnsPage:
    """One page of spawns of one kind.

    Attributes:
        spawns: The spawns, by user and name.
        next: The cursor of the next page; None on the last one.
        unknown: Users whose records cannot be read. Their spawns are not listed, but may run.

    """

    spawns: tuple[KindSpawn, ...]
    next: str | None
    unknown: tuple[str, ...]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        spawns = tuple(KindSpawn.from_json(spawn) for spawn in data["spawns"])
        return cls(spawns, data.get("next"), tuple(data.get("unknown", ())))


class Spawns:
    """Requests about the spawns of one kind."""

    def __init__(self, connection: Connection, kind: KindInfo) -> None:
        self._connection = connection
        self.kind = kind

    def pages(self, *, limit: int = 100, phases: Collection[str] = ()) -> AsyncIterator[SpawnsPage]:
        """Yield all spawns, or those in some phases, one page at a time, by user and name."""

        async def send(query: Mapping[str, str]) -> SpawnsPage:
            return self._page(await self._answer("GET", f"/v1/{self.kind.plural}", {**query, **_status(phases)}))

        return pages(send, limit=limit)

    async def of(self, user: str, *, phases: Collection[str] = ()) -> tuple[KindSpawn, ...]:
        """Return the spawns of a user, or those in some phases, by name."""
        return self._page(await self._answer("GET", self._of(user), _status(phases))).spawns

    async def get(self, user: str, name: str) -> KindSpawn:
        """Return a spawn.

        Raises:
            ProblemError: With the code ``<kind>_not_found``, and only then, it does not exist.
            ClientError: There is no answer, or another refusal.

        """
        return self._read(await self._answer("GET", self._one(user, name)))

    async def start(  # noqa: PLR0913 - these are the members of the request
        self,
        user: str,
        name: str,
        *,
        start: str,
        options: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        workers: int | None = None,
        patience: float | None = None,
        replace: bool = False,
    ) -> KindSpawn:
        """Start a spawn, and return it once the service has stored the request. The same ``start`` is the same spawn.

        Args:
            user: The user.
            name: The name of the spawn.
            start: A random id of this start; ``new_start`` makes one.
            options: The choices of the user.
            env: The environment variables of its programs. No answer contains them.
            workers: The number of workers to begin with, of a kind that scales.
            patience: How many seconds the caller waits. The service gives up a little earlier, to say why.
            replace: First stop another start of this spawn, if the same caller made it.

        Raises:
            ClientError: There is no answer, or a refusal.

        """
        body: dict[str, Any] = {"start": start, "options": dict(options or {}), "env": dict(env or {})}
        body |= {} if workers is None else {"scale": {"count": workers}}
        body |= {} if patience is None else {"timeout_s": patience}
        query = {"replace": "true"} if replace else {}
        return self._read(await self._answer("PUT", self._one(user, name), query, body))

    async def stop(self, user: str, name: str, *, start: str | None = None, wait: float = 0) -> KindSpawn | None:
        """Stop a spawn. Return None once it is gone, or the spawn if that takes longer than ``wait`` seconds."""
        current = start

        async def send(part: float) -> KindSpawn | None:
            nonlocal current
            query = {"wait": f"{part:.3f}"} | ({"start": current} if current else {})
            # Without a start, a repeated request could stop a spawn that was started meanwhile.
            repeatable, within = current is not None, part + SLACK
            answer = await self._connection.ask(
                "DELETE", self._one(user, name), query=query, repeatable=repeatable, within=within
            )
            existing = None if answer is None else self._read(answer)
            current = (existing.start or None) if existing else None
            return existing

        return await until_gone(send, wait)

    async def scale(self, user: str, name: str, count: int, *, group: str | None = None) -> str | None:
        """Set the number of workers; return None, or a sentence that says what does not fit.

        Raises:
            ClientError: There is no answer, or a refusal.

        """
        body: dict[str, Any] = {"count": count} | ({"group": group} if group else {})
        answer = await self._answer("POST", f"{self._one(user, name)}/scale", body=body)
        message = answer.get("msg")
        if not isinstance(message, str | None):
            raise UnexpectedAnswerError("The answer is not from spawnpenny: is this its URL?")
        return message

    async def dashboard_link(self, user: str, name: str) -> str | None:
        """Return a new link to the dashboard of a running spawn; None if browsers reach no dashboards.

        The browser that opens it first can open it again, and no other.

        Raises:
            ClientError: There is no answer, or a refusal: it does not run, or its kind has no dashboard.

        """
        answer = await self._answer("POST", f"{self._one(user, name)}/dashboard")
        link = answer.get("link")
        if not isinstance(link, str | None):
            raise UnexpectedAnswerError("The answer is not from spawnpenny: is this its URL?")
        return link

    def events(
        self, user: str, name: str, *, after: str | None = None, follow_on: bool = False
    ) -> AsyncGenerator[Event]:
        """Yield the events of a spawn, each once, until it runs, has failed or is gone.

        With ``follow_on``, continue while it runs.
        """
        query = {"follow": "true"} if follow_on else {}
        return follow(self._connection, f"{self._one(user, name)}/events", after=after, query=query)

    def _page(self, data: Mapping[str, Any]) -> SpawnsPage:
        """Return a list. A plugin may have put its own in the place of the generic one, with another member."""
        lists = {name: value for name, value in data.items() if isinstance(value, list) and name != "unknown"}
        listed = lists.get(self.kind.plural, next(iter(lists.values()), ()))
        named = [{**spawn, "name": spawn.get(self.kind.name_field)} for spawn in listed if isinstance(spawn, dict)]
        return read(SpawnsPage, {**data, "spawns": named})

    def _read(self, data: Mapping[str, Any]) -> KindSpawn:
        return read(KindSpawn, {**data, "name": data.get(self.kind.name_field)})

    async def _answer(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        answer = await self._connection.ask(method, path, query=query or {}, body=body)
        if answer is None:
            raise UnexpectedAnswerError("The answer is empty, so it is not from spawnpenny.")
        return answer

    def _of(self, user: str) -> str:
        return f"/v1/users/{quote(user, safe='')}/{self.kind.plural}"

    def _one(self, user: str, name: str) -> str:
        return f"{self._of(user)}/{quote(name, safe='~')}"


def _status(phases: Collection[str]) -> dict[str, str]:
    return {"status": ",".join(phases)} if phases else {}
