"""The certificate of the HTTP API, read again from its files when they change."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from spawnpenny.errors import SettingsError

if TYPE_CHECKING:
    from spawnpenny.settings.sections import WebSettings

_MISMATCH: Final = "KEY_VALUES_MISMATCH"
_Stamp = tuple[tuple[int, int, int], ...]


class Certificate:
    """A certificate and its key, read from files.

    ``context`` is for a listener. Each handshake checks whether the files have changed. If they do not fit together, as
    in the middle of a renewal, the previous certificate stays in use.
    """

    context: ssl.SSLContext

    def __init__(self, certificate: str, key: str) -> None:
        """Read both files.

        Raises:
            SettingsError: They cannot be read, or do not belong together.

        """
        self._certificate, self._key = Path(certificate), Path(key)
        self._stamp = self._look()
        self.context = self._present = self._read()
        # A context of its own for each renewal: one that is in use cannot be given certificate and key at once.
        self.context.sni_callback = self._choose
        self._reported = ""

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        del name, context
        self._renew()
        connection.context = self._present

    def _renew(self) -> None:
        log = structlog.get_logger("spawnpenny.web")
        try:
            stamp = self._look()
            if stamp == self._stamp:
                return
            self._present, self._stamp, self._reported = self._read(), stamp, ""
        except SettingsError as error:
            if error.message != self._reported:  # once, and not for each connection
                self._reported = error.message
                log.warning("the certificate is not renewed", error=error.message)
        else:
            log.info("the certificate is renewed")

    def _look(self) -> _Stamp:
        return _stamp("web.certificate", self._certificate), _stamp("web.key", self._key)

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # Without a password of our own a key that needs one would have OpenSSL ask at the terminal.
            context.load_cert_chain(self._certificate, self._key, password=str)
        except ssl.SSLError as error:
            if error.reason == _MISMATCH:
                message = f"the key in {self._key} does not belong to the certificate in {self._certificate}."
            else:
                message = f"{self._certificate} and {self._key} are not a certificate and its unencrypted key in PEM."
            raise SettingsError(f"web.certificate and web.key: {message}") from None
        except OSError as error:
            raise SettingsError(f"web.certificate and web.key: they cannot be read: {error.strerror}.") from None
        return context


def certificate_of(web: WebSettings) -> Certificate | None:
    """Return the certificate that the settings name, or None where HTTP is served.

    Raises:
        SettingsError: Only one of the two files is named, or they cannot be used.

    """
    if web.certificate and web.key:
        return Certificate(web.certificate, web.key)
    if web.certificate or web.key:
        named, other = ("web.certificate", "web.key") if web.certificate else ("web.key", "web.certificate")
        raise SettingsError(f"{named} is set and {other} is not: HTTPS needs both.")
    return None


def _stamp(setting: str, file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except OSError as error:
        raise SettingsError(f"{setting}: the file {file} cannot be read: {error.strerror}.") from None
    return status.st_ino, status.st_mtime_ns, status.st_size
