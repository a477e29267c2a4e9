"""Jobs over HTTP, from a lab with its own token and from others, and their reasons and logs in lists."""

from __future__ import annotations

import asyncio
import base64

import aiohttp
import pytest

from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import settled, start
from spawnpenny.testing.web_server import serve_site, token_settings

JOBS = "/v1/users/ada/jobs"
JOB = f"{JOBS}/report"


@pytest.fixture
def callers(jobs):
    """Have tokens of two users."""
    jobs.configure()
    jobs.site.data["tokens"] = token_settings({name: (["spawn:self"], name) for name in ("ada", "bob")})
    return jobs


async def answered(response, status=200):
    assert response.status == status, await response.text()
    return await response.json() if response.content_type == "application/json" else await response.text()


async def over(client, path=JOB):
    """Follow a job until it is over, and return it."""
    async with asyncio.timeout(PATIENCE), client.get(f"{path}/events", params={"follow": "true"}) as response:
        await response.text()
    return await answered(await client.get(path))


async def test_a_job_is_started_read_listed_and_stopped(callers):
    async with serve_site(callers.site) as server, server.client("ada") as ada, server.client("bob") as bob:
        body = {
            "start": "s1",
            "options": {"command": "sh -c 'echo $KEY is the key; exit 4'"},
            "env": {"KEY": "s3cr3t-k3y-0"},
        }
        await answered(await ada.put(JOB, json=body), 202)
        job = await over(ada)
        assert (job["phase"], job["reason"]["code"], job["reason"]["exit_code"]) == ("exited", "pod_crashed", 4)
        assert job["details"]["log"].endswith("[secret] is the key\n")
        assert job["details"]["output"].startswith("jobs/report/")
        (listed,) = (await answered(await ada.get(JOBS)))["jobs"]
        assert (listed["name"], listed["reason"], listed["details"]) == ("report", job["reason"], job["details"])
        assert (await bob.get(JOB)).status == 403
        assert (await bob.put(JOB, json=body)).status == 403
        refused = await ada.put(f"{JOBS}/other", json={"start": "s1", "options": {"notebook": "../bob/x.ipynb"}})
        assert (refused.status, (await refused.json())["errors"][0]["field"]) == (422, "options.notebook")
        await answered(await ada.put(f"{JOBS}/long", json={"start": "s1", "options": {"command": "sleep 300"}}), 202)
        assert (await ada.delete(f"{JOBS}/long", params={"wait": "60"})).status == 204
        assert (await ada.get(f"{JOBS}/long")).status == 404


async def test_a_lab_starts_a_job_that_is_like_it_and_no_other_users(callers):
    callers.site.data["plugins"]["lab"] = {
        "sizes": {"small": {"cpu": "0.5", "memory": "1Gi"}, "large": {"cpu": 2, "memory": "4Gi"}}
    }
    async with serve_site(callers.site) as server:
        await settled(await start(server.service, options={"size": "large"}))
        secret = await callers.site.read("Secret", "lab")
        token = base64.b64decode(secret["data"]["SPAWNPENNY_TOKEN"]).decode()
        async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {token}"}) as lab:
            body = {"start": "s1", "options": {"command": "true"}}
            started = await answered(await lab.put(JOB, json=body), 202)
            assert (started["lab"], started["resources"]["cpu"], started["resources"]["memory"]) == (
                "~default",
                "2",
                "4Gi",
            )
            assert (await over(lab))["phase"] == "succeeded"
            assert (await lab.put("/v1/users/bob/jobs/report", json=body)).status == 403
