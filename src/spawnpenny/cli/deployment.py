"""The options --overlay and --rendered, and the deployment that they name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spawnpenny.admin.permissions.rendered import Rendered, read_rendered, render
from spawnpenny.cli import exits

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def deployment_options(command: F) -> F:
    """Add the options that name a deployment instead of a settings file."""
    overlay = click.option(
        "--overlay",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="The kustomize overlay of the deployment. kubectl or kustomize renders it.",
    )
    rendered = click.option(
        "--rendered",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help="The rendered overlay; - for standard input.",
    )
    return overlay(rendered(command))


def deployment_of(file: str | None, overlay: Path | None, rendered: Path | None) -> Rendered | None:
    """Return the deployment that the options name, or None if they name a settings file or nothing.

    Raises:
        UsageError: Several options are given.
        SettingsError: The deployment cannot be rendered or read.

    """
    if sum(option is not None for option in (file, overlay, rendered)) > 1:
        raise exits.UsageError("--settings, --overlay and --rendered all name the settings: use only one of them.")
    if overlay is not None:
        return render(overlay)
    if rendered is None:
        return None
    if str(rendered) == "-":
        return read_rendered(sys.stdin.read(), "standard input")
    try:
        return read_rendered(rendered.read_text(encoding="utf-8"), str(rendered))
    except OSError as error:
        raise exits.UsageError(f"{rendered} cannot be read: {error.strerror}.") from None
