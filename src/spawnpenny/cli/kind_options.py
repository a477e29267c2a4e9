"""Arguments of the commands for spawns of any kind: the user, and the choices."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from spawnpenny.cli.exits import UsageError
from spawnpenny.cli.variables import pairs
from spawnpenny.clients.http import Client


def chosen_options(texts: Iterable[str], json_texts: Iterable[str]) -> dict[str, Any]:
    """Return the options of a start, from texts KEY=VALUE and KEY=JSON.

    Raises:
        UsageError: One has another form, or a key is given twice.

    """
    options: dict[str, Any] = dict(pairs(texts, "--option"))
    for key, text in pairs(json_texts, "--json").items():
        if key in options:
            raise UsageError(f"--option {key} and --json {key} are the same choice. Use only one of them.")
        try:
            options[key] = json.loads(text)
        except ValueError:
            raise UsageError(f"--json {key}: {text!r} is not JSON. Use --option for a text.") from None
    return options


def named_user(user: str | None, named: str | None) -> str | None:
    """Return the user of the argument or of ``--user``.

    Raises:
        UsageError: They differ.

    """
    if user and named and user != named:
        raise UsageError("USER and --user name different users. Use only one of them.")
    return user or named


async def owner_of(client: Client, user: str | None) -> str:
    """Return the named user, else the user of the token.

    Raises:
        UsageError: The token belongs to no user.

    """
    username = user or (await client.whoami()).username
    if username is None:
        raise UsageError("This token belongs to no user. Name the user with --user.")
    return username
