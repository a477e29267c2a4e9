"""The certificate authority of one spawn, and the certificates that it issues.

P-256 throughout. The extensions are those that strict verification asks for, which Python does by default since 3.13
(``ssl.VERIFY_X509_STRICT``; RFC 5280, sections 4.2.1.1 to 4.2.1.3, 4.2.1.9 and 4.2.1.12).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from spawnpenny.errors import SettingsError

CA_DAYS: Final = 3650
"""Days for which an authority is valid: longer than any spawn lives."""
_MAX_NAME: Final = 64
"""RFC 5280's bound on a common name."""
_SKEW: Final = timedelta(hours=1)
"""Time by which the clock of a verifier may be behind ours."""


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate and its key, both PEM. The key is secret."""

    certificate: str
    key: str = field(repr=False)


class Authority:
    """A certificate authority. ``pem`` is the whole of it, and secret; others trust ``certificate``."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def create(cls, name: str) -> Self:
        """Make a new authority; ``name`` is the name of its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(name)
        builder = _builder(subject, subject, key.public_key(), CA_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, pem: str) -> Self:
        """Return the authority with this ``pem``.

        Raises:
            ValueError: This is no authority.

        """
        key = serialization.load_pem_private_key(pem.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("this is no key of an authority")  # noqa: TRY004 - the text is wrong, not its type
        return cls(x509.load_pem_x509_certificate(pem.encode()), key)

    @property
    def pem(self) -> str:
        """The certificate and the key. Secret."""
        return self.certificate + _key_pem(self._key)

    @property
    def certificate(self) -> str:
        """The certificate alone, as PEM, for clients and servers that trust the authority."""
        return _pem(self._certificate)

    def issue(self, common_name: str, days: float) -> IssuedCertificate:
        """Sign a new certificate for servers and clients, valid for some days."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(common_name), self._certificate.subject, key.public_key(), days)
        for extension, critical in (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(signs=False), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            (x509.SubjectAlternativeName([x509.DNSName(common_name)]), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False),
        ):
            builder = builder.add_extension(extension, critical=critical)
        return IssuedCertificate(_pem(builder.sign(self._key, hashes.SHA256())), _key_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, days: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:_MAX_NAME])])


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def client_context(setting: str, file: str | None) -> ssl.SSLContext | None:
    """Return a TLS context for clients that trusts a file; None, for the authorities of the machine, without a file.

    Args:
        setting: The name of the setting with the file, with dots.
        file: A PEM file with the certificates of authorities; only these are trusted.

    Raises:
        SettingsError: The file has no readable certificate.

    """
    if file is None:
        return None
    try:
        return ssl.create_default_context(cafile=Path(file))  # "" as a text would be taken for no file at all
    except (OSError, ValueError) as error:  # an SSLError is an OSError, and ValueError a name that no file can have
        why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
        message = f"{setting}: {file!r} has no readable certificate ({why})"
        raise SettingsError(f"{message}; name a PEM file with the certificate of the authority.") from None
