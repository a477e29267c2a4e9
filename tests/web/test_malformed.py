"""What is no HTTP request is refused as everything else is: no version, no quote, no traceback."""

from __future__ import annotations

import asyncio
import json

import pytest


@pytest.fixture
def site(site):
    """Have a site with the routes of Dask clusters, too."""
    site.data["plugins"]["dask"] = {}
    return site


async def send(port, data):
    """Send bytes and return the status, the headers and the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *rows = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in rows), body


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nno header\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nAuthorization: Bearer \x00secret\r\n\r\n",
        b"GET /" + 20_000 * b"x" + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nX-Long: " + 20_000 * b"x" + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(500)) + b"\r\n",
        b"PUT /v1/users/ada HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"PUT /v1/users/ada HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_a_problem_without_a_version(server, logged, data):
    status, headers, body = await send(server.port, data)
    assert (status, headers["Content-Type"]) == (400, "application/problem+json; charset=utf-8")
    assert json.loads(body)["code"] == "request_malformed"
    assert headers["Server"] == "spawnpenny"
    assert "aiohttp" not in str(headers) + body.decode()
    reported = json.dumps(logged())
    assert "Traceback" not in reported
    assert "secret" not in reported


@pytest.mark.parametrize("scheme", ["Bearer", "token", "Basic", "jupyterhub"])
@pytest.mark.parametrize("path", ["/v1/users/ada/labs", "/gateway/api/v1/clusters/"])
async def test_a_token_with_any_byte_beyond_ascii_is_a_401(server, logged, scheme, path):
    for byte in (0x80, 0xA0, 0xC3, 0xE9, 0xFF):
        for token in (bytes([byte]), b"sp-lab." + bytes([byte]) + b".x", "sp-lab.é.x".encode()):
            head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {scheme} ".encode()
            status, headers, _ = await send(server.port, head + token + b"\r\n\r\n")
            assert status == 401
            assert headers["Server"] == "spawnpenny"
    assert "Traceback" not in json.dumps(logged())


async def ask(server, line, *rows, body=b""):
    head = (line, "Host: x", "Connection: close", f"Content-Length: {len(body)}", *rows, "", "")
    return await send(server.port, "\r\n".join(head).encode() + body)


async def test_several_authorization_headers_are_refused_also_where_they_are_equal(server):
    for tokens in (("ada", "bob"), ("ada", "ada"), ("ada", "unknown"), ("unknown", "ada")):
        rows = [f"Authorization: Bearer {token}-token" for token in tokens]
        status, headers, body = await ask(server, "GET /v1/whoami HTTP/1.1", *rows)
        assert (status, json.loads(body)["code"]) == (400, "request_malformed")
        assert headers["Content-Type"] == "application/problem+json; charset=utf-8"
    status, _, body = await ask(server, "GET /gateway/api/v1/clusters/ HTTP/1.1", *rows)
    assert (status, "several Authorization headers" in json.loads(body)["error"]) == (422, True)


@pytest.mark.parametrize("line", ["GET /healthz", "GET /no/such", "PATCH /healthz", "PROPFIND /", "OPTIONS *"])
async def test_an_unknown_expectation_is_a_problem_on_every_path_and_method(server, line):
    for version in ("HTTP/1.1", "HTTP/1.0"):
        status, headers, body = await ask(server, f"{line} {version}", "Expect: tea")
        assert (status, json.loads(body)["code"]) == (417, "expectation_unknown")
        assert headers["Content-Type"] == "application/problem+json; charset=utf-8"


async def test_a_known_expectation_is_met(server):
    status, _, body = await ask(server, "PUT /v1/users/ada HTTP/1.1", "Expect: 100-Continue", body=b"{}")
    assert (status, b"HTTP/1.1 401" in body) == (100, True)


async def test_what_is_allowed_is_what_works(server):
    auth = "Authorization: Bearer ada-token"
    status, headers, _ = await ask(server, "DELETE /gateway/api/v1/clusters/ HTTP/1.1", auth)
    assert (status, headers["Allow"]) == (405, "GET, HEAD, POST")
    for method in headers["Allow"].split(", "):
        assert (await ask(server, f"{method} /gateway/api/v1/clusters/ HTTP/1.1", auth))[0] != 405
    assert (await ask(server, "GET /gateway/api/v1/clusters//scale HTTP/1.1", auth))[1]["Allow"] == "POST"
