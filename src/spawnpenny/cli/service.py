"""Options and error messages of the subcommands that call a running service."""

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
    """The URL and the token of a service, from the command line."""

    url: str
    token: str

    def run(self, work: Work, *, interrupted: str = "") -> int:
        """Open a client, run the work with it, and return the exit code; print ``interrupted`` after Ctrl-C.

        Raises:
            RefusedError: The service refuses; with its message.
            CommandError: The service cannot be reached, or fails.

        """
        code: int | None = None

        async def run() -> None:
            nonlocal code
            async with Client(self.url, self.token, patience=_PATIENCE) as client:
                code = await work(client)

        try:
            finished = run_until_signal(run())
        except ClientError as error:
            raise command_error(error) from None
        if not finished:
            click.echo(interrupted or "Ended.", err=True)
            return FAILED
        return DONE if code is None else code


def command_error(error: ClientError) -> CommandError:
    """Return the error of the command for an error of the client, with its message and exit code."""
    if not isinstance(error, ProblemError):
        return CommandError(str(error))
    if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return RefusedError(f"{error.detail} {error.advice}".rstrip())
    where = f" (request {error.request_id})" if error.request_id else ""
    return CommandError(f"{error.detail}{where}")


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --url and --token-file to a command, which gets a ``target``."""

    @click.option("--url", envvar=_URL, metavar="URL", help=f"The URL of the service; default: ${_URL}.")
    @click.option(
        "--token-file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help=f"A file with the token; default: the token in ${_TOKEN}.",
    )
    @functools.wraps(command)
    def with_target(url: str | None, token_file: str | None, **more: Any) -> Any:
        return command(target=_target(url, token_file), **more)

    return with_target


output_option = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The format of the output."
)


def _target(url: str | None, token_file: str | None) -> Target:
    if not url:
        raise UsageError(f"The URL of the service is missing. Use --url, or set ${_URL}.")
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is not the URL of a service: it has to begin with http:// or https://.")
    return Target(url, _token(token_file))


def _token(file: str | None) -> str:
    if file is None:
        token = os.environ.get(_TOKEN, "").strip()
        if not token:
            raise UsageError(f"The token is missing. Set ${_TOKEN}, or name a file with --token-file.")
    else:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"The token file {file} cannot be read: {why}.") from None
        if not token:
            raise UsageError(f"The token file {file} is empty.")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise UsageError("The token has spaces or other characters that are not allowed in a token.")
    return token
