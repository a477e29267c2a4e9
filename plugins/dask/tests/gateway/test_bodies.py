"""Hostile bodies at every operation of the OpenAPI document: always a refusal in words, never an error of ours."""

from __future__ import annotations

import json

import pytest

DEEP = 60_000
BODIES = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * (DEEP // 6) + b"1" + b"}" * (DEEP // 6),
    "deep, unfinished": b'{"start":' * (DEEP // 9),
    "a long number": b'{"%s": ' + b"9" * 6000 + b"}",
    "a huge number": b'{"%s": 1e308}',
    "a number beyond": b'{"%s": 1e999}',
    "a negative one": b'{"%s": -99999999999999999999}',
    "no number": b'{"%s": NaN}',
    "infinity": b'{"%s": -Infinity}',
    "a lone surrogate": b'{"%s": "\\ud800"}',
    "NUL": b'{"%s": "a\\u0000b"}',
    "a key twice": b'{"%s": 1, "%s": 2}',
    "an unknown key with a lone surrogate": b'{"\\udfff": 1}',
    "many keys": b"{" + b",".join(b'"k%d":1' % number for number in range(9000)) + b"}",
    "not UTF-8": b'{"%s": "\xff\xfe"}',
    "UTF-16": '{"start": "s"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"%s": 1}',
    "a list": b"[]",
    "null": b"null",
    "a text": b'"text"',
    "nothing": b"",
    "two values": b"{} {}",
    "a trailing comma": b'{"%s": 1,}',
    "a control character": b'{"%s": "\x01"}',
}
PATHS = {"user": "ada", "lab": "~default", "cluster": "none", "kind": "lab", "name": "docs.css"}
VALUES = {
    "a long number": b"9" * 6000,
    "a huge number": b"1e308",
    "a huge negative number": b"-1e308",
    "a number beyond": b"1e999",
    "a large integer": b"99999999999999999999",
    "no number": b"NaN",
    "a lone surrogate": b'"\\ud800"',
    "NUL": b'"a\\u0000b"',
    "a right-to-left mark": b'"a\\u202eb"',
    "an object of a key with a lone surrogate": b'{"\\udfff": "\\udfff"}',
    "an object with NUL": b'{"image": "\\u0000", "\\u0000": 1e308}',
    "deep": b"[" * 40 + b"]" * 40,
}
USUAL = {
    "lab.start": {"start": "s"},
    "user.commission": {"uid": 4321},
    "dask.start": {"start": "s"},
    "gateway.start": {},
    "gateway.scale": {"count": 1},
    "gateway.adapt": {"minimum": 1},
    "dask.scale": {"count": 1},
    "dask.adapt": {"minimum": 1},
    "dask.ticket": {"ticket": "x"},
}
"""Bodies that would do; each field in turn is replaced, or added."""
MAY_BE_EMPTY = {("gateway.start", "nothing")}


def operations(document):
    """Yield id, method, path and the body's schema of every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "operationId" in operation:
                yield operation["operationId"], method, path.format(**PATHS), _schema(document, operation)


async def said(client, method, path, body):
    """Send a body; return the status and what a refusal says."""
    async with client.request(method, path, data=body, allow_redirects=False) as answer:
        assert answer.status < 500, (method, path, body[:80])
        if answer.status < 400:
            return answer.status, ""
        text = await answer.text()
        assert len(text) < 8192
        return answer.status, json.loads(text).get("detail") or json.loads(text)["error"]


@pytest.mark.parametrize("name", BODIES)
async def test_no_body_of_any_operation_is_taken_or_breaks_anything(caller, name):
    admin, ada = await caller("admin"), await caller("ada")
    refused = set()
    for operation, method, path, schema in operations(await (await ada.get("/openapi.json")).json()):
        client = ada if operation.startswith("gateway.") else admin
        for field in schema.get("properties", {"body": {}}):
            status, words = await said(client, method, path, BODIES[name].replace(b"%s", field.encode()))
            if schema and (operation, name) not in MAY_BE_EMPTY:
                assert (status >= 400, bool(words)) == (True, True), (operation, field)
                refused.add(operation)
    assert refused | {operation for operation, _ in MAY_BE_EMPTY} == set(USUAL)


@pytest.mark.parametrize("name", VALUES)
async def test_no_field_of_any_body_takes_a_hostile_value(caller, name):
    admin, ada = await caller("admin"), await caller("ada")
    for operation, method, path, schema in operations(await (await ada.get("/openapi.json")).json()):
        for field in schema.get("properties", ()):
            usual = [f'"{key}": {json.dumps(value)}' for key, value in USUAL[operation].items() if key != field]
            body = ("{" + ", ".join([*usual, f'"{field}": ']) + "%}").encode().replace(b"%", VALUES[name])
            status, words = await said(ada if operation.startswith("gateway.") else admin, method, path, body)
            assert (status >= 400, bool(words)) == (True, True), (operation, field)


def _schema(document, operation):
    """Return the schema of an operation's body, or nothing."""
    found = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return document["components"]["schemas"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found
