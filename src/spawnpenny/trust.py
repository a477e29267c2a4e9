"""Whose certificates are believed, where the settings name an authority."""

from __future__ import annotations

import ssl
from pathlib import Path

from spawnpenny.errors import SettingsError


def trusting(setting: str, file: str | None) -> ssl.SSLContext | None:
    """Return what the certificates of others are checked with; None, for what the machine trusts, without a file.

    Args:
        setting: What names the file among the settings, with dots.
        file: A PEM file with the certificates of authorities, which alone are believed then.

    Raises:
        SettingsError: There is no certificate in it that can be read.

    """
    if file is None:
        return None
    try:
        return ssl.create_default_context(cafile=Path(file))  # "" as a text would be taken for no file at all
    except (OSError, ValueError) as error:  # an SSLError is an OSError, and ValueError a name that no file can have
        why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        told = f"{setting}: {file!r} holds no certificate that can be read ({why})"
        raise SettingsError(f"{told}; name a PEM file with the certificate of the authority.") from None
