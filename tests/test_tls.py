"""A Dask cluster's certificate authority, as TLS libraries see it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from spawnpenny.tls import Authority


def context(purpose, authority, issued, folder: Path):
    """Return one side of mutual TLS, as strict as Python is since 3.13."""
    files = folder / issued.certificate[-40:-30].replace("/", "-")
    files.write_text(issued.certificate + issued.key)
    made = ssl.SSLContext(purpose)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    made.load_verify_locations(cadata=authority.certificate)
    made.load_cert_chain(files)
    return made


def shake(server, client):
    """Do a handshake between two contexts, and have each side read what the other wrote."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [server.wrap_bio(up, down, server_side=True), client.wrap_bio(down, up)]
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    sides[0].write(b"hello")
    return sides[1].read(5)


@pytest.mark.parametrize(("server", "client"), [("scheduler", "client"), ("worker", "scheduler")])
def test_each_leaf_is_server_and_client_under_strict_verification(tmp_path, server, client):
    authority = Authority.load(Authority.create("c1").pem)
    other_end = context(ssl.PROTOCOL_TLS_SERVER, authority, authority.issue(server, 3650), tmp_path)
    here = context(ssl.PROTOCOL_TLS_CLIENT, authority, authority.issue(client, 1), tmp_path)
    assert shake(other_end, here) == b"hello"


def test_a_leaf_of_another_cluster_is_refused(tmp_path):
    mine, other = Authority.create("c1"), Authority.create("c1")
    other_end = context(ssl.PROTOCOL_TLS_SERVER, mine, mine.issue("scheduler", 1), tmp_path)
    here = context(ssl.PROTOCOL_TLS_CLIENT, mine, other.issue("client", 1), tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(other_end, here)


def test_a_leaf_that_has_run_out_is_refused(tmp_path):
    authority = Authority.create("c1")
    other_end = context(ssl.PROTOCOL_TLS_SERVER, authority, authority.issue("scheduler", 1), tmp_path)
    here = context(ssl.PROTOCOL_TLS_CLIENT, authority, authority.issue("client", -0.01), tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake(other_end, here)


def test_a_leaf_signs_nothing(tmp_path):
    authority = Authority.create("c1")
    issued = authority.issue("client", 1)
    forged = Authority.load(issued.certificate + issued.key).issue("scheduler", 1)
    chained = type(forged)(forged.certificate + issued.certificate, forged.key)
    other_end = context(ssl.PROTOCOL_TLS_SERVER, authority, chained, tmp_path)
    here = context(ssl.PROTOCOL_TLS_CLIENT, authority, authority.issue("client", 1), tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(other_end, here)


def test_no_key_is_shown():
    issued = Authority.create("c1").issue("client", 1)
    assert "PRIVATE" not in repr(issued)


def test_what_is_no_authority_is_not_loaded():
    with pytest.raises(ValueError, match="PEM"):
        Authority.load("no PEM")
