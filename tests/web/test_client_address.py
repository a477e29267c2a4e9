"""Whose a request is, by address: what a header says of it counts only where a trusted proxy wrote it."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from spawnpenny.errors import SettingsError
from spawnpenny.settings.load import make_settings

LOOPBACK = "127.0.0.1"
CALLER = "198.51.100.7"
TRUSTED = ["127.0.0.0/8", "10.0.0.0/24", "2001:db8::/32"]


async def seen(server, client, logged, headers):
    await client.get("/healthz", headers=CIMultiDict(headers))
    return next(line["remote"] for line in reversed(logged()) if line.get("path") == "/healthz")


@pytest.fixture
def remote(site, serving, logged):
    """Return a function that gives the address that is logged of a request with such headers."""

    async def ask(*headers, trusted=TRUSTED, header="X-Forwarded-For"):
        site.data["web"] = {"trusted_proxies": trusted, "forwarded_header": header}
        async with serving(site, ready=False) as server, server.client() as client:
            return await seen(server, client, logged, headers)

    return ask


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (CALLER, CALLER),
        (f"{CALLER}:4711", CALLER),
        (f"203.0.113.9, {CALLER}", CALLER),
        (f"203.0.113.9, {CALLER}, 10.0.0.4", CALLER),
        ("10.0.0.5, 10.0.0.4", "10.0.0.5"),
        ("[2001:db9::1]:443", "2001:db9::1"),
        ("::ffff:198.51.100.7", CALLER),
        ("", LOOPBACK),
        ("garbage", LOOPBACK),
        (f"{CALLER}, garbage, 10.0.0.4", "10.0.0.4"),
        (f"{CALLER}," + "10.0.0.4," * 200, LOOPBACK),
    ],
)
async def test_the_last_address_that_is_no_trusted_proxys_is_the_callers(remote, value, found):
    assert await remote(("X-Forwarded-For", value)) == found


async def test_several_headers_are_one(remote):
    assert await remote(("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", CALLER)) == CALLER


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f"for={CALLER}", CALLER),
        (f"for=203.0.113.9, for={CALLER};proto=https;by=10.0.0.4", CALLER),
        (f'proto=http;For="{CALLER}:80"', CALLER),
        ('for="[2001:db9::1]:443"', "2001:db9::1"),
        ("for=unknown", LOOPBACK),
        ("for=_hidden", LOOPBACK),
        ("proto=https", LOOPBACK),
    ],
)
async def test_the_standard_header_is_read_where_the_settings_name_it(remote, value, found):
    assert await remote(("Forwarded", value), ("X-Forwarded-For", "203.0.113.66"), header="Forwarded") == found


@pytest.mark.parametrize("trusted", [[], ["10.0.0.0/24"]])
async def test_nobody_else_is_believed(remote, trusted):
    assert await remote(("X-Forwarded-For", CALLER), ("Forwarded", f"for={CALLER}"), trusted=trusted) == LOOPBACK


async def test_the_other_header_is_not_looked_at(remote):
    assert await remote(("Forwarded", f"for={CALLER}")) == LOOPBACK


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "ingress.example.org", "10.0.0.1/24", ""])
def test_what_is_no_network_keeps_the_service_from_starting(wrong):
    with pytest.raises(SettingsError, match=r"web\.trusted_proxies"):
        make_settings({"web": {"trusted_proxies": [wrong]}})
