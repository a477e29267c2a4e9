"""Options and error handling of the subcommands that call a running service."""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import click

from spawnpenny.cli.exits import DONE, FAILED, CommandError, RefusedError, UsageError
from spawnpenny.cli.signals import run_until_signal
from spawnpenny.clients.http import Client, ClientError, Patience, ProblemError

_URL: Final = "SPAWNPENNY_URL"
_TOKEN: Final = "SPAWNPENNY_TOKEN"  # noqa: S105 - the name of a variable
_PATIENCE: Final = Patience(total=10.0)

Work = Callable[[Client], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class Target:
    """A service, as the command line names it."""

    url: str
    token: str

    def run(self, work: Work, *, interrupted: str = "") -> int:
        """Open a client, have it do the work, and return the exit code; ``interrupted`` is said after a Ctrl-C.

        Raises:
            RefusedError: The service refuses; the message is its own.
            CommandError: It cannot be reached, or fails.

        """
        code: int | None = None

        async def run() -> None:
            nonlocal code
            async with Client(self.url, self.token, patience=_PATIENCE) as client:
                code = await work(client)

        try:
            finished = run_until_signal(run())
        except ClientError as error:
            raise worded(error) from None
        if not finished:
            click.echo(interrupted or "Ended.", err=True)
            return FAILED
        return DONE if code is None else code


def worded(error: ClientError) -> CommandError:
    """Return the message for an error, and its exit code."""
    if not isinstance(error, ProblemError):
        return CommandError(str(error))
    if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return RefusedError(f"{error.detail} {error.advice}".rstrip())
    where = f" (request {error.request_id})" if error.request_id else ""
    return CommandError(f"{error.detail}{where}")


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say where the service is; it gets a ``target``."""

    @click.option("--url", envvar=_URL, metavar="URL", help=f"Where the service is; default: ${_URL}.")
    @click.option(
        "--token-file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help=f"A file with the token; default: the token is in ${_TOKEN}.",
    )
    @functools.wraps(command)
    def with_target(url: str | None, token_file: str | None, **more: Any) -> Any:
        return command(target=_target(url, token_file), **more)

    return with_target


output_option = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="For people, or programs."
)


def _target(url: str | None, token_file: str | None) -> Target:
    if not url:
        raise UsageError(f"Say where the service is: with --url, or in ${_URL}.")
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no URL of a service: it begins with http:// or https://.")
    return Target(url, _token(token_file))


def _token(file: str | None) -> str:
    if file is None:
        token = os.environ.get(_TOKEN, "").strip()
        if not token:
            raise UsageError(f"Send a token: in ${_TOKEN}, or in a file that --token-file names.")
    else:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"The token file {file} cannot be read: {why}.") from None
        if not token:
            raise UsageError(f"The token file {file} is empty.")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError("The token has characters that no token has.")
    return token
