"""Certificates and kubeconfigs for a control plane on loopback."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import trustme

if TYPE_CHECKING:
    from pathlib import Path


class Pki:
    """A certificate authority, and what it has signed, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self._folder = folder
        self._authority = trustme.CA()
        self.ca = folder / "ca.crt"
        self._authority.cert_pem.write_to_path(str(self.ca))

    def server(self, name: str, *identities: str) -> tuple[Path, Path]:
        """Make a certificate and key for a server with these addresses and host names."""
        return self._write(name, self._authority.issue_cert(*identities))

    def client(self, user: str, group: str | None = None) -> tuple[Path, Path]:
        """Make a certificate and key that Kubernetes takes for a user, of a group."""
        # An identity is asked for, and has no part in it: Kubernetes reads common name and organization.
        signed = self._authority.issue_cert("localhost", common_name=user, organization_name=group or "nobody")
        return self._write("user-" + "".join(c if c.isalnum() else "-" for c in user), signed)

    def key(self, name: str) -> Path:
        """Make a private key alone."""
        return self.server(name, "localhost")[1]

    def trust(self, certificate: Path, key: Path) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority and shows a certificate."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(certificate, key)
        return context

    def serve(self, certificate: Path, key: Path) -> ssl.SSLContext:
        """Return the context of a server that shows a certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        return context

    def kubeconfig(self, url: str, user: str, group: str | None = None) -> Path:
        """Write a kubeconfig for a user; being YAML, it may as well be JSON."""
        certificate, key = self.client(user, group)
        path = certificate.with_suffix(".kubeconfig")
        path.touch(mode=0o600)
        path.write_text(json.dumps(_kubeconfig(url, user, self.ca, certificate, key)))
        return path

    def _write(self, name: str, signed: trustme.LeafCert) -> tuple[Path, Path]:
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in signed.cert_chain_pems))
        key.touch(mode=0o600)
        key.write_bytes(signed.private_key_pem.bytes())
        return certificate, key


def _kubeconfig(url: str, user: str, ca: Path, certificate: Path, key: Path) -> dict[str, Any]:
    def data(path: Path) -> str:
        return b64encode(path.read_bytes()).decode()

    cluster = {"server": url, "certificate-authority-data": data(ca)}
    credentials = {"client-certificate-data": data(certificate), "client-key-data": data(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "current-context": "test",
    }
