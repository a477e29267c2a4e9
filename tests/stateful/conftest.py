"""A household: one site, its users and its replicas, of which each can be killed, and what must hold of it at rest."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import pytest

from spawnpenny.cluster.kinds import resource_of
from spawnpenny.cluster.port import Ref
from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Desired, Kind, Phase
from spawnpenny.errors import ElsewhereError, SpawnpennyError, UnavailableError
from spawnpenny.pipeline.keeper import read_record
from spawnpenny.testing.mortal import MortalCluster
from spawnpenny.testing.site import HUB, lab, settled, start

SHARED = ("ResourceQuota", "LimitRange", "ConfigMap", "NetworkPolicy")
OVER = {Phase.FAILED, Phase.EXITED}
PATIENCE = 160.0
"""Seconds, of a quick clock, in which all has to come to rest."""


@dataclass
class Watchful(MortalCluster):
    """The cluster of one replica. It notes who writes in a user's namespace while another living replica has the user."""

    household: object = None
    name: str = ""
    mute: bool = False

    async def replace(self, manifest, resource=None):
        if self.mute and manifest["kind"] == "Lease":
            raise UnavailableError("no answer")
        return await super().replace(manifest, resource)

    async def create(self, manifest, resource=None):
        await self._note(Ref.of(manifest, resource))
        return await super().create(manifest, resource)

    async def delete(self, ref, *, uid=None, grace=None):
        await self._note(ref)
        return await super().delete(ref, uid=uid, grace=grace)

    async def _note(self, ref):
        prefix = self.household.site.settings.namespaces.prefix
        if not self.dead and ref.resource.kind in {"Pod", "Secret"} and ref.namespace.removeprefix(prefix) in USERS:
            owner = await self.household.owner(ref.namespace.removeprefix(prefix))
            if owner not in (None, self.name) and self.household.is_writing(owner):
                self.household.broken.append(f"{self.name} writes {ref}, and {owner} has the user")


USERS = ("ada", "bob")


@dataclass
class Replica:
    """A service in this process that can be ended, or killed."""

    name: str
    cluster: Watchful
    service: object = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task | None = None
    requests: set = field(default_factory=set)

    @property
    def identity(self):
        return self.service.membership.me.identity

    async def run(self, site, begun):
        try:
            async with site.service(self.name, self.cluster) as self.service:
                begun.set_result(None)
                await self.ended.wait()
        except BaseException as error:
            if not begun.done():
                begun.set_exception(error)
            raise


