"""The log and the audit log: what is written, and that no secret ever is."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import select
import socket

import pytest
import structlog

from spawnpenny.api import Authenticator, hookimpl
from spawnpenny.cli.logging import configure_logs

LAB = "/v1/users/ada/labs/~default"
SECRET = "s3cret-value"


async def until_settled(hub):
    await (await hub.get(f"{LAB}/events")).text()


def audit(rows):
    return [line for line in rows if line["logger"] == "spawnpenny.audit"]


async def test_every_change_is_one_line_in_the_audit_log(logged, hub):
    spawn = (await (await hub.put(LAB, json={"start": "s"})).json())["spawn"]
    await hub.get(LAB)
    await hub.put(LAB, json={"start": "t"})
    reported = audit(logged())
    assert [(line["event"], line["status"], line["code"]) for line in reported] == [
        ("lab.start", 202, None),
        ("lab.start", 409, "start_conflict"),
    ]
    assert (reported[0]["who"], reported[0]["user"], reported[0]["lab"]) == ("token:hub", "ada", "~default")
    assert (reported[0]["spawn"], reported[0]["remote"]) == (spawn, "127.0.0.1")


async def test_a_refused_change_is_in_the_audit_log_too(logged, caller):
    await (await caller()).put(LAB, json={"start": "s"})
    await (await caller("bob")).delete(LAB)
    assert [(line["who"], line["status"]) for line in audit(logged())] == [(None, 401), ("token:bob", 403)]


async def test_an_answer_waits_for_the_audit_line_and_not_for_the_access_line(logged, server):
    del logged  # so that all lines are written as the service writes them
    answered, loop = {}, asyncio.get_running_loop()

    class FairQueue(logging.Handler):
        def emit(self, record):
            if record.name in {"spawnpenny.audit", "spawnpenny.access"}:
                answered[record.name] = bool(select.select([caller], [], [], 0)[0])

    with socket.create_connection(("127.0.0.1", server.port)) as caller:
        caller.setblocking(False)
        logging.root.addHandler(FairQueue())  # the fixture takes it away again
        head = f"DELETE {LAB} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer hub-token\r\n\r\n"
        await loop.sock_sendall(caller, head.encode())
        assert (await loop.sock_recv(caller, 64)).startswith(b"HTTP/1.1 204")
    assert answered == {"spawnpenny.audit": False, "spawnpenny.access": True}


async def test_each_line_of_a_request_carries_its_id(logged, hub):
    response = await hub.get(LAB, headers={"X-Request-ID": "mine-1"})
    assert response.headers["X-Request-ID"] == "mine-1"
    assert [line["request"] for line in logged() if line["logger"] == "spawnpenny.access"] == ["mine-1"]


async def test_a_request_id_that_would_forge_a_line_is_replaced(hub):
    response = await hub.get(LAB, headers={"X-Request-ID": "a b"})
    assert response.headers["X-Request-ID"] != "a b"


async def test_what_a_spawn_logs_carries_its_id(logged, hub):
    spawn = (await (await hub.put(LAB, json={"start": "s"})).json())["spawn"]
    await until_settled(hub)
    phases = [line for line in logged() if line["event"] == "phase"]
    assert {line["spawn"] for line in phases} == {spawn}


async def test_env_is_in_no_answer_and_no_line(logged, hub):
    answers = []
    body = {"start": "s", "env": {"JUPYTERHUB_API_TOKEN": SECRET}}
    for method, path, data in (
        ("PUT", LAB, body),
        ("GET", f"{LAB}/events", None),
        ("GET", LAB, None),
        ("PUT", LAB, {**body, "start": "t"}),
        ("PUT", LAB, {**body, "env": {SECRET: "x y"}, "start": "t"}),
        ("PUT", LAB, {**body, "env": {"A": f"{SECRET}\0"}}),
        ("PUT", LAB, {**body, "env": {"A": {SECRET: SECRET}}}),
        ("PUT", LAB, {**body, "env": {"JUPYTERHUB_SERVICE_PREFIX": SECRET}, "start": "u"}),
        ("GET", "/v1/labs", None),
        ("DELETE", f"{LAB}?wait=120", None),
    ):
        response = await hub.request(method, path, json=data)
        answers.append(await response.text() + str(response.headers))
    assert SECRET not in "".join(answers)
    assert SECRET not in json.dumps(logged())


async def test_neither_tokens_nor_queries_are_logged(logged, hub):
    await hub.get(f"{LAB}?token={SECRET}")
    text = json.dumps(logged())
    assert SECRET not in text
    assert "hub-token" not in text


class Breaks(Authenticator):
    async def authenticate(self, credentials):
        env = {"TOKEN": SECRET}
        raise RuntimeError(len(env))


class BreakingPlugin:
    @hookimpl
    def spawnpenny_authenticators(self, settings):
        return [Breaks()]


@pytest.fixture
def breaking(site):
    site.plugins = {"a-breaking": BreakingPlugin()}


async def test_the_unknown_stays_unknown_to_the_caller_and_is_in_the_log(breaking, logged, hub):
    response = await hub.get(LAB, headers={"Authorization": "Bearer of-nobody"})
    answer = await response.json()
    assert (response.status, answer["code"]) == (500, "internal_error")
    (line,) = [line for line in logged() if "exception" in line]
    assert line["request"] == answer["request_id"]
    assert "RuntimeError" in line["exception"]
    assert SECRET not in line["exception"]


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_shows_no_local_variables(logged, style):
    stream = io.StringIO()
    configure_logs(style, stream=stream)
    secrets = {"text": SECRET}
    try:
        secrets["other"]
    except KeyError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("y").exception("failed")
    assert stream.getvalue().count("Traceback") == 2
    assert SECRET not in stream.getvalue()
