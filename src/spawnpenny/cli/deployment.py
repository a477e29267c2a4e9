"""The options that name a deployment, and reading the deployment that they name."""

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
    """Add the options that name a deployment, in place of a settings file."""
    overlay = click.option(
        "--overlay",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="The kustomize overlay of a deployment, whose settings these are: kubectl or kustomize renders it.",
    )
    rendered = click.option(
        "--rendered",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help="What kustomize made of the overlay, - for the standard input.",
    )
    return overlay(rendered(command))


def deployment_of(file: str | None, overlay: Path | None, rendered: Path | None) -> Rendered | None:
    """Return the deployment that the options name, or None where they name a settings file, or nothing.

    Raises:
        UsageError: They name several.
        SettingsError: It cannot be rendered or read.

    """
    if sum(each is not None for each in (file, overlay, rendered)) > 1:
        raise exits.UsageError("--settings, --overlay and --rendered each say where the settings are: give one.")
    if overlay is not None:
        return render(overlay)
    if rendered is None:
        return None
    if str(rendered) == "-":
        return read_rendered(sys.stdin.read(), "the standard input")
    try:
        return read_rendered(rendered.read_text(encoding="utf-8"), str(rendered))
    except OSError as error:
        raise exits.UsageError(f"{rendered} cannot be read: {error.strerror}.") from None
