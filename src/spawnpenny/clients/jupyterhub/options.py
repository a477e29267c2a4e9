"""The options page of the Hub, and the options that can be sent from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from traitlets import default

from spawnpenny.clients.errors import ClientError
from spawnpenny.clients.forms import options_from_form, without_texts
from spawnpenny.clients.jupyterhub.diagnosis import diagnosed
from spawnpenny.clients.jupyterhub.errors import RefusedError, cause_of
from spawnpenny.clients.jupyterhub.lab_client import LOOK, Access

_HURRY: Final = 3.0
"""Seconds of patience for a page that somebody waits for."""


class Choices(Access):
    """The form, and what is made of it. Each trait gives way to what an administrator sets."""

    log: Any
    orm_spawner: Any
    options_from_form: Any

    @default("options_form")
    def _form_of_the_service(self) -> Any:
        return type(self)._fetched_form  # noqa: SLF001 - its own

    async def _fetched_form(self) -> str:
        """Return the form. JupyterHub puts it into its page as it is, and not as a template."""
        try:
            async with asyncio.timeout(LOOK):
                client = await self._client(_HURRY)
                return await client.form(self.user.name, self._lab, options=self.orm_spawner.user_options)
        except (ClientError, RefusedError, TimeoutError) as error:
            refusal = diagnosed(error)
            self.log.warning("There is no form for %s: %s", self.user.name, cause_of(refusal))
            return _unavailable(refusal)

    @default("options_from_form")
    def _options_of_the_form(self) -> Any:
        return options_from_form

    def options_from_query(self, query_data: Mapping[str, Iterable[str]]) -> Any:
        """Return the options of a link that starts a server at once: choices, and no free text of the link's author."""
        return self.options_from_form(without_texts(query_data))

    @default("apply_user_options")
    def _options_are_sent(self) -> Any:
        return _nothing_to_apply


def sendable(options: Any) -> dict[str, Any]:
    """Return a user's options, once it is sure that they can be sent.

    Raises:
        RefusedError: They are what JSON cannot say, such as files.

    """
    if not isinstance(options, dict):
        raise RefusedError("option_invalid", "A server's options are an object of names and values.", status=422)
    for name, value in options.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            message = f"The option {name} is a file, or something else that is no text: servers take none."
            raise RefusedError("option_invalid", message, advice="Leave it out.", status=422) from None
    return options


def _unavailable(refusal: RefusedError) -> str:
    """Return what stands in the place of a form that cannot be had."""
    return f'<p class="alert alert-danger" role="alert">{escape(refusal.jupyterhub_message)}</p>'


def _nothing_to_apply(spawner: Any, user_options: Mapping[str, Any]) -> None:
    """Leave the options to the service, and keep JupyterHub from logging that nobody handles them."""
