"""Jobs whose pods the cluster ends or does not start, and many jobs at once, on a real API server."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import dataclass

import pytest

from spawnpenny.api import Phase, QuotaExceededError
from spawnpenny.testing.behaviours import Fail, PullError, Ready, Succeed
from spawnpenny.testing.patience import PATIENCE

USERS = 20 if os.environ.get("SPAWNPENNY_TEST_ALL") == "1" else 6


@dataclass(frozen=True)
class Evicted:
    """The machine puts the pod out once it has run."""

    scheduled: bool = True

    def statuses(self, pod):
        yield from Ready().statuses(pod)
        yield {
            **next(Ready().statuses(pod)),
            "phase": "Failed",
            "reason": "Evicted",
            "message": "The node was low on memory.",
        }


async def test_a_pod_that_the_cluster_ends_is_replaced_and_counts_as_no_failure(hollow_jobs, hollow_node):
    hollow_node.behave("batch-report.1", Evicted())
    hollow_node.behave("batch-report.2", Evicted())
    hollow_node.behave("batch-report.3", Fail(4))
    hollow_node.behave("batch-report.4", Succeed())
    async with hollow_jobs.running():
        record = await hollow_jobs.ended(await hollow_jobs.start(command="true", retries=1))
        assert record.phase is Phase.SUCCEEDED, record.reason
        assert (record.state["batch"]["attempt"], record.state["batch"]["lost"]) == (4, 2)


@pytest.mark.parametrize(("retries", "pods"), [(0, 1), (1, 3)])
async def test_it_is_replaced_only_so_often_and_only_if_it_may_run_again(hollow_jobs, hollow_node, retries, pods):
    hollow_node.behave("batch-report.*", Evicted())
    async with hollow_jobs.running(replacements=2):
        record = await hollow_jobs.ended(await hollow_jobs.start(command="true", retries=retries))
        assert record.phase in {Phase.EXITED, Phase.FAILED}
        assert (record.reason.code, record.state["batch"]["attempt"]) == ("pod_evicted", pods)


@pytest.mark.parametrize("retries", [0, 2])
async def test_one_whose_pod_is_deleted_while_no_service_runs(hollow_jobs, hollow_node, retries):
    hollow_node.behave("batch-report.1", Ready())
    site = hollow_jobs.site
    async with hollow_jobs.killable() as server:
        run = await hollow_jobs.start(command="true", retries=retries)
        async with asyncio.timeout(PATIENCE):
            while run.record.phase is not Phase.RUNNING:
                await run.bell.next().wait()
        await server.kill()
        pod = await site.read("Pod", "batch-report.1")
        await site.cluster.delete(site.ref("Pod", "batch-report.1"), uid=pod["metadata"]["uid"], grace=0)
        await server.start()
        hollow_jobs.service = server.service
        record = await hollow_jobs.ended()
        if retries:
            assert (record.phase, record.state["batch"]["lost"]) == (Phase.SUCCEEDED, 1)
        else:
            assert (record.phase, record.reason.code) == (Phase.EXITED, "job_lost")
            assert record.state["batch"]["attempt"] == 1


async def test_an_image_that_cannot_be_pulled_is_not_tried_again(hollow_jobs, hollow_node):
    hollow_node.behave("batch-report.*", PullError("manifest unknown: not found"))
    async with hollow_jobs.running():
        record = await hollow_jobs.ended(await hollow_jobs.start(command="true", retries=5))
        assert (record.phase, record.reason.code) == (Phase.FAILED, "image_unavailable")
        assert record.state["batch"]["attempt"] == 1


async def test_the_memory_that_it_used_is_the_reason_if_it_was_too_much(hollow_jobs, hollow_node):
    hollow_node.behave("batch-report.*", Fail(137, "OOMKilled"))
    async with hollow_jobs.running():
        record = await hollow_jobs.ended(await hollow_jobs.start(command="true", retries=1))
        assert (record.phase, record.reason.code, record.state["batch"]["attempt"]) == (
            Phase.EXITED,
            "out_of_memory",
            2,
        )


async def test_jobs_and_labs_share_one_quota_and_a_refusal_has_the_numbers(hollow_jobs, hollow_node):
    hollow_node.behave("batch-*", Ready())
    hollow_jobs.site.data["plugins"] |= {
        "quota": {"cpu": 3},
        "lab": {"sizes": {"one": {"cpu": 1, "memory": "1Gi"}, "two": {"cpu": 2, "memory": "1Gi"}}},
    }
    async with hollow_jobs.running():
        await hollow_jobs.start("a", command="true", **{"lab.size": "two"})
        with pytest.raises(QuotaExceededError) as refused:
            await hollow_jobs.start("b", command="true", **{"lab.size": "two"})
        assert refused.value.facts == {"resource": "cpu", "asked": "2", "used": "2", "limit": "3"}
        await hollow_jobs.start("c", command="true")
        with pytest.raises(QuotaExceededError):
            await hollow_jobs.start("d", command="true")
        await hollow_jobs.stop("a")
        await hollow_jobs.start("d", command="true")


async def test_many_jobs_at_once_run_to_their_end_within_the_limits(hollow_jobs, hollow_node):
    """Users have 10 jobs each: 200 jobs with SPAWNPENNY_TEST_ALL=1.

    Each user has room for them all, and the service starts only some at a time.
    """
    site = hollow_jobs.site
    site.data["plugins"] |= {
        "quota": {"cpu": 1, "memory": "20Gi"},
        "lab": {"sizes": {"one": {"cpu": "0.1", "memory": "1Gi"}}},
    }
    site.data["limits"] = {"spawning": 20}
    users = [f"user{number:02}" for number in range(USERS)]
    hollow_node.behave("batch-job0.*", Fail(3))
    hollow_node.behave("batch-job0.2", Succeed())
    async with hollow_jobs.running():
        started = [
            hollow_jobs.start(f"job{number}", user=user, command="true", retries=1)
            for number in range(10)
            for user in users
        ]
        runs = await asyncio.gather(*started)
        with pytest.raises(QuotaExceededError):
            await hollow_jobs.start("one-more", user="user00", command="true", **{"lab.size": "one"})
        records = await asyncio.gather(*map(hollow_jobs.ended, runs))
        assert Counter(record.phase for record in records) == {Phase.SUCCEEDED: 10 * USERS}
        assert Counter(record.state["batch"]["attempt"] for record in records) == {1: 9 * USERS, 2: USERS}
        for user in users:
            assert not await site.objects("Pod", user=user)
