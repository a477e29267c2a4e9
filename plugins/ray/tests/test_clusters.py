"""Ray clusters on a whole site, with real heads and workers: one cluster of ada's for most tests, in this order."""

from __future__ import annotations

import asyncio
import os
import signal

import aiohttp
import pytest
from pytest_asyncio import fixture as async_fixture

from spawnpenny.api import Phase, QuotaExceededError, UnknownOptionError
from spawnpenny.testing.site import settled, start

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]

CONNECT = """
import ray, time
for attempt in range(5):
    try:
        ray.init(log_to_driver=False)
        break
    except ConnectionError:  # Ray gives the client's server 30 seconds, too few where others use the machine, too
        print("attempt", attempt)

@ray.remote
def where(pause=0.2):
    time.sleep(pause)
    return ray.util.get_node_ip_address()

def nodes(count):
    while (alive := sum(node["Alive"] for node in ray.nodes())) != count:
        time.sleep(0.2)
    return alive
"""
TASKS_AND_ACTORS = """
@ray.remote(num_cpus=1)
class Counter:
    count = 0

    def add(self):
        self.count += 1
        return self.count

nodes(3)
found = set()
while len(found) < 2:
    found |= set(ray.get([where.remote() for _ in range(4)]))
counters = [Counter.remote(), Counter.remote()]
print("counts", ray.get([counter.add.remote() for counter in counters for _ in range(2)]))
"""
JOB = """
import time
from ray.job_submission import JobSubmissionClient
client = JobSubmissionClient()
program = "import ray; ray.init(); print(6 * 7, len(ray.nodes()))"
job = client.submit_job(entrypoint=f"python -c '{program}'")
while not client.get_job_status(job).is_terminal():
    time.sleep(0.2)
print(client.get_job_status(job).value, client.get_job_logs(job).split("\\n")[-2])
"""
RETRIED = """
print("started", flush=True)
print("done", len(ray.get([where.options(max_retries=-1).remote(0.5) for _ in range(20)])))
"""


@async_fixture(loop_scope="module", scope="module")
async def ray(ray_site):
    """Have ada's cluster with two workers, which was started after the labs of ada and bob."""
    ray_site.site.data["plugins"]["quota"] = {"cpu": 7, "memory": "16Gi"}
    await ray_site.open(max_workers=8)
    for user in ("ada", "bob"):
        await settled(await start(ray_site.service, user=user))
    run = await ray_site.cluster()
    assert run.record.phase is Phase.RUNNING, run.record.reason
    await ray_site.scale(2)
    await ray_site.until_workers(2)
    yield ray_site
    await ray_site.close()


async def test_a_cell_of_a_lab_needs_no_argument_for_tasks_and_actors_on_two_workers(ray):
    code, output = await ray.python(CONNECT + TASKS_AND_ACTORS)
    assert (code, "counts [1, 2, 1, 2]" in output) == (0, True), output
    assert ray.run().record.url.startswith("ray://127.")


async def test_the_jobs_client_of_a_lab_needs_no_argument(ray):
    code, output = await ray.python(JOB)
    assert (code, "SUCCEEDED 42 3" in output) == (0, True), output


async def test_another_users_token_opens_nothing_and_no_token_neither(ray):
    secrets = {user: await ray.token(user) for user in ("ada", "bob")}
    assert secrets["ada"] != secrets["bob"]
    url = (await ray.lab_environment("ada"))["RAY_API_SERVER_ADDRESS"]
    answers = {}
    async with aiohttp.ClientSession() as session:
        for name, token in {"bob": secrets["bob"], "nobody": "", "ada": secrets["ada"]}.items():
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with (
                session.get(f"{url}/api/v0/nodes", headers=headers) as read,
                session.post(f"{url}/api/jobs/", headers=headers, json={"entrypoint": "id"}) as sent,
            ):
                answers[name] = read.status, sent.status
    assert answers == {"bob": (403, 403), "nobody": (401, 401), "ada": (200, 200)}


