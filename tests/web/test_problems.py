"""Every refusal is a problem document that names what is wrong."""

from __future__ import annotations

import asyncio
import gzip
import http

import pytest

import spawnpenny.app  # noqa: F401 - it loads all errors of the service
from spawnpenny import errors
from spawnpenny.kubernetes.errors import ClusterError
from spawnpenny.pipeline.errors import UndeclaredCallError
from spawnpenny.web.middleware.errors import problem_document

LAB = "/v1/users/ada/labs/x"
MEMBERS = {"type", "title", "status", "detail", "code", "instance", "request_id"}


def all_errors():
    classes = [errors.SpawnpennyError]
    for cls in classes:
        classes += [new for new in cls.__subclasses__() if new not in classes]
    return classes


async def raw(server, head, body=b""):
    """Send a request that a client library would not, and return status line and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer hub-token\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]


def test_every_error_has_a_code_of_its_own_a_status_and_a_title():
    found = all_errors()
    own = [error for error in found if "code" in vars(error)]
    assert len({error.code for error in own}) == len(own)
    for error in found:
        assert error.title
        assert http.HTTPStatus(error.status) >= 400


def test_an_error_words_itself_with_its_facts():
    error = errors.QuotaExceededError("cpu", requested="4", used="6", limit="8")
    document = problem_document(error, instance="/x", request_id="r")
    assert (document["code"], document["status"], document["limit"]) == ("quota_exceeded", 403, "8")
    assert document["type"].endswith("/quota_exceeded")
    assert list(document)[:5] == ["type", "title", "status", "detail", "code"]


@pytest.mark.parametrize(
    "error",
    [
        ClusterError("Secret user-ada in state: no", name="user-ada"),
        UndeclaredCallError("quota", "get", "secrets"),
    ],
)
def test_details_for_the_administrator_are_not_sent_to_a_caller(error):
    document = problem_document(error, instance="/x", request_id="r")
    assert set(document) - {"advice"} == MEMBERS
    assert "request_id" in document["detail"]


async def test_a_refusal_is_a_problem_document(hub):
    response = await hub.get(LAB)
    assert response.content_type == "application/problem+json"
    answer = await response.json()
    assert answer.keys() >= MEMBERS
    assert (answer["instance"], answer["request_id"]) == (LAB, response.headers["X-Request-ID"])


async def test_a_method_that_a_route_does_not_take_is_reported_with_those_that_it_does(hub):
    response = await hub.patch(LAB)
    assert (response.status, response.headers["Allow"]) == (405, "DELETE, GET, HEAD, PUT")
    answer = await response.json()
    assert answer["code"] == "method_not_allowed"
    assert answer["detail"] == "This route takes DELETE, GET, HEAD, PUT, not 'PATCH'."


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "body_malformed"),
        (b"{", 400, "body_malformed"),
        (b"\xff", 400, "body_malformed"),
        (b"[" * 100_000, 400, "body_malformed"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, 400, "body_malformed"),
        (b'{"start":"s","timeout_s":NaN}', 400, "body_malformed"),
        (b'{"start":"s","timeout_s":1e999}', 400, "body_malformed"),
        (b'{"start":"s","timeout_s":' + b"9" * 5000 + b"}", 400, "body_malformed"),
        (b" " * 200_000, 413, "body_too_large"),
        (b"null", 422, "request_invalid"),
        (b"[]", 422, "request_invalid"),
        (b'{"start":"s","timeout_s":"60"}', 422, "request_invalid"),
        (b'{"start":"s","timeout_s":true}', 422, "request_invalid"),
        (b'{"start":"s","timeout_s":9}', 422, "request_invalid"),
        (b'{"start":""}', 422, "request_invalid"),
        (b'{"start":"s\\n"}', 422, "request_invalid"),
        (b'{"start":"s","env":null}', 422, "request_invalid"),
        (b'{"start":"s","env":{"1A":"x"}}', 422, "request_invalid"),
        (b'{"start":"s","env":{"A":1}}', 422, "request_invalid"),
        (b'{"start":"s","env":{"A":"\\u0000"}}', 422, "request_invalid"),
        (b'{"start":"s","env":{"A":"\\ud800"}}', 422, "request_invalid"),
        (b'{"start":"s","env":{"A":"' + b"x" * 32_768 + b'"}}', 422, "request_invalid"),
        (b'{"start":"s","options":{"\\ud800":1}}', 422, "request_invalid"),
        (b'{"start":"s","options":{"a":"' + b"x" * 8_192 + b'"}}', 422, "request_invalid"),
        (b'{"start":"s","options":{"sise":"small"}}', 422, "option_unknown"),
    ],
)
async def test_a_body_that_is_not_one_is_refused_with_the_reason(hub, body, status, code):
    response = await hub.put(LAB, data=body)
    assert (response.status, (await response.json())["code"]) == (status, code)


async def test_a_body_that_is_not_what_its_headers_say_is_refused(hub):
    response = await hub.put(LAB, data=b"no gzip", headers={"Content-Encoding": "gzip"})
    assert response.status == 400


async def test_a_small_body_that_unpacks_to_a_large_one_is_too_large(hub):
    bomb = gzip.compress(b" " * 10_000_000)
    response = await hub.put(LAB, data=bomb, headers={"Content-Encoding": "gzip"})
    assert response.status == 413


async def test_the_content_type_is_not_looked_at(hub):
    response = await hub.put(LAB, data=b'{"start":"s"}', headers={"Content-Type": "text/plain; charset=no"})
    assert response.status == 202


async def test_a_misspelt_key_is_reported_with_the_right_one(hub):
    answer = await (await hub.put(LAB, json={"start": "s", "optons": {}})).json()
    assert "did you mean 'options'?" in answer["errors"][0]["message"]


IDS = "has to be a whole number from 0 to 2147483647."


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("PUT", LAB, "", "The body is empty; send a JSON object."),
        ("PUT", LAB, "{}", "start is missing: send a random id for this start."),
        ("PUT", LAB, '{"start": 1}', "start has to be 1 to 64 letters, digits, _, . and -."),
        ("PUT", LAB, '{"start": "s", "timeout_s": null}', "timeout_s has to be a number of seconds from 10 to 86400."),
        ("PUT", LAB, '{"start": "s", "env": []}', "env has to be an object of names and texts."),
        ("PUT", LAB, '{"start": "s", "option": 1}', "option is not known here; did you mean 'options'?"),
        (
            "PUT",
            LAB,
            '{"start": "s", "": 1}',
            "'' is not known here; known are client, env, options, start, timeout_s, tls.",
        ),
        ("PUT", f"{LAB}?replace=yes", "{}", "replace has to be true or false."),
        ("GET", "/v1/labs?limit=0", "", "limit has to be a number from 1 to 500."),
        ("GET", "/v1/labs?after=x", "", "after has to be the `next` of the previous page."),
        ("GET", f"{LAB}?limit=1", "", "limit is not known: this route takes no query parameters."),
        ("PUT", "/v1/users/ada", '{"uid": "1"}', f"uid {IDS}"),
        (
            "PUT",
            "/v1/users/ada",
            '{"gid": 1.5}',
            f"uid is missing: send a whole number from 0 to 2147483647. gid {IDS}",
        ),
        ("PUT", "/v1/users/ada", '{"uid": 1, "groups": [1]}', "groups.0 has to be an object with name and id."),
        ("PUT", "/v1/users/ada", '{"uid": 1, "groups": [{"name": "g", "id": -1}]}', f"groups.0.id {IDS}"),
    ],
)
async def test_what_is_wrong_is_reported_in_sentences_that_name_the_field_once(hub, method, path, body, message):
    response = await hub.request(method, path, data=body)
    assert (await response.json())["detail"] == message


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("wait=", "wait"),
        ("wait=x", "wait"),
        ("wait=-1", "wait"),
        ("wait=121", "wait"),
        ("wait=nan", "wait"),
        ("wait=1&wait=2", "wait"),
        ("start=%2F", "start"),
        ("wiat=1", "wiat"),
    ],
)
async def test_a_query_that_is_not_right_is_refused_by_name(hub, query, field):
    response = await hub.delete(f"{LAB}?{query}")
    assert response.status == 422
    assert (await response.json())["errors"][0]["field"] == field


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "after=x", "limit=" + "9" * 5000])
async def test_a_page_that_cannot_be_is_refused(hub, query):
    assert (await hub.get(f"/v1/labs?{query}")).status == 422


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/users/../labs/x", "username"),
        ("/v1/users/%2E%2e/labs/x", "username"),
        ("/v1/users/a%2Fb/labs/x", "username"),
        ("/v1/users/a%00/labs/x", "username"),
        ("/v1/users/%FF/labs/x", "username"),
        ("/v1/users/%ED%A0%80/labs/x", "username"),
        ("/v1/users/%/labs/x", "username"),
        ("/v1/users//labs/x", "username"),
        (f"/v1/users/{'a' * 256}/labs/x", "username"),
        ("/v1/users/ada/labs/..", "lab"),
        ("/v1/users/ada/labs/a%2F..%2Fb", "lab"),
        ("/v1/users/ada/labs/%E2%80%AE", "lab"),
        ("/v1/users/ada/labs/", "lab"),
        (f"/v1/users/ada/labs/{'a' * 64}", "lab"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_a_name_that_may_not_be_used_is_refused_by_field(server, method, path, field):
    status, body = await raw(server, f"{method} {path}", b'{"start": "s"}')
    assert status == 422
    assert b'"code": "name_invalid"' in body
    assert f'"field": "{field}"'.encode() in body
