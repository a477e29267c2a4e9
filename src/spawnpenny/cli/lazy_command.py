"""Subcommand that is imported when it runs."""

from __future__ import annotations

from importlib import import_module

import click


class LazyCommand(click.Command):
    """A subcommand of a plugin: its name, the first line of its help, and where it is.

    The command line shows it without importing it, and imports it when it is called.

    Example::

        LazyCommand("render", "Inspect renderings.", "example_render.command:render")
    """

    def __init__(self, name: str, summary: str, target: str) -> None:
        super().__init__(name, help=summary)
        self.target = target

    def load(self) -> click.Command:
        """Import the command.

        Raises:
            TypeError: The target is no command.

        """
        module, _, attribute = self.target.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{self.target} is no click.Command")
        return found