async def test_another_users_lab_cannot_connect_to_the_address(ray):
    theirs = await ray.lab_environment("ada")
    address, gcs = theirs["RAY_ADDRESS"], ray.gcs_address()
    script = f"""
from ray.util import connect
from ray._raylet import GcsClient
for name, attempt in (
    ("client", lambda: connect({address.removeprefix("ray://")!r}, connection_retries=1)),
    ("head", lambda: GcsClient(address={gcs!r}).get_all_job_info()),
):
    try:
        attempt()
        print(name, "connected")
    except Exception as error:
        print(name, "refused", type(error).__name__)
"""
    _, output = await ray.python(script, user="bob")
    assert [line.split()[:2] for line in output.splitlines() if "connected" in line or "refused" in line] == [
        ["client", "refused"],
        ["head", "refused"],
    ], output


async def test_work_goes_on_when_a_worker_is_killed_and_another_one_replaces_it(ray):
    before = await ray.until_workers(2)
    cell = asyncio.create_task(ray.python(CONNECT + RETRIED))
    await ray.until_busy()
    ray.kill(min(before))
    after = await ray.until_workers(2, but={min(before)})
    code, output = await cell
    assert (code, "done 20" in output) == (0, True), output
    assert max(before) in after
    await ray.notified("A worker has ended. ")


async def test_a_restarted_service_scales_the_cluster_to_four_and_back(ray):
    two = await ray.until_workers(2)
    await ray.open(max_workers=8)
    assert await ray.until_workers(2) == two
    assert (await ray.scale(4)).refusal is None
    await ray.until_workers(4)
    code, output = await ray.python(CONNECT + "print('nodes', nodes(5))")
    assert (code, "nodes 5" in output) == (0, True), output
    await ray.scale(2)
    await ray.until_workers(2)
    code, output = await ray.python(CONNECT + "print('nodes', nodes(3), len(ray.get([where.remote()] * 3)))")
    assert (code, "nodes 3 3" in output) == (0, True), output


async def test_what_does_not_fit_is_refused_with_the_numbers(ray):
    beyond_quota = await ray.scale(7)  # the lab has one core, the head another one
    assert beyond_quota.refusal.facts == {"resource": "cpu", "asked": "8", "used": "1", "limit": "7"}
    assert beyond_quota.scale.count == 5
    beyond_bounds = await ray.scale(9)
    assert beyond_bounds.refusal.facts["limit"] in {"7", "8"}
    await ray.scale(2)
    with pytest.raises(QuotaExceededError) as second:
        await ray.start(key="r2")
    assert second.value.facts == {"resource": "Ray clusters", "asked": "1", "used": "1", "limit": "1"}
    with pytest.raises(UnknownOptionError):
        await ray.start(user="bob", options={"cores": 4})


async def test_a_user_is_informed_why_a_cluster_ended_whose_head_was_killed(ray):
    processes = ray.processes(ray.run().record.pod_uid)
    (gcs,) = [process for process in processes if process.name() == "gcs_server"]
    os.kill(gcs.pid, signal.SIGKILL)
    reason = await ray.ended()
    assert (ray.run().record.phase, reason.code) == (Phase.EXITED, "pod_crashed"), reason
    assert reason.message.startswith("The container head ended by itself with exit code 1")
    assert not await ray.site.objects("Pod", spawn=ray.run().record.id)


async def test_a_cluster_ends_that_has_nothing_to_do(ray):
    await ray.open(idle_timeout=3)
    await ray.start(user="bob", start="s2")
    await settled(ray.run("bob"))
    await ray.scale(1, user="bob")
    assert (await ray.ended("bob")).code == "ray_idle"
    assert ray.run("bob").record.reason.message == "The Ray cluster had nothing to do for 3 seconds."


async def test_a_start_with_an_image_that_would_serve_everybody_is_undone(ray):
    await ray.open(image="old")
    run = await ray.cluster(user="bob", start="s3")
    assert run.record.phase is Phase.FAILED
    assert "Ray 2.40.0 does not know token authentication" in run.record.reason.message
    assert not await ray.site.objects("Pod", user="bob", spawn=run.record.id)
