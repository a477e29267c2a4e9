"""The start of a lab on the command line: its token, the URL to open, and refusals in the command's own options."""

from __future__ import annotations

import secrets
from typing import Final

from spawnpenny.cli.exits import CommandError, RefusedError
from spawnpenny.cli.service import worded
from spawnpenny.clients.http import DEFAULT_LAB, Client, ClientError, Lab, ProblemError

LAB_TOKEN: Final = "JUPYTER_TOKEN"  # noqa: S105 - the name of a variable


def new_lab_token() -> str:
    """Return a token for a lab that is started without a Hub."""
    return secrets.token_urlsafe(32)


def url_to_open(url: str, token: str | None) -> str:
    """Return what a browser opens: with the token, if the command made it."""
    return url if token is None else f"{url.rstrip('/')}/lab?token={token}"


async def refused_start(client: Client, user: str, name: str, error: ProblemError) -> CommandError:
    """Word a refused start; where a lab has the name, say where it answers and which option or command helps."""
    command = f"spawnpenny lab stop {user}" + ("" if name == DEFAULT_LAB else f" {name}")
    if error.code == "foreign_start":
        return RefusedError(f"{error.detail} To take it over, stop it first: `{command}`.")
    if error.code != "start_conflict":
        return worded(error)
    lab = await _present(client, user, name)
    phase = lab.phase if lab else str(error.facts.get("phase") or "there")
    where = f" at {lab.url}" if lab and lab.url else ""
    return RefusedError(
        f"{user}'s lab {name} is {phase} already{where}. Start it anew with --replace, or stop it: `{command}`."
    )


async def _present(client: Client, user: str, name: str) -> Lab | None:
    try:
        return await client.lab(user, name)
    except ClientError:  # the token may start it and not read it
        return None
