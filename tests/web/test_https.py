"""HTTPS: from files, renewed without a restart, and refused at the start where they cannot be used."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from aiohttp import web

from spawnpenny.errors import SettingsError
from spawnpenny.serving.certificates import certificate_of
from spawnpenny.serving.server import listening
from spawnpenny.settings.load import make_settings


class Files:
    """An authority, and the two files that it renews."""

    def __init__(self, folder):
        self.authority = trustme.CA()
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"

    @property
    def settings(self):
        return make_settings({"web": {"certificate": str(self.certificate), "key": str(self.key)}}).web

    def renew(self):
        """Write a new certificate and key."""
        issued = self.authority.issue_cert("127.0.0.1", "localhost")
        self.certificate.write_bytes(issued.cert_chain_pems[0].bytes())
        self.key.write_bytes(issued.private_key_pem.bytes())
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


async def who(request):
    """Answer with the caller's own port, by which two requests on one connection are known."""
    return web.Response(text=str(request.transport.get_extra_info("peername")[1]))


@asynccontextmanager
async def https(settings):
    """Serve HTTPS until the context ends; yield the port."""
    app = web.Application()
    app.router.add_get("/", who)
    async with listening(app, "127.0.0.1", 0, certificate=certificate_of(settings)) as port:
        yield port


async def shown(files, port, name):
    """Return the certificate that a new connection is shown, by name or, with no name asked for, by address."""
    trust = ssl.create_default_context()
    files.authority.configure_trust(trust)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return found


async def test_https_is_served_and_http_is_not(files):
    files.renew()
    trust = ssl.create_default_context()
    files.authority.configure_trust(trust)
    async with https(files.settings) as port, aiohttp.ClientSession() as session:
        async with session.get(f"https://127.0.0.1:{port}/", ssl=trust) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_a_renewed_certificate_is_taken_up_and_open_connections_stay(files, name):
    first = files.renew()
    trust = ssl.create_default_context()
    files.authority.configure_trust(trust)
    async with https(files.settings) as port:
        connector = aiohttp.TCPConnector(limit=1, ssl=trust)
        async with aiohttp.ClientSession(connector=connector) as session:
            before = await (await session.get(f"https://127.0.0.1:{port}/")).text()
            assert await shown(files, port, name) == first
            second = files.renew()
            assert await shown(files, port, name) == second != first
            assert await (await session.get(f"https://127.0.0.1:{port}/")).text() == before


async def test_in_the_middle_of_a_renewal_the_old_certificate_is_shown(files):
    first = files.renew()
    async with https(files.settings) as port:
        key = files.key.read_bytes()
        files.renew()
        whole = files.key.read_bytes()
        files.key.write_bytes(key)  # the new certificate is there, and its key not yet
        assert await shown(files, port, "localhost") == first
        files.key.unlink()
        assert await shown(files, port, "localhost") == first
        files.key.write_bytes(whole)
        assert await shown(files, port, "localhost") != first


def refusal(web):
    with pytest.raises(SettingsError) as refused:
        certificate_of(web)
    return str(refused.value)


def test_one_file_without_the_other_is_refused():
    assert "web.certificate is set and web.key is not" in refusal(make_settings({"web": {"certificate": "c"}}).web)
    assert "web.key is set and web.certificate is not" in refusal(make_settings({"web": {"key": "k"}}).web)


@pytest.mark.parametrize("setting", ["certificate", "key"])
def test_a_file_that_is_not_there_is_refused_by_its_setting(files, setting):
    files.renew()
    getattr(files, setting).unlink()
    assert refusal(files.settings).startswith(f"web.{setting}: the file {getattr(files, setting)} cannot be read")


def test_a_key_of_another_certificate_is_refused(files):
    files.renew()
    files.key.write_bytes(files.authority.issue_cert("localhost").private_key_pem.bytes())
    assert f"the key in {files.key} does not belong to the certificate in {files.certificate}" in refusal(
        files.settings
    )


@pytest.mark.parametrize("setting", ["certificate", "key"])
def test_a_file_that_is_no_pem_is_refused(files, setting):
    files.renew()
    getattr(files, setting).write_text("nothing")
    assert "are not a certificate and its unencrypted key in PEM" in refusal(files.settings)
