"""A household: one site, its users, its replicas of which each can be killed, and what must hold of it at rest."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from spawnpenny.domain import labels
from spawnpenny.domain.spawns import Desired, Phase
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.spawns.store import read_record
from spawnpenny.testing.killable import KillableCluster
from spawnpenny.testing.site import settled, start
from tests.kit.history import SpawnHistory, is_ending
from tests.kit.replica import KillableReplica

USERS = ("ada", "bob")
SHARED = ("ResourceQuota", "LimitRange", "ConfigMap", "NetworkPolicy")
PATIENCE = 200.0
"""Seconds, of a fast clock, in which all has to come to rest."""


@dataclass
class Watchful(KillableCluster):
    """The cluster of one replica.

    It notes where the replica writes for a user whom another living one has; ``mute`` keeps it from its Lease.
    """

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

    async def delete(self, ref, *, uid=None, version=None, grace=None):
        await self._note(ref)
        return await super().delete(ref, uid=uid, version=version, grace=grace)

    async def _note(self, ref):
        slug = (ref.namespace or "").removeprefix(self.household.site.settings.namespaces.prefix)
        if not self.dead and ref.resource.kind in {"Pod", "Secret"} and slug in USERS:
            owner = await self.household.owner(slug)
            if owner is not None and owner.name != self.name and owner.writes:
                self.household.broken.append(f"{self.name} writes {ref}, and {owner.name} has the user")


@dataclass
class Household:
    """What a program works on.

    ``pods_listen`` says that pods end when they are told to; ``broken`` collects what was seen that must never be,
    ``touched`` the labs that something was done to since all was at rest ``before``.
    """

    site: object
    pods_listen: bool
    replicas: list[KillableReplica] = field(default_factory=list)
    killed: list[KillableReplica] = field(default_factory=list)
    requests: dict = field(default_factory=dict)
    held: list = field(default_factory=list)
    starts: dict = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    touched: set = field(default_factory=set)
    before: dict = field(default_factory=dict)
    shared: dict = field(default_factory=dict)
    number: int = 0

    async def begin(self):
        """Have a lab that runs, a volume claim, and two replicas."""
        self.history = SpawnHistory(self.site)
        self.history_task = asyncio.create_task(self.history.run())
        await self.add()
        await self._have_running("standing")
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

    async def _have_running(self, name):
        """Have a lab that runs; on a machine that is busy, a Lease that lapsed may have failed it."""
        for number in range(10):
            run = await settled(await start(self.replicas[0].service, f"s{number}", name=name, replace=True))
            if run.record.phase is Phase.RUNNING:
                return
            assert run.record.reason.code == "replica_fenced", run.record.reason
        raise AssertionError("the Lease lapses again and again")

    async def add(self, name=None):
        self.number += name is None
        name = name or f"r{self.number}"
        replica = KillableReplica(name, self.site, Watchful(self.site.cluster, household=self, name=name))
        async with asyncio.timeout(PATIENCE):
            await replica.start()
        self.replicas.append(replica)

    async def end(self, replica):
        self.replicas.remove(replica)
        self.let_go()  # a replica that stops waits for its calls, and this cluster would hold them for ever
        async with asyncio.timeout(PATIENCE):
            await replica.stop()

    def kill(self, replica):
        if replica in self.replicas:
            self.replicas.remove(replica)
            self.killed.append(replica)
            replica.kill()
            for request, target in self.requests.items():
                if target is replica:
                    request.cancel()

    async def close(self):
        for replica in list(self.replicas):
            self.kill(replica)
        self.let_go()
        self.history_task.cancel()
        buried = (replica.release() for replica in self.killed)
        await asyncio.gather(*buried, self.history_task, return_exceptions=True)

    def let_go(self):
        for event in self.held:
            event.set()
        self.held.clear()

    async def owner(self, slug):
        """Return the living replica that wrote a user's record last, or None."""
        ref = Ref(resource_of("Secret"), f"user-{slug}", self.site.settings.namespaces.state)
        record = await self.site.cluster.read(ref)
        identity = record["metadata"]["annotations"][labels.OWNER] if record else None
        return next((replica for replica in self.replicas if replica.identity == identity), None)

    async def stop_pod(self, pod):
        """Have the program of a pod end well, if it runs. An address is another pod's as soon as a pod has ended."""
        if is_ending(pod) or "podIP" not in pod.get("status", {}):
            return
        with suppress(OSError):
            _, writer = await asyncio.open_connection(pod["status"]["podIP"], 8888)
            writer.write(b"STOP")
            async with asyncio.timeout(PATIENCE):
                await self.history.until_over(pod)
            writer.close()

    def ask(self, replica, user, name, work):
        """Send a request to a replica, and on to the one that has the user, as relaying does."""

        async def request():
            for receiver in (replica, *self.replicas):
                try:
                    await work(receiver.service)
                except ElsewhereError:
                    continue
                except SpawnpennyError:
                    return
                return

        self.touched.add((user, name))
        self.have_done(replica, request())

    def have_done(self, replica, work):
        """Have a replica work on something for as long as it lives."""
        self.requests[asyncio.create_task(work)] = replica

    async def settle(self):
        """Mend what is broken, wait until nothing happens any more, and check what must hold then."""
        for replica in self.replicas:
            replica.cluster.arm()
            replica.cluster.mute = False
        self.let_go()
        if not self.replicas:
            await self.add()
        requests, self.requests = self.requests, {}
        async with asyncio.timeout(PATIENCE):
            results = await asyncio.gather(*requests, return_exceptions=True)
        assert not [result for result in results if isinstance(result, Exception)], results
        why = []
        try:
            async with asyncio.timeout(PATIENCE):
                while why := await self._unrest():  # noqa: ASYNC110 - no single event says that nothing more happens
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"it does not come to rest: {why}") from None
        await self._check()

    async def _records(self):
        desired = {**labels.ours(self.site.settings.installation), labels.KIND: "record"}
        state = self.site.settings.namespaces.state
        listing = await self.site.cluster.list(resource_of("Secret"), namespace=state, labels=desired)
        return {item["metadata"]["name"].removeprefix("user-"): item for item in listing.items}

    async def _unrest(self):
        """Tell what is still to happen: a user is one replica's, which knows what is stored, and all has ended."""
        records = await self._records()
        why = [f"{replica.name} is fenced" for replica in self.replicas if not replica.writes]
        for replica in self.replicas:
            strangers = {account.slug for account in replica.service.spawns._user_registry} - set(records)
            why += [f"{replica.name} has {slug}, of whom there is no record" for slug in strangers]
        if await self._labelled() != (expected := _expected(records)):
            why.append(f"there is {await self._labelled()}, and should be {expected}")
        for slug, secret in records.items():
            has = {
                replica.name: found
                for replica in self.replicas
                if (found := replica.service.spawns._user_registry.by_slug(slug))
            }
            mine = [replica.name for replica in self.replicas if replica.service.membership.ownership.is_mine(secret)]
            if list(has) != mine or len(mine) != 1:
                why.append(f"{slug} is with {list(has)}, and should be with {mine}")
            else:
                why += _unrest_of(has[mine[0]], secret)
        return why

    async def _shared(self):
        """Return the uids of what all of ada's spawns share, and of the storage."""
        found = {name: manifest["metadata"]["uid"] for name, manifest in (await self.site.objects(*SHARED)).items()}
        for kind, name in (("PersistentVolumeClaim", "home"), ("Namespace", self.site.namespace())):
            found[kind] = (await self.site.read(kind, name))["metadata"]["uid"]
        return found

    async def _check(self):
        assert not self.broken, self.broken
        assert not self.history.mistakes()
        now = {}
        for slug, secret in (await self._records()).items():
            for key, spawn in read_record(secret).spawns.items():
                now[slug, key.name] = (spawn.id, spawn.phase, spawn.pod_uid, spawn.reason)
                assert (spawn.request.env, spawn.desired) == ({}, Desired.RUNNING)
        for lab, was in self.before.items():
            assert lab in self.touched or lab[1] == "" or now.get(lab) == was, (lab, was, now.get(lab))
        assert not self.shared or await self._shared() == self.shared
        self.before, self.touched = now, set()

    async def _labelled(self):
        """Return all objects with a spawn's id, pods with their uid. An object that is being deleted has none."""
        return {
            (spawn_id, name.split("/")[0], _uid(manifest) if name.startswith("Pod/") else "")
            for user in USERS
            for name, manifest in (await self.site.objects("Pod", "Secret", user=user)).items()
            if (spawn_id := manifest["metadata"]["labels"].get(labels.SPAWN))
        }


def _uid(pod):
    return "" if is_ending(pod) else pod["metadata"]["uid"]


def _expected(records):
    """Return the objects that should have a spawn's id: a pod and a Secret of every lab that runs."""
    return {
        entry
        for secret in records.values()
        for key, spawn in read_record(secret).spawns.items()
        if key.kind == "lab" and spawn.phase is Phase.RUNNING
        for entry in ((spawn.id, "Pod", spawn.pod_uid), (spawn.id, "Secret", ""))
    }


def _unrest_of(account, secret):
    stored = read_record(secret)
    if account.record.version != stored.version or account.record.to_json() != stored.to_json():
        yield f"{account.slug}: in memory {account.record.to_json()}, stored {stored.to_json()}"
    for run in account.runs.values():
        ended = run.task is None or run.task.done()
        if not run.settled or not ended or (run.record.phase.over and not run.record.reverted):
            yield f"{account.slug} {run.record.key}: {run.record.phase}, {run.record.desired}, ended={ended}"


@pytest.fixture
def household_of():
    return Household
