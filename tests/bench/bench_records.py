"""What 10,000 running labs cost a service that finds them at its start: time, memory, pauses, and listing them."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

import pytest

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.testing.site import make_site, settled, start

READER = Path(__file__).with_name("reader.py")
LABS = 10_000
AT_ONCE = 20


@pytest.mark.parametrize("pods", ["there", "gone"])
async def bench_many_records(pods, kubernetes_cluster, hollow_node, apiserver):
    site = await make_site(kubernetes_cluster)
    site.data["tokens"] = {"reader": {"sha256": hash_token("reader"), "scopes": ["read:any"]}}
    record, pod = await sample(site)
    users = [f"user{number:05}" for number in range(LABS)]
    await copy(kubernetes_cluster, record, users)
    settings = {
        "kubeconfig": str(apiserver.kubeconfig),
        "data": site.data,
        "pod": pod,
        "users": users if pods == "there" else [],
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, str(READER), stdin=pipe, stdout=pipe)
    output, _ = await process.communicate(json.dumps(settings).encode())
    assert process.returncode == 0
    seen = json.loads(output.splitlines()[-1])
    print(f"\n{LABS} running labs, their pods {pods}, a record of {len(record)} and a pod of {len(pod)} bytes each:")
    per_lab = seen["megabytes"] * 1e3 / LABS
    print(f"  ready after {seen['ready']:.1f} s; {seen['megabytes']:.0f} MB, {per_lab:.1f} kB a user")
    share = seen["longest"] / (seen["cpu"] / LABS)
    print(
        f"  {seen['cpu']:.1f} s of CPU; the loop is held for as long as {share:.0f} of the {LABS} users take, at most"
    )
    for what, times in (("its own", seen["alone"]), ("half of them another replica's", seen["two"])):
        first = times["first"] * 1e3
        print(f"  GET /v1/labs, {what}: first page {first:.0f} ms, all {times['labs']} labs {times['all']:.1f} s")


async def sample(site):
    """Return the record and the pod of a running lab, as JSON."""
    async with site.service() as service:
        run = await settled(await start(service, user="sample", env={"JUPYTERHUB_API_TOKEN": "x" * 32}))
        assert run.record.url, run.record.reason
    record = await site.read("Secret", "user-sample", site.settings.namespaces.state)
    pod = await site.read("Pod", "lab", site.namespace("sample"))
    for manifest in (record, pod):
        del manifest["metadata"]["managedFields"]
    del record["metadata"]["resourceVersion"], record["metadata"]["uid"]
    return json.dumps(record), json.dumps(pod)


async def copy(cluster, record, users):
    """Make a record for each user."""
    text = base64.b64decode(json.loads(record)["data"]["record"]).decode()
    limit = asyncio.Semaphore(AT_ONCE)

    async def make(user):
        manifest = json.loads(record.replace("sample", user))
        manifest["stringData"] = {"record": text.replace("sample", user)}
        async with limit:
            await cluster.create(manifest, resource_of("Secret"))

    await asyncio.gather(*(make(user) for user in users))
