"""A client that is generated from the OpenAPI document, in an environment without the server."""

from __future__ import annotations

import os

import pytest

from spawnpenny.testing.processes import output_of

PROGRAM = """
import sys
from client import AuthenticatedClient
from client.api.lab import lab_events, lab_get, lab_list, lab_start, lab_stop
from client.models import Lab, LabBody, LabPhase, Problem, UserLabs

url, token, stranger = sys.argv[1:]
ada = AuthenticatedClient(base_url=url, token=token, timeout=110, raise_on_unexpected_status=True)
lab = {"user": "ada", "lab": "~default"}

started = lab_start.sync(**lab, client=ada, body=LabBody(start="s"))
assert isinstance(started, Lab), started
assert started.start == "s" and started.phase is not LabPhase.FAILED, started

lab_events.sync_detailed(**lab, client=ada)  # ends once the lab runs
running = lab_get.sync(**lab, client=ada)
assert running.phase is LabPhase.RUNNING and running.url, running
listed = lab_list.sync("ada", client=ada)
assert isinstance(listed, UserLabs) and [each.spawn for each in listed.labs] == [running.spawn], listed

other = AuthenticatedClient(base_url=url, token=stranger, raise_on_unexpected_status=True)
refused = lab_get.sync(**lab, client=other)
assert isinstance(refused, Problem) and refused.code == "forbidden", refused

stopped = lab_stop.sync_detailed(**lab, client=ada, start="s", wait=100)
assert stopped.status_code == 204, stopped
gone = lab_get.sync(**lab, client=ada)
assert isinstance(gone, Problem) and gone.code == "lab_not_found", gone
print("done")
"""


@pytest.fixture
def python():
    found = os.environ.get("SPAWNPENNY_JUPYTERHUB5")
    if not found:
        pytest.skip("SPAWNPENNY_JUPYTERHUB5 does not say where the Python with openapi-python-client is")
    return found


async def run(*command, folder):
    code, output = await output_of(*command, cwd=folder)
    assert code == 0, output
    return output


async def test_a_generated_client_starts_a_lab_waits_for_it_and_stops_it(server, hub, python, tmp_path):
    (tmp_path / "openapi.json").write_bytes(await (await hub.get("/openapi.json")).read())
    (tmp_path / "config.yaml").write_text("post_hooks: []")
    generate = ("generate", "--path", "openapi.json", "--config", "config.yaml", "--meta", "none")
    written = await run(python, "-m", "openapi_python_client", *generate, "--output-path", "client", folder=tmp_path)
    assert "ERROR" not in written, written
    url = f"http://127.0.0.1:{server.port}"
    done = await run(python, "-c", PROGRAM, url, "ada-token", "bob-token", folder=tmp_path)
    assert done == "done\n"
