"""Calls to the Kubernetes API in a minute: two replicas and two brokers with nothing to do, and with 500 labs that run.

They are counted by the API server itself, with the default settings. Lists and watches are told apart: a watch counts
when it is opened, and the API server ends each after some minutes.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack

from spawnpenny.testing.site import lab, make_site, settled, start

LABS = 500
SECONDS = 60


async def bench_calls_a_minute(kubernetes_cluster, hollow_node, apiserver):
    site = await make_site(kubernetes_cluster, broker="separate")
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(site.broker())
        services = [await stack.enter_async_context(site.service(name)) for name in ("a", "b")]
        await report("idle", apiserver, site)
        began = time.perf_counter()
        runs = await asyncio.gather(
            *(start(services[number % 2], user=f"user{number}") for number in range(LABS)),
        )
        await asyncio.gather(*(settled(run) for run in runs))
        print(f"{LABS} labs at once ran after {time.perf_counter() - began:.0f} s")
        assert {run.record.phase for run in runs} == {"running"}
        assert len([run for _, run in services[0].spawns.all(lab().kind) if run.settled]) == LABS
        await report(f"{LABS} labs", apiserver, site)


async def report(what, apiserver, site):
    await asyncio.sleep(5)  # what was asked before is over
    audit_start = apiserver.audit_position()
    await asyncio.sleep(SECONDS)
    entries = apiserver.audit(audit_start, user_agent="spawnpenny/")
    places = {getattr(site.settings.namespaces, name): name for name in ("state", "broker", "provision")}

    def word(entry):
        return f"{entry.verb} {entry.resource} ({places.get(entry.namespace, entry.namespace) or 'all'})"

    streams = Counter(word(entry) for entry in entries if entry.verb in {"list", "watch"})
    calls = Counter(word(entry) for entry in entries if entry.verb not in {"list", "watch"})
    print(f"\n{what}, in {SECONDS} s: {calls.total()} calls {dict(calls)}")
    print(f"  and {streams.total()} lists and watches opened {dict(streams)}")
