"""A small identity provider of one's own: it serves its description and keys by HTTPS, and signs tokens."""

from __future__ import annotations

import ssl
import time
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
import pytest
import trustme
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from spawnpenny_oidc import SignedTokens
from spawnpenny_oidc.settings import OidcSettingsSchema

from spawnpenny.testing.plugins import make_settings


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Provider:
    """An identity provider. ``keys`` are those that it lists, ``requests`` counts the requests for them."""

    def __init__(self, folder: Path):
        self.authority = folder / "ca.crt"
        self.rsa, self.ec = new_key("RSA"), new_key("EC")
        self.keys = [self.public(self.rsa, "r1"), self.public(self.ec, "e1")]
        self.requests, self.up = 0, True
        self.described = {}
        ca = trustme.CA()
        ca.cert_pem.write_to_path(self.authority)
        self._certificate = ca.issue_cert("127.0.0.1")
        self.issuer = ""

    @asynccontextmanager
    async def serve(self):
        """Serve, until the context ends."""
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._describe)
        app.router.add_get("/keys", self._list)
        runner = web.AppRunner(app)
        await runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._certificate.configure_cert(context)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.issuer = f"https://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def settings(self, **more):
        """Return a section of settings that takes its tokens."""
        return {"issuer": self.issuer, "audience": ["spawnpenny"], "authority": str(self.authority), **more}

    def token(self, *, key=None, kid="r1", algorithm="RS256", leave_out=(), **claims):
        """Sign a token for ada, with further claims, or without some."""
        now = int(time.time())
        times = {"iat": now, "exp": now + 300}
        content = {"iss": self.issuer, "aud": "spawnpenny", "preferred_username": "ada", **times, **claims}
        for claim in leave_out:
            del content[claim]
        return jwt.encode(content, key or self.rsa, algorithm, {"kid": kid} if kid else None)

    @staticmethod
    def public(key, kid, **more):
        """Return the public half of a key, as a provider lists it."""
        kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        return {**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", **more}

    async def _describe(self, request):
        if not self.up:
            raise web.HTTPServiceUnavailable
        return web.json_response({"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", **self.described})

    async def _list(self, request):
        self.requests += 1
        if not self.up:
            raise web.HTTPServiceUnavailable
        return web.json_response({"keys": self.keys})


def new_key(kind, bits=2048):
    """Make a private key, RSA or EC."""
    return rsa.generate_private_key(65537, bits) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(name="new_key")
def new_key_():
    return new_key


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def provider(tmp_path):
    async with Provider(tmp_path).serve() as provider:
        yield provider


@pytest.fixture
def taking(provider, clock):
    """Have a context that takes the provider's tokens; further keys are settings."""

    @asynccontextmanager
    async def take(**more):
        data = {"plugins": {"oidc": provider.settings(**more)}}
        settings = make_settings(data).load("oidc", OidcSettingsSchema())
        async with SignedTokens(settings, clock=clock) as known:
            yield known

    return take
