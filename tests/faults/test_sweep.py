"""A fault at each call of a first spawn, a respawn and a stop that changes something: the same promises hold.

One run takes each call and each fault at least once; all pairs of them take minutes, with SPAWNPENNY_TEST_ALL=1.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from spawnpenny.domain.spawns import Phase
from spawnpenny.errors import SpawnpennyError
from spawnpenny.testing.site import lab, settled, start, stop
from tests.kit.fault_proxy import changes
from tests.kit.proxy_faults import Cut, Delay, Drop, Lose, Refuse, Reset

MISCHIEFS = {
    "drop": Drop(),
    "delay": Delay(0.3),
    "delay-beyond-patience": Delay(1.5),
    "reset": Reset(),
    "lose": Lose(),
    "cut": Cut(),
    "401": Refuse(401),
    "410": Refuse(410),
    "429": Refuse(429, retry_after=1),
    "500": Refuse(500),
    "503": Refuse(503),
}
POINTS = [("first", n) for n in range(10)] + [("respawn", n) for n in range(4)] + [("stop", n) for n in range(4)]
ALL = os.environ.get("SPAWNPENNY_TEST_ALL") == "1"
NAMES = list(MISCHIEFS)
CASES = [
    (work, n, name)
    for number, (work, n) in enumerate(POINTS)
    for name in (NAMES if ALL else [NAMES[number * 3 % len(NAMES)]])
]
STORMS = POINTS if ALL else [("first", 5), ("stop", 1)]


def is_work(request):
    """Take what changes something, but for the renewals of the replica's Lease, which come by the clock."""
    return changes(request) and "/leases" not in request.path


async def spawn(service):
    """Start the lab; return how it ended, or None where it was told that it is not accepted."""
    try:
        return await settled(await start(service, "faulty"))
    except SpawnpennyError as error:
        assert_plain(error.message)
        return None


async def take_away(service):
    """Stop the lab: whether the order is told as written or not, it is carried out."""
    run = service.spawns.find("ada", lab())
    try:
        await service.spawns.stop("ada", lab())
    except SpawnpennyError as error:
        assert_plain(error.message)
    await run.until_gone()


def assert_plain(message):
    assert message.endswith(".")
    assert "\n" not in message
    assert "Traceback" not in message


async def before(service, work):
    """Bring about what the work begins with: another user's lab runs, and another lab of the user where one can."""
    others = [await settled(await start(service, user="grace"))]
    if work != "first":
        others.append(await settled(await start(service, name="other")))
        await settled(await start(service, "before"))
    if work == "respawn":
        await stop(service)
    return others


async def check_promises(site, service, work, run):
    if run is not None and run.record.phase is not Phase.RUNNING:
        assert run.record.phase is Phase.FAILED
        assert run.record.ended_at <= run.record.deadline
        assert_plain(run.record.reason.message)
        assert await site.objects(spawn=run.record.id) == {}
    if work == "stop":
        assert service.spawns.find("ada", lab()) is None
        assert not {"Pod/lab", "Secret/lab"} & set(await site.objects())
    again = await settled(await start(service, "next", replace=True))
    assert again.record.phase is Phase.RUNNING, again.record.reason
    await stop(service)


async def pods(site, user):
    return {
        name: manifest["metadata"]["uid"] for name, manifest in (await site.objects("Pod", "Secret", user=user)).items()
    }


async def others_of(site):
    mine = {"Pod/lab", "Secret/lab"}
    ada = {name: uid for name, uid in (await pods(site, "ada")).items() if name not in mine}
    return ada, await pods(site, "grace")


async def try_it(proxied, household, service_tasks, work, arm, **options):
    site = proxied.site
    async with proxied.service(**options) as service:
        others = await before(service, work)
        untouched = await others_of(site)
        tasks, kept = service_tasks(), await household(service, proxied.proxy)
        armed = arm()
        run = await (take_away(service) if work == "stop" else spawn(service))
        assert armed.struck
        proxied.proxy.disarm()
        await check_promises(site, service, work, run)
        assert all(other.record.phase is Phase.RUNNING for other in others)
        assert await others_of(site) == untouched
        after = await household(service, proxied.proxy, tasks)
        assert after == replace(kept, runs=kept.runs - {"ada lab/~default"})


@pytest.mark.parametrize(("work", "n", "fault"), CASES)
async def test_one_fault_anywhere(proxied, household, service_tasks, work, n, fault):
    def arm():
        return proxied.proxy.arm(MISCHIEFS[fault], on=is_work, at=n)

    await try_it(proxied, household, service_tasks, work, arm)


@pytest.mark.parametrize(("work", "n"), STORMS)
async def test_an_api_server_that_refuses_all_for_longer_than_one_waits(proxied, household, service_tasks, work, n):
    def arm():
        return proxied.proxy.arm(Refuse(503), on=is_work, at=n, times=15)

    await try_it(proxied, household, service_tasks, work, arm, patience=0.6)
