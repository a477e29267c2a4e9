"""JupyterHub's internal SSL: a certificate for the host names that the service gives before the server starts.

JupyterHub creates key and certificate as files on the Hub, which no other host can read. They are sent to the service
with the request that starts the server.
"""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from pathlib import Path
from typing import Any, Final

from traitlets import default

from spawnpenny.clients.errors import ClientError
from spawnpenny.clients.jupyterhub.diagnosis import diagnosed
from spawnpenny.clients.jupyterhub.errors import RefusedError, cause_of
from spawnpenny.clients.jupyterhub.service_access import LOOK_TIMEOUT, ServiceAccess

IN_POD: Final = {
    "keyfile": "/etc/jupyterhub/ssl/ssl.key",
    "certfile": "/etc/jupyterhub/ssl/ssl.crt",
    "cafile": "/etc/jupyterhub/ssl/notebooks-ca_trust.crt",
}
"""The paths of the files in a lab, as the lab plugin of the service mounts them."""
_PARTS: Final = {"key": "keyfile", "cert": "certfile", "ca": "cafile"}


class Certificates(ServiceAccess):
    """Mixin for ``c.JupyterHub.internal_ssl``; list it before JupyterHub's Spawner."""

    log: Any
    ssl_alt_names: Any
    _log_name: Any
    _not_counted: Any
    _certificates: dict[str, str] | None = None

    @default("ssl_alt_names_include_local")
    def _not_for_this_machine(self) -> bool:
        return False

    async def create_certs(self) -> dict[str, str]:
        """Create a key and a certificate for the server, with the host names of the service and of the site."""
        configured = self.ssl_alt_names
        names = configured(self) if callable(configured) else configured
        names = await names if isawaitable(names) else names
        self.ssl_alt_names = [*names, *await self._hostnames()]
        try:
            paths: dict[str, str] = await super().create_certs()  # type: ignore[misc]  # JupyterHub has no types
        finally:
            self.ssl_alt_names = configured
        # At once: the files are named after the user, and another server of the user overwrites them.
        self._certificates = _texts(paths)
        return paths

    async def move_certs(self, paths: dict[str, str]) -> dict[str, str]:
        """Return the paths of the files in the pod. Their contents were read when they were created."""
        return dict(IN_POD)

    def take_certificates(self) -> dict[str, str] | None:
        """Return key and certificates for the service, once; None without internal SSL."""
        taken, self._certificates = self._certificates, None
        return taken

    async def _hostnames(self) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(max(LOOK_TIMEOUT, self.patience)):
                client = await self._client()
                return await client.hostnames(self.user.name, self._lab)
        except (ClientError, RefusedError, TimeoutError) as error:
            refusal = diagnosed(error)
            self.log.warning("spawnpenny did not give the host names of %s: %s", self._log_name, cause_of(refusal))
            raise self._not_counted(refusal) from None


def _texts(paths: dict[str, str]) -> dict[str, str]:
    return {part: Path(paths[file]).read_text(encoding="ascii") for part, file in _PARTS.items()}
