"""The start of a lab on the command line: the lab's token, the URL to open, and messages for refusals."""

from __future__ import annotations

import secrets
from typing import Final

from spawnpenny.cli.exits import CommandError, RefusedError
from spawnpenny.cli.service import command_error
from spawnpenny.clients.http import DEFAULT_LAB, Client, ClientError, Lab, ProblemError

LAB_TOKEN: Final = "JUPYTER_TOKEN"  # noqa: S105 - the name of a variable


def new_lab_token() -> str:
    """Return a token for a lab that is started without a Hub."""
    return secrets.token_urlsafe(32)


def url_to_open(url: str, token: str | None) -> str:
    """Return the URL for a browser, with the token if the command made one."""
    return url if token is None else f"{url.rstrip('/')}/lab?token={token}"


async def refused_start(client: Client, user: str, name: str, error: ProblemError) -> CommandError:
    """Return the error for a refused start; if the lab exists, with its URL and the option or command that helps."""
    command = f"spawnpenny lab stop {user}" + ("" if name == DEFAULT_LAB else f" {name}")
    if error.code == "foreign_start":
        return RefusedError(f"{error.detail} To take it over, stop it first: `{command}`.")
    if error.code != "start_conflict":
        return command_error(error)
    lab = await _existing(client, user, name)
    phase = lab.phase if lab else str(error.facts.get("phase") or "present")
    where = f" at {lab.url}" if lab and lab.url else ""
    return RefusedError(
        f"{user}'s lab {name} is already {phase}{where}. Use --replace to start it anew, or stop it: `{command}`."
    )


async def _existing(client: Client, user: str, name: str) -> Lab | None:
    try:
        return await client.lab(user, name)
    except ClientError:  # the token may have the right to start the lab, but not to read it
        return None
