"""A service that finds many users: how long until it is ready, what that takes of memory, and how it lists their labs.

A process of its own, so that nothing else is in its memory. The records are those that the cluster has; the pods, which
would need as many namespaces, are added to the answer of the cluster's own list.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import selectors
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import aiohttp
import psutil
import structlog

from spawnpenny.aio.collector import keep_collections_short
from spawnpenny.app import create_app
from spawnpenny.broker.local import run_local_broker
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.interface import Listing
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.serving.server import listening
from spawnpenny.testing.faults import FaultyCluster
from spawnpenny.testing.site import Site
from spawnpenny.web.app_keys import SERVICE


@dataclass
class Crowded(FaultyCluster):
    """Has a pod for each user beside those that there are."""

    pod: str = ""
    users: list[str] = field(default_factory=list)

    async def list(self, resource, *, namespace=None, labels=None):
        listing = await super().list(resource, namespace=namespace, labels=labels)
        if resource.kind != "Pod" or namespace is not None:
            return listing
        return Listing(
            [*listing.items, *(json.loads(self.pod.replace("sample", user)) for user in self.users)], listing.version
        )


class TimedSelector(selectors.DefaultSelector):
    """Notes the processor time that the event loop takes between two looks at its sockets: the longest such turn."""

    def __init__(self):
        super().__init__()
        self.longest = 0.0
        self._since = None

    def select(self, timeout=None):
        if self._since is not None:
            self.longest = max(self.longest, time.thread_time() - self._since)
        try:
            return super().select(timeout)
        finally:
            self._since = time.thread_time()


def megabytes():
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6


async def walk(http):
    """Read all pages; return the seconds of the first, of all, and how many labs there were."""
    began, count, after, first = time.perf_counter(), 0, None, None
    while first is None or after is not None:
        async with http.get("/v1/labs", params={"after": after} if after else {}) as answer:
            assert answer.status == 200, await answer.text()
            page = await answer.json()
        first = first or time.perf_counter() - began
        count, after = count + len(page["labs"]), page["next"]
    return {"first": first, "all": time.perf_counter() - began, "labs": count}


async def main(settings, loop_watch):
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    async with AsyncExitStack() as stack:
        real = await stack.enter_async_context(await KubernetesCluster.connect(settings["kubeconfig"]))
        cluster = Crowded(real, pod=settings["pod"], users=settings["users"])
        site = Site(settings["data"], cluster)
        broker = await stack.enter_async_context(run_local_broker(real, site.settings))
        app = create_app(site.settings, load_plugins(site.settings), cluster, broker)
        before, began = megabytes(), time.perf_counter()
        port = await stack.enter_async_context(listening(app, "127.0.0.1", 0))
        service = app[SERVICE]
        loop_watch.longest, cpu = 0.0, time.process_time()
        await keep_collections_short(service.until_ready())
        seen = {"ready": time.perf_counter() - began, "cpu": time.process_time() - cpu, "longest": loop_watch.longest}
        seen["megabytes"] = megabytes() - before
        headers = {"Authorization": "Bearer reader"}
        http = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers))
        seen["alone"] = await walk(http)
        moved = service.moved.next()
        await stack.enter_async_context(site.service("another"))
        await moved.wait()
        seen["two"] = await walk(http)
    print(json.dumps(seen))


selector = TimedSelector()
with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
    runner.run(main(json.load(sys.stdin), selector))