@dataclass
class Household:
    """What a program works on. ``broken`` collects what was seen that must never be."""

    site: object
    stack: AsyncExitStack
    replicas: list[Replica] = field(default_factory=list)
    buried: list[Replica] = field(default_factory=list)
    requests: set = field(default_factory=set)
    held: list = field(default_factory=list)
    touched: set = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    phases: dict = field(default_factory=lambda: defaultdict(list))
    pods: dict = field(default_factory=lambda: defaultdict(set))
    starts: dict = field(default_factory=dict)
    number: int = 0
    before: dict = field(default_factory=dict)
    shared: dict = field(default_factory=dict)

    # -- replicas

    async def begin(self):
        state = self.site.settings.namespaces.state
        self.watch("Secret", self._see_record, namespace=state)
        self.watch("Pod", self._see_pod)
        await self.add()
        await settled(await start(self.replicas[0].service, "standing", name="standing"))
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "home", "namespace": self.site.namespace()},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
        await self.site.cluster.create(claim)
        await self.add()
        await self.settle()
        self.shared = await self._shared()

    def watch(self, kind, see, namespace=None):
        async def run():
            since = (await self.site.cluster.list(resource_of(kind), namespace=namespace)).version
            async for event in self.site.cluster.watch(resource_of(kind), since=since, namespace=namespace):
                see(event)

        task = asyncio.create_task(run())
        self.stack.callback(task.cancel)

    def _see_record(self, event):
        if event.type == "BOOKMARK" or event.object["metadata"].get("labels", {}).get(labels.KIND) != "record":
            return
        for spawn in read_record(event.object).spawns.values():
            known = self.phases[spawn.id]
            if not known or known[-1] != spawn.phase:
                known.append(spawn.phase)

    def _see_pod(self, event):
        if event.type != "BOOKMARK" and (mark := event.object["metadata"].get("labels", {}).get(labels.SPAWN)):
            self.pods[mark].add(event.object["metadata"]["uid"])

    async def add(self, name=None):
        if name is None:
            self.number += 1
            name = f"r{self.number}"
        begun = asyncio.get_running_loop().create_future()
        replica = Replica(name, Watchful(self.site.cluster, household=self, name=name))
        replica.task = asyncio.create_task(replica.run(self.site, begun))
        async with asyncio.timeout(PATIENCE):
            await begun
        self.replicas.append(replica)
        return replica

    def kill(self, replica):
        if replica in self.replicas:
            self.replicas.remove(replica)
            self.buried.append(replica)
            replica.cluster.die()
            replica.task.cancel()
            for request in replica.requests:
                request.cancel()

    async def end(self, replica):
        self.replicas.remove(replica)
        replica.ended.set()
        async with asyncio.timeout(PATIENCE):
            await replica.task

    async def close(self):
        for replica in list(self.replicas):
            self.kill(replica)
        for event in self.held:
            event.set()
        for replica in self.buried:
            replica.cluster.bury()
        await asyncio.gather(*(replica.task for replica in self.buried), return_exceptions=True)

    async def owner(self, slug):
        record = await self.site.cluster.read(Ref(resource_of("Secret"), f"user-{slug}", self.site.settings.namespaces.state))
        identity = record["metadata"]["annotations"][labels.OWNER] if record else None
        return next((each.name for each in self.replicas if each.identity == identity), None)

    def is_writing(self, name):
        return any(each.name == name and each.service.membership.heartbeat.fence.is_open for each in self.replicas)

    async def stop_pod(self, pod):
        """Have the program of a pod end well."""
        with suppress(OSError):
            _, writer = await asyncio.open_connection(pod.get("status", {}).get("podIP", "127.0.0.1"), 8888)
            writer.write(b"STOP")
            await writer.drain()
            writer.close()

    # -- requests

    def ask(self, replica, user, name, work):
        """Send a request to a replica, and on to the one that has the user, as relaying does."""

        async def request():
            service = replica.service
            for each in (replica, *self.replicas):
                service = each.service
                try:
                    await work(service)
                except ElsewhereError:
                    continue
                except SpawnpennyError:
                    return
                return

        self.touched.add((user, name))
        task = asyncio.create_task(request())
        replica.requests.add(task)
        self.requests.add(task)

    # -- rest

    async def settle(self):
        """Mend what is broken, wait until nothing happens any more, and check what must hold then."""
        for replica in self.replicas:
            replica.cluster.arm()
            replica.cluster.mute = False
        for event in self.held:
            event.set()
        self.held.clear()
        if not self.replicas:
            await self.add()
        requests, self.requests = self.requests, set()
        async with asyncio.timeout(PATIENCE):
            told = await asyncio.gather(*requests, return_exceptions=True)
        assert not [each for each in told if isinstance(each, Exception)], told
        why = []
        try:
            async with asyncio.timeout(PATIENCE):
                while why := await self._unrest():
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"it does not come to rest: {why}") from None
        await self.check()

    async def _records(self):
        wanted = {**labels.ours(self.site.settings.installation), labels.KIND: "record"}
        listing = await self.site.cluster.list(
            resource_of("Secret"), namespace=self.site.settings.namespaces.state, labels=wanted
        )
        return {each["metadata"]["name"].removeprefix("user-"): each for each in listing.items}

    async def _unrest(self):
        why, records = [], await self._records()
        for replica in self.replicas:
            if not replica.service.membership.heartbeat.fence.is_open:
                why.append(f"{replica.name} is fenced")
            for account in replica.service.spawns._accounts:
                if account.slug not in records:
                    why.append(f"{replica.name} has {account.slug}, of whom there is no record")
        for slug, secret in records.items():
            has = [(each, account) for each in self.replicas if (account := each.service.spawns._accounts.by_slug(slug))]
            mine = [each.name for each in self.replicas if each.service.membership.ownership.is_mine(secret)]
            if [each.name for each, _ in has] != mine or len(mine) != 1:
                why.append(f"{slug} is with {[each.name for each, _ in has]}, and should be with {mine}")
                continue
            account, stored = has[0][1], read_record(secret)
            if account.record.to_json() != stored.to_json() or account.record.version != stored.version:
                why.append(f"{slug}: in memory {account.record.to_json()}, stored {stored.to_json()}")
            for run in account.runs.values():
                ended = run.task is None or run.task.done()
                kept = run.record.phase not in OVER or run.record.reverted
                if not run.settled or not ended or not kept:
                    why.append(f"{slug} {run.record.key}: {run.record.phase}, {run.record.desired}, ended={ended}")
        return why

    async def _shared(self):
        found = {name: each["metadata"]["uid"] for name, each in (await self.site.objects(*SHARED)).items()}
        found["claim"] = (await self.site.read("PersistentVolumeClaim", "home"))["metadata"]["uid"]
        found["namespace"] = (await self.site.read("Namespace", self.site.namespace()))["metadata"]["uid"]
        return found

    async def check(self):
        assert not self.broken, self.broken
        running, now = set(), {}
        for slug, secret in (await self._records()).items():
            for key, spawn in read_record(secret).spawns.items():
                now[slug, key.name] = (spawn.id, spawn.phase, spawn.pod)
                assert spawn.request.env == {}
                assert spawn.desired is Desired.RUNNING, spawn
                if key.kind is Kind.LAB and spawn.phase is Phase.RUNNING:
                    running.add(spawn.id)
                    made = await self.site.objects("Pod", "Secret", user=slug, spawn=spawn.id)
                    assert sorted(name.split("/")[0] for name in made) == ["Pod", "Secret"], made
                    (pod,) = [each for name, each in made.items() if name.startswith("Pod")]
                    assert pod["metadata"]["uid"] == spawn.pod
        marks = {
            each["metadata"]["labels"][labels.SPAWN]: name
            for user in USERS
            for name, each in (await self.site.objects("Pod", "Secret", user=user)).items()
            if labels.SPAWN in each["metadata"]["labels"]
        }
        assert set(marks) == running, (marks, running)
        for lab_, was in self.before.items():
            assert lab_ in self.touched or lab_[1] == "" or now.get(lab_) == was, (lab_, was, now.get(lab_))
        assert ("ada", "standing") in self.touched or now["ada", "standing"][1] is Phase.RUNNING
        for mark, phases in self.phases.items():
            over = [at for at, phase in enumerate(phases) if phase in OVER]
            assert len(over) <= 1, (mark, phases)
            assert not over or set(phases[over[0] + 1 :]) <= {Phase.STOPPING}, (mark, phases)
        assert all(len(uids) <= 1 for uids in self.pods.values()), self.pods
        assert not self.shared or await self._shared() == self.shared
        self.before, self.touched = now, set()


@pytest.fixture
def household_of():
    return Household
