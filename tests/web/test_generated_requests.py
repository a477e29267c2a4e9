"""Requests that schemathesis generates from the OpenAPI document: every answer is one that the document describes."""

from __future__ import annotations

import os
import sys

import pytest

from spawnpenny.testing.processes import output_of
from spawnpenny.web.routes import routes
from tests.kit.farm import FarmPlugin

ALL = os.environ.get("SPAWNPENNY_TEST_ALL") == "1"
STREAMS = {"lab.events", "user.events", "dask.events", "farm.events", "spawn.events", "gateway.routes"}
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
SAMPLE = (
    ("--phases", "coverage,fuzzing", "--max-examples", "25") if ALL else ("--phases", "fuzzing", "--max-examples", "3")
)
"""What is sent to every operation. It is the same in every run."""
LAB = "/v1/users/ada/labs/~default"
NAMES = '[parameters]\n"path.user" = "ada"\n"path.lab" = "~default"\n"path.name" = "f1"\n'


@pytest.fixture
def with_every_route(site):
    site.plugins = {"farm": FarmPlugin}
    site.data["plugins"] |= {"dask": {}, "farm": {}}
    site.data["web"] = {**site.data.get("web", {}), "metrics": True}


@pytest.fixture
async def lab(with_every_route, hub):
    """Start a lab of ada's that stays pending, and make her known."""
    assert (await hub.put("/v1/users/ada", json={"uid": 1234})).status == 202
    assert (await hub.put(LAB, json={"start": "s", "options": {"image": "slow"}})).status == 202
    assert (await hub.put("/v1/users/ada/farms/f1", json={"start": "s"})).status == 202


async def generate(port, who, folder, config):
    """Send generated requests as a caller; return the exit code and the output."""
    (folder / "schemathesis.toml").write_text(config)
    command = ["--config-file", "schemathesis.toml", "--no-color", "run", "openapi.json"]
    command += [
        "--url",
        f"http://127.0.0.1:{port}",
        "--generation-deterministic",
        "--continue-on-failure",
        "--no-shrink",
        "--checks",
        ",".join(CHECKS),
    ]
    command += SAMPLE
    for name in STREAMS:
        command += ["--exclude-operation-id", name]
    if who:
        command += ["--header", f"Authorization: Bearer {who}-token"]
    return await output_of(sys.executable, "-m", "schemathesis.cli", *command, cwd=folder)


@pytest.mark.timeout(900 if ALL else 180)
@pytest.mark.parametrize(
    ("who", "config"),
    [
        pytest.param(None, "", id="nobody"),
        pytest.param("ada", NAMES, id="user"),
        pytest.param("hub", "", id="hub"),
        *([pytest.param("ada", "", id="user-any"), pytest.param("hub", NAMES, id="hub-ada")] if ALL else []),
    ],
)
async def test_every_answer_is_one_that_the_document_describes(
    with_every_route, server, hub, lab, tmp_path, who, config
):
    # From a file: an address that a document is read from is left out of what is called.
    (tmp_path / "openapi.json").write_bytes(await (await hub.get("/openapi.json")).read())
    status, output = await generate(server.port, who, tmp_path, config)
    assert status == 0, output
    total = len(routes(server.service.plugins))
    assert f"{total - len(STREAMS)} selected / {total} total" in output, output
