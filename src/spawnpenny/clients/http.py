"""A client of spawnpenny's HTTP API.

>>> async with Client("http://spawnpenny:8080", token) as client:
...     await client.start_lab("ada", start=new_start(), env={"JUPYTER_TOKEN": "…"})
...     async for event in client.lab_events("ada"):
...         print(event.message)
...     lab = await client.lab("ada")
"""

from __future__ import annotations

import json
import secrets
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

from spawnpenny.clients.answers import (
    DEFAULT_LAB,
    UNDOING,
    Caller,
    Event,
    Group,
    Hostnames,
    Lab,
    Page,
    Reason,
    Step,
    User,
    read,
)
from spawnpenny.clients.clusters import Cluster, Clusters
from spawnpenny.clients.connection import Connection
from spawnpenny.clients.errors import ClientError, ProblemError, UnexpectedAnswerError, UnreachableError
from spawnpenny.clients.patience import Patience
from spawnpenny.clients.streams import follow
from spawnpenny.clients.waiting import SLACK, pages, until_gone

__all__ = [
    "DEFAULT_LAB",
    "UNDOING",
    "Caller",
    "Client",
    "ClientError",
    "Cluster",
    "Clusters",
    "Event",
    "Group",
    "Lab",
    "Page",
    "Patience",
    "ProblemError",
    "Reason",
    "Step",
    "UnexpectedAnswerError",
    "UnreachableError",
    "User",
    "new_start",
]

_ROOM: Final = 4096
"""How long a query of ours may become: servers and proxies refuse lines of more than 8 KiB."""


def new_start() -> str:
    """Return a random id for one start of a lab."""
    return secrets.token_hex(8)


