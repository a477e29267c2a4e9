"""Applications beside the main one refuse as it does: problem documents without a version."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from spawnpenny_dask_proxy.server import running_proxy

from spawnpenny.serving.auxiliary import auxiliary_application
from spawnpenny.serving.server import listening
from spawnpenny.settings.load import make_settings


async def send(port, line, *headers):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join((line, "Host: x", "Connection: close", *headers, "", "")).encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    first, *rows = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in rows), body


async def _fine(request):
    return web.json_response({"status": "ok"})


async def _broken(request):
    raise KeyError("s3cret")


@pytest.fixture(params=["health", "proxy"])
async def port(request):
    if request.param == "health":
        app = auxiliary_application([("GET", "/healthz", _fine), ("GET", "/broken", _broken)])
        async with listening(app, "127.0.0.1", 0) as port:
            yield port
    else:
        settings = make_settings({"gateway": {"host": "127.0.0.1", "port": 0, "dashboard_port": 0}})
        async with running_proxy(settings, "token") as proxy:
            yield proxy.dashboard_port


@pytest.mark.parametrize(
    ("line", "headers", "status", "code"),
    [
        ("GET /healthz HTTP/1.1", ("Expect: tea",), 417, "expectation_unknown"),
        ("GET /no/such HTTP/1.1", ("Expect: tea",), 417, "expectation_unknown"),
        ("PROPFIND / HTTP/1.0", ("Expect: 100-continue, tea",), 417, "expectation_unknown"),
        ("nonsense", (), 400, "request_malformed"),
        ("GET /healthz HTTP/9.9", (), 400, "request_malformed"),
        ("GET /healthz HTTP/1.1", ("no header",), 400, "request_malformed"),
        ("GET /healthz HTTP/1.1", ("X-Long: " + 20_000 * "x",), 400, "request_malformed"),
        ("GET /healthz HTTP/1.1", ("Content-Length: 1", "Content-Length: 2"), 400, "request_malformed"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem_document(port, line, headers, status, code):
    found, sent, body = await send(port, line, *headers)
    assert (found, json.loads(body)["code"]) == (status, code)
    assert sent["Content-Type"].startswith("application/problem+json")
    assert sent["Server"] == "spawnpenny"
    assert "aiohttp" not in str(sent) + body.decode()


async def test_what_is_answered_names_no_version_either(port):
    for line in ("GET /healthz HTTP/1.1", "HEAD /healthz HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /none HTTP/1.1"):
        _, sent, body = await send(port, line)
        assert sent["Server"] == "spawnpenny"
        assert "aiohttp" not in str(sent) + body.decode()


@pytest.mark.parametrize("port", ["health"], indirect=True)
async def test_unknown_paths_methods_and_errors_are_problems_too(port):
    status, _, body = await send(port, "GET /none HTTP/1.1")
    assert (status, json.loads(body)["code"]) == (404, "route_not_found")
    status, sent, body = await send(port, "DELETE /healthz HTTP/1.1")
    assert (status, json.loads(body)["code"], sent["Allow"]) == (405, "method_not_allowed", "GET, HEAD")
    status, _, body = await send(port, "GET /broken HTTP/1.1")
    assert (status, b"s3cret" in body) == (500, False)
    assert json.loads(body)["title"]


async def test_a_known_expectation_is_met(port):
    status, _, body = await send(port, "POST /healthz HTTP/1.1", "Expect: 100-continue", "Content-Length: 0")
    assert (status, b"HTTP/1.1 40" in body) == (100, True)
