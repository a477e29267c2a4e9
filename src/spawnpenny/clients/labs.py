"""Requests about labs."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from spawnpenny.clients.answers import DEFAULT_LAB, Event, Hostnames, Lab, Page, read
from spawnpenny.clients.session import Session, user_path
from spawnpenny.clients.streams import follow
from spawnpenny.clients.waiting import SLACK, pages, until_gone

_MOST_OPTIONS: Final = 4096
"""The length of the options in a query: servers and proxies refuse lines of more than 8 KiB."""


def new_start() -> str:
    """Return a random id for one start of a lab."""
    return secrets.token_hex(8)


class LabRequests(Session):
    """The part of the client for labs."""

    async def start_lab(  # noqa: PLR0913 - these are the members of the request
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
        """Start a lab, and return it once the service has stored the request. The same ``start`` again is the same lab.

        Args:
            user: The user of the lab.
            lab: The name of the lab.
            start: A random id of this start; ``new_start`` makes one.
            options: The choices of the user, such as size and image.
            env: The environment variables of the lab. No answer contains them.
            tls: The ``key``, ``cert`` and ``ca`` for TLS, in PEM. No answer contains them.
            patience: How many seconds the caller waits for the lab. The service gives up a little earlier, to say why.
            replace: First stop another start of this lab, if the same caller made it.
            program: The name of the caller's program, if several use one token. Only the same one can replace it.

        Raises:
            ClientError: There is no answer, or a refusal.

        """
        body: dict[str, Any] = {"start": start, "options": dict(options or {}), "env": dict(env or {})}
        if tls is not None:
            body["tls"] = dict(tls)
        if patience is not None:
            body["timeout_s"] = patience
        if program is not None:
            body["client"] = program
        query = {"replace": "true"} if replace else {}
        return read(Lab, await self._answer("PUT", _lab(user, lab), query=query, body=body))

    async def lab(self, user: str, lab: str = DEFAULT_LAB) -> Lab:
        """Return a lab.

        Raises:
            ProblemError: With the code ``lab_not_found``, and only then, the lab does not exist.
            ClientError: There is no answer, or another refusal.

        """
        return read(Lab, await self._answer("GET", _lab(user, lab)))

    async def hostnames(self, user: str, lab: str = DEFAULT_LAB) -> tuple[str, ...]:
        """Return the alternative names (``DNS:…``, ``IP:…``) for the certificate of a lab, which need not exist.

        Raises:
            ProblemError: With the code ``tls_unsupported``, labs of this service take no certificates.

        """
        return read(Hostnames, await self._answer("GET", f"{_lab(user, lab)}/hostnames")).hostnames

    async def stop_lab(
        self, user: str, lab: str = DEFAULT_LAB, *, start: str | None = None, purge: bool = False, wait: float = 0
    ) -> Lab | None:
        """Stop a lab. Return None once it is gone, or the lab if that takes longer than ``wait`` seconds.

        Args:
            user: The user of the lab.
            lab: The name of the lab.
            start: Stop only this start; by default, the one that exists at the first request.
            purge: Also delete the storage that only this lab uses, even if the lab is gone already.
            wait: How many seconds to wait.

        Raises:
            ProblemError: With the code ``storage_kept``, the lab is gone, but its storage stays.
            ClientError: There is no answer, or a refusal.

        """
        current = start

        async def send(part: float) -> Lab | None:
            nonlocal current
            query = {"wait": f"{part:.3f}"} | ({"start": current} if current else {})
            query |= {"purge": "storage"} if purge else {}
            # Without a start, a repeated request could stop a lab that was started meanwhile.
            repeatable, within = current is not None, part + SLACK
            answer = await self._request("DELETE", _lab(user, lab), query=query, repeatable=repeatable, within=within)
            existing = None if answer is None else read(Lab, answer)
            current = existing.start if existing else None
            return existing

        return await until_gone(send, wait)

    async def form(self, user: str, lab: str = DEFAULT_LAB, *, options: Mapping[str, Any] | None = None) -> str:
        """Return the HTML of the form for a lab, for a form element of a page; empty if there is nothing to choose.

        ``clients.forms.options_from_form`` makes options of the submitted form.

        Args:
            user: The user of the lab.
            lab: The name of the lab.
            options: The preselected options; by default those with which the lab was last started.

        Raises:
            ClientError: There is no answer, or another refusal.

        """
        query = {"lab": lab} | ({"options": _preselected(options)} if options else {})
        return await self._connection().page(f"{user_path(user)}/form", query=query)

    def lab_events(
        self, user: str, lab: str = DEFAULT_LAB, *, after: str | None = None, follow_on: bool = False
    ) -> AsyncGenerator[Event]:
        """Yield the events of a lab, each once, until the lab runs, has failed or is gone. Broken streams are resumed.

        Args:
            user: The user of the lab.
            lab: The name of the lab.
            after: The id of an event; only later ones are yielded.
            follow_on: Continue while the lab runs.

        """
        query = {"follow": "true"} if follow_on else {}
        return follow(self._connection(), f"{_lab(user, lab)}/events", after=after, query=query)

    async def labs_of(self, user: str) -> tuple[Lab, ...]:
        """Return a user's labs, by name."""
        answer = await self._answer("GET", f"{user_path(user)}/labs")
        return read(Page, answer).labs

    def pages(self, *, limit: int = 100, after: str | None = None) -> AsyncIterator[Page]:
        """Yield all labs, a page at a time, by user and name; ``after`` is the ``next`` of an earlier page."""

        async def send(query: Mapping[str, str]) -> Page:
            return read(Page, await self._answer("GET", "/v1/labs", query=query))

        return pages(send, limit=limit, after=after)

    async def labs(self) -> AsyncIterator[Lab]:
        """Yield all labs, by user and name."""
        async for page in self.pages():
            for lab in page.labs:
                yield lab


def _lab(user: str, lab: str) -> str:
    return f"{user_path(user)}/labs/{quote(lab, safe='~')}"


def _preselected(options: Mapping[str, Any]) -> str:
    """Return options as JSON for a query: only texts, and no more than fit into a URL."""
    kept: dict[str, str] = {}
    left = _MOST_OPTIONS
    for name, value in options.items():
        left -= len(quote(f"{name}{value}")) + len(quote('"": "", '))
        if isinstance(value, str) and left >= 0:
            kept[name] = value
    return json.dumps(kept)