class Client:
    """Asks the service at a URL, with a token. It is opened by ``async with``.

    What is safe to send twice is sent again when there is no answer, or when the service says when to come back;
    ``patience`` says for how long. ``trust`` holds the authorities that sign the service's certificate, where those of
    the system do not.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience: Patience | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._patience = patience or Patience()
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # Each stream of events keeps a connection: with a limit, so many of them would keep all else out.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=self._trust or True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    def holding(self, token: str, *, patience: Patience | None = None) -> Client:
        """Return a client for the holder of another token, over the same connections: open as long as this one."""
        other = Client(self.url, token, patience=patience or self._patience)
        other._session = self._session
        return other

    async def until_ready(self) -> None:
        """Wait until the service knows the cluster's state.

        Raises:
            ClientError: It does not in time.

        """
        await self._ask("GET", "/readyz")

    async def whoami(self) -> Caller:
        """Return who the token belongs to, and its scopes.

        Raises:
            ClientError: It is not known.

        """
        return read(Caller, await self._have("GET", "/v1/whoami"))

    async def start_lab(  # noqa: PLR0913 - each is a member of the request
        self,
        user: str,
        lab: str = DEFAULT_LAB,
        *,
        start: str,
        options: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        tls: Mapping[str, str] | None = None,
        patience: float | None = None,
        replace: bool = False,
        program: str | None = None,
    ) -> Lab:
        """Start a lab, and return it as soon as that is durable. The same ``start`` again is the same lab.

        Args:
            user: Whose.
            lab: Its name.
            start: A random id of this start; ``new_start`` makes one.
            options: What was chosen: size, image, and so on.
            env: The lab's environment. No answer ever carries it.
            tls: What the lab serves TLS with: ``key``, ``cert`` and ``ca``, in PEM. No answer ever carries it.
            patience: How many seconds the caller waits for the lab; the service gives up a little earlier and says why.
            replace: Stop another start that is there, if the same caller made it, rather than be refused.
            program: What the caller calls itself, where several programs use one token: only the same one replaces it.

        Raises:
            ClientError: It was not accepted.

        """
        body: dict[str, Any] = {"start": start, "options": dict(options or {}), "env": dict(env or {})}
        if tls is not None:
            body["tls"] = dict(tls)
        if patience is not None:
            body["timeout_s"] = patience
        if program is not None:
            body["client"] = program
        query = {"replace": "true"} if replace else {}
        return read(Lab, await self._have("PUT", _lab(user, lab), query=query, body=body))

    async def lab(self, user: str, lab: str = DEFAULT_LAB) -> Lab:
        """Return a lab.

        Raises:
            ProblemError: With the code ``lab_not_found``, and only with it, there is none.
            ClientError: It is not known.

        """
        return read(Lab, await self._have("GET", _lab(user, lab)))

    async def hostnames(self, user: str, lab: str = DEFAULT_LAB) -> tuple[str, ...]:
        """Return the alternative names (``DNS:…``, ``IP:…``) for the certificate of a lab, there or not.

        Raises:
            ProblemError: With the code ``tls_unsupported``, this service gives labs no certificates.

        """
        return read(Hostnames, await self._have("GET", f"{_lab(user, lab)}/hostnames")).hostnames

    async def stop_lab(
        self, user: str, lab: str = DEFAULT_LAB, *, start: str | None = None, purge: bool = False, wait: float = 0
    ) -> Lab | None:
        """Stop a lab; return None once it is gone, or the lab where that takes longer than ``wait`` seconds.

        With ``start``, only if that is the present one; without, whichever is there when the service is asked first.
        ``purge``: the storage that is this lab's alone goes as well, also where the lab is gone already.

        Raises:
            ProblemError: With the code ``storage_kept``, the lab is gone and its storage stays, as the error says.
            ClientError: It was not accepted.

        """
        this = start

        async def ask(part: float) -> Lab | None:
            nonlocal this
            query = {"wait": f"{part:.3f}"} | ({"start": this} if this else {})
            query |= {"purge": "storage"} if purge else {}
            # Without a start, a request that was lost and comes again could stop what was started meanwhile.
            again, within = this is not None, part + SLACK
            answer = await self._ask("DELETE", _lab(user, lab), query=query, repeatable=again, within=within)
            existing = None if answer is None else read(Lab, answer)
            this = existing.start if existing else None
            return existing

        return await until_gone(ask, wait)

    async def form(self, user: str, lab: str = DEFAULT_LAB, *, options: Mapping[str, Any] | None = None) -> str:
        """Return the HTML of the form for a lab, to stand in a page's form; empty where there is nothing to choose.

        ``clients.forms.options_from_form`` makes options of what was submitted.

        Args:
            user: Whose lab.
            lab: Its name.
            options: What the form begins with, as far as it still fits; else what the lab was last started with.

        Raises:
            ClientError: It is not known.

        """
        query = {"lab": lab} | ({"options": _preselected(options)} if options else {})
        return await self._connection().page(f"{_user(user)}/form", query=query)

    def lab_events(
        self, user: str, lab: str = DEFAULT_LAB, *, after: str | None = None, follow_on: bool = False
    ) -> AsyncGenerator[Event]:
        """Yield what happens to a lab, each event once, until it runs, has failed or is gone.

        ``after`` is the id of an event: only later ones are yielded. ``follow_on``: it goes on while the lab runs.
        Broken streams are resumed.
        """
        query = {"follow": "true"} if follow_on else {}
        return follow(self._connection(), f"{_lab(user, lab)}/events", after=after, query=query)

    async def labs_of(self, user: str) -> tuple[Lab, ...]:
        """Return a user's labs, by name."""
        answer = await self._have("GET", f"{_user(user)}/labs")
        return read(Page, answer).labs

    def pages(self, *, limit: int = 100, after: str | None = None) -> AsyncIterator[Page]:
        """Yield all labs, a page at a time, by user and name; ``after`` is the ``next`` of an earlier page."""

        async def ask(query: Mapping[str, str]) -> Page:
            return read(Page, await self._have("GET", "/v1/labs", query=query))

        return pages(ask, limit=limit, after=after)

    async def labs(self) -> AsyncIterator[Lab]:
        """Yield all labs, by user and name."""
        async for page in self.pages():
            for lab in page.labs:
                yield lab

    @property
    def clusters(self) -> Clusters:
        """Dask clusters, by the same API."""
        return Clusters(self._connection())

    async def commission(self, user: str, *, uid: int, gid: int | None = None, groups: Iterable[Group] = ()) -> User:
        """Make a user known with a dossier, and have the site's orders run; return as soon as that is durable."""
        body: dict[str, Any] = {"uid": uid, "groups": [{"name": group.name, "id": group.id} for group in groups]}
        if gid is not None:
            body["gid"] = gid
        return read(User, await self._have("PUT", _user(user), body=body))

    async def user(self, user: str) -> User:
        """Return a commissioned user.

        Raises:
            ProblemError: With the code ``user_not_found``, nobody commissioned the user.
            ClientError: It is not known.

        """
        return read(User, await self._have("GET", _user(user)))

    async def retire(self, user: str, *, purge: bool = False, wait: float = 0) -> User | None:
        """Retire a user; return None once that is done, or the user where it takes longer than ``wait`` seconds.

        ``purge``: the user's storage goes as well.
        """

        async def ask(part: float) -> User | None:
            query = {"wait": f"{part:.3f}"} | ({"purge": "storage"} if purge else {})
            answer = await self._ask("DELETE", _user(user), query=query, within=part + SLACK)
            return None if answer is None else read(User, answer)

        return await until_gone(ask, wait, given_up=lambda existing: existing.status == "failed")

    def user_events(self, user: str, *, after: str | None = None) -> AsyncGenerator[Event]:
        """Yield what happens in a user's commissioning, as ``lab_events`` does."""
        return follow(self._connection(), f"{_user(user)}/events", after=after)

    def _connection(self) -> Connection:
        if self._session is None:
            raise RuntimeError("a Client is to be opened by `async with`")
        return Connection(self._session, self.url, self._token, self._patience)

    async def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any] | None:
        return await self._connection().ask(method, path, **more)

    async def _have(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        answer = await self._ask(method, path, **more)
        if answer is None:
            raise UnexpectedAnswerError(f"{self.url} answered {HTTPStatus.NO_CONTENT}, and not as spawnpenny does.")
        return answer


def _user(user: str) -> str:
    return f"/v1/users/{quote(user, safe='')}"


def _lab(user: str, lab: str) -> str:
    return f"{_user(user)}/labs/{quote(lab, safe='~')}"


def _preselected(options: Mapping[str, Any]) -> str:
    """Return options as a query has them: texts, as many as a URL has room for, as they are only a beginning."""
    kept: dict[str, str] = {}
    room = _ROOM
    for name, value in options.items():
        room -= len(quote(f"{name}{value}")) + len(quote('"": "", '))
        if isinstance(value, str) and room >= 0:
            kept[name] = value
    return json.dumps(kept)
