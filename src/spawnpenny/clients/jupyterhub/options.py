"""The form on the Hub's page of options, and the options that are sent from it."""

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
from spawnpenny.clients.jupyterhub.service_access import LOOK_TIMEOUT, ServiceAccess

_PATIENCE: Final = 3.0
"""Seconds of retries for a page, as a user waits for it."""


class OptionsForm(ServiceAccess):
    """Mixin for the form of the service, and the options from it. The configuration of a Hub overrides each trait."""

    log: Any
    orm_spawner: Any
    options_from_form: Any

    @default("options_form")
    def _form_of_the_service(self) -> Any:
        return type(self)._fetched_form  # noqa: SLF001 - its own

    async def _fetched_form(self) -> str:
        """Return the form. JupyterHub does not treat it as a template."""
        try:
            async with asyncio.timeout(LOOK_TIMEOUT):
                client = await self._client(_PATIENCE)
                return await client.form(self.user.name, self._lab, options=self.orm_spawner.user_options)
        except (ClientError, RefusedError, TimeoutError) as error:
            refusal = diagnosed(error)
            self.log.warning("The form for %s cannot be shown: %s", self.user.name, cause_of(refusal))
            return _unavailable(refusal)

    @default("options_from_form")
    def _options_of_the_form(self) -> Any:
        return options_from_form

    def options_from_query(self, query_data: Mapping[str, Iterable[str]]) -> Any:
        """Return the options of a link that starts a server at once, without the free texts of the link's author."""
        return self.options_from_form(without_texts(query_data))

    @default("apply_user_options")
    def _options_are_sent(self) -> Any:
        return _nothing_to_apply


def sendable(options: Any) -> dict[str, Any]:
    """Return the options of a user, after a check that they can be sent.

    Raises:
        RefusedError: JSON cannot express them, such as files.

    """
    if not isinstance(options, dict):
        raise RefusedError(
            "option_invalid", "The options of a server have to be an object of names and values.", status=422
        )
    for name, value in options.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            message = f"The option {name} is a file or another value that cannot be sent."
            raise RefusedError("option_invalid", message, advice="Leave it out.", status=422) from None
    return options


def _unavailable(refusal: RefusedError) -> str:
    """Return the HTML that is shown instead of a form."""
    return f'<p class="alert alert-danger" role="alert">{escape(refusal.jupyterhub_message)}</p>'


def _nothing_to_apply(spawner: Any, user_options: Mapping[str, Any]) -> None:
    """Do nothing: the service applies the options. Without this, JupyterHub logs that no handler exists."""
