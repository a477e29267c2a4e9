"""The end of pods and clusters, of whatever kind: no process is left."""

from __future__ import annotations

import asyncio
import secrets
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.embedded.node.orphans import end_orphans
from spawnpenny.errors import SettingsError
from spawnpenny.kubernetes.errors import UnavailableError


@pytest.fixture
def seconds():
    """Return a number of seconds that no other process sleeps, by which our processes are found."""
    return f"{5000 + secrets.randbelow(10**9)}.5"


async def found(processes_with, seconds, count):
    while len(pids := processes_with(seconds)) < count:  # noqa: ASYNC110 - a process sends no event
        await asyncio.sleep(0.01)
    return pids


@asynccontextmanager
async def killed_holder(folder, seconds, processes_with):
    """Run a cluster in another process, and kill that once its pod has started processes."""
    command = [sys.executable, str(Path(__file__).with_name("holder.py")), str(folder), seconds]
    holder = await asyncio.create_subprocess_exec(*command)
    try:
        try:
            await found(processes_with, seconds, 4)  # the holder, the shell, and its two children
        finally:
            holder.kill()
            await holder.wait()
        yield processes_with(seconds)
    finally:
        for pid in processes_with(seconds):
            psutil.Process(pid).kill()


async def test_a_child_that_left_the_group_goes_with_its_pod(site, seconds, processes_with):
    ref = await site.run(site.container("sh", f"setsid sleep {seconds} & echo up; wait"))
    await found(processes_with, seconds, 2)
    await site.cluster.delete(ref)
    await site.until_gone(ref)
    assert processes_with(seconds) == []
    assert list((site.folder / "pods").iterdir()) == []


async def test_a_child_that_left_the_group_goes_with_its_container(site, seconds, processes_with):
    ref = await site.run(site.container("sh", f"setsid sleep {seconds} & exit 0"))
    await site.until(ref, site.ended)
    assert processes_with(seconds) == []


async def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(site, seconds, processes_with):
    script = f"trap '' TERM; sleep {seconds} & echo up; while :; do sleep 0.1; done"
    ref = await site.run(site.container("sh", script))
    await site.log_has(ref, "up")
    await site.cluster.delete(ref, grace=1)
    await site.until_gone(ref)
    assert processes_with(seconds) == []


async def test_a_process_can_use_its_grace(site):
    script = "trap 'echo bye > $OUT/bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    await site.cluster.create(site.make_claim("out"))
    mounts = [{"name": "out", "mountPath": "/out"}]
    ref = await site.run(
        site.container("sh", script, volumeMounts=mounts, env=[{"name": "OUT", "value": "/out"}]),
        volumes=[{"name": "out", "persistentVolumeClaim": {"claimName": "out"}}],
    )
    await site.log_has(ref, "up")
    await site.cluster.delete(ref, grace=20)
    await site.until_gone(ref)
    assert (site.folder / "claims/default/out/bye").read_text() == "bye\n"


async def test_no_process_is_left_after_close(site, seconds, processes_with):
    for number in range(5):
        await site.run(site.container("sh", f"setsid sleep {seconds} & sleep {seconds}"), name=f"pod-{number}")
    await found(processes_with, seconds, 15)
    await site.cluster.close()
    assert processes_with(seconds) == []
    assert list((site.folder / "pods").iterdir()) == []
    with pytest.raises(UnavailableError):
        await site.run(site.container("sh", "true"))


async def test_the_next_start_ends_what_a_killed_cluster_left(folder, seconds, processes_with):
    async with killed_holder(folder, seconds, processes_with) as left:
        assert left
        async with EmbeddedCluster(folder, {}):
            assert processes_with(seconds) == []
            assert not (folder / "pods").exists()


async def test_clean_ends_what_a_killed_cluster_left(folder, seconds, processes_with):
    async with killed_holder(folder, seconds, processes_with) as left:
        assert await asyncio.to_thread(end_orphans, folder) == len(left)
        assert processes_with(seconds) == []


async def test_a_second_cluster_on_the_same_folder_is_refused(site):
    with pytest.raises(SettingsError, match="in use by another embedded cluster"):
        async with EmbeddedCluster(site.folder, {}):
            pass
    with pytest.raises(SettingsError, match="in use by another embedded cluster"):
        end_orphans(site.folder)


async def test_two_clusters_share_no_address(site, tmp_path):
    async with EmbeddedCluster(tmp_path / "other", {"sh": ["sh", "-c"]}) as other:
        spec = {"containers": [site.container("sh", "exec sleep 100")]}
        mine, its = [type(site)(cluster, site.folder) for cluster in (site.cluster, other)]
        hosts = set()
        for one in (mine, its):
            ref = await one.run(*spec["containers"])
            hosts.add((await one.until(ref, one.ready))["status"]["hostIP"])
        assert len(hosts) == 2
