"""Programs of requests, deaths and faults that hypothesis draws; whenever all is at rest, what must hold is checked."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spawnpenny.domain import labels
from spawnpenny.domain.users import User
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.kubernetes.client import KubernetesCluster
from spawnpenny.kubernetes.errors import NotFoundError, UnavailableError
from spawnpenny.testing.hollow_node import HollowNode
from spawnpenny.testing.site import HUB, lab, make_site, start
from tests.kit.fast_clock import FastClockLoop

ALL = os.environ.get("SPAWNPENNY_TEST_ALL") == "1"
FAKE_LAB = (
    "{python}",
    *("-I", "-S", "-c"),
    (
        "import _socket, posix; s = _socket.socket(); s.setsockopt(1, 2, 1); s.bind(('{pod_ip}', 8888)); s.listen()\n"
        "while True:\n"
        " f = s._accept()[0]\n"
        " try:\n"
        "  if posix.read(f, 9999)[:4] == b'STOP': posix._exit(0)\n"
        "  posix.write(f, b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n')\n"
        " except OSError: pass\n"  # who asked did not wait
        " posix.close(f)"
    ),
)
"""A command line that answers as a lab does, and ends well when it is told to STOP."""


def pick(replicas, number):
    return replicas[number % len(replicas)] if replicas else None


@dataclass(frozen=True)
class Ask:
    """A request to one of the replicas: its turn comes as it will."""

    replica: int
    user: str
    name: str

    async def do(self, household):
        replica = pick(household.replicas, self.replica)
        if replica is not None:
            household.ask(replica, self.user, self.name, self.work(household))


@dataclass(frozen=True)
class Put(Ask):
    again: bool
    replace: bool

    def work(self, household):
        last = household.starts.get((self.user, self.name), 0)
        number = household.starts[self.user, self.name] = last if self.again and last else last + 1
        return lambda service: start(
            service, f"s{number}", user=self.user, name=self.name, replace=self.replace, env={"SECRET": "xyzzy"}
        )


@dataclass(frozen=True)
class Delete(Ask):
    only: bool

    def work(self, household):
        start_id = f"s{household.starts.get((self.user, self.name), 0)}" if self.only else None
        return lambda service: service.spawns.stop(self.user, lab(self.name), start=start_id)


@dataclass(frozen=True)
class Commission(Ask):
    uid: int

    def work(self, household):
        return lambda service: service.spawns.commission(User(self.user, self.uid, self.uid), identity=HUB)


@dataclass(frozen=True)
class Retire(Ask):
    def work(self, household):
        return lambda service: service.spawns.retire(self.user)


@dataclass(frozen=True)
class Wait:
    passes: int

    async def do(self, household):
        for _ in range(self.passes):
            await asyncio.sleep(0)


@dataclass(frozen=True)
class Settle:
    async def do(self, household):
        await household.settle()


@dataclass(frozen=True)
class Add:
    async def do(self, household):
        if len(household.replicas) < 3:
            await household.add()


@dataclass(frozen=True)
class Kill:
    replica: int
    again: bool

    async def do(self, household):
        replica = pick(household.replicas, self.replica)
        if replica is not None:
            household.kill(replica)
            if self.again:
                await household.add(replica.name)


@dataclass(frozen=True)
class Restart:
    replica: int

    async def do(self, household):
        replica = pick(household.replicas, self.replica)
        if replica is not None:
            await household.end(replica)
            await household.add(replica.name)


@dataclass(frozen=True)
class Mute:
    """The replica cannot renew its Lease, until all is at rest."""

    replica: int

    async def do(self, household):
        replica = pick(household.replicas, self.replica)
        if replica is not None:
            replica.cluster.mute = True


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th next call of a replica."""

    replica: int
    at: int
    how: str
    when: str

    async def do(self, household):
        replica = pick(household.replicas, self.replica)
        if replica is None:
            return

        async def fail(call):
            raise UnavailableError("The cluster does not answer.")

        async def kill(call):
            household.kill(replica)
            await replica.cluster.silence()

        async def hold(call):
            if replica in household.replicas:
                held = asyncio.Event()
                household.held.append(held)
                await held.wait()

        replica.cluster.arm(self.at, **{self.when: {"fail": fail, "die": kill, "hold": hold}[self.how]})


@dataclass(frozen=True)
class EndPod:
    """A pod of a lab is deleted from outside, or ends by itself."""

    user: str
    name: str
    by_itself: bool

    async def do(self, household):
        household.touched.add((self.user, self.name))
        pods = {
            name: pod
            for name, pod in (await household.site.objects("Pod", user=self.user)).items()
            if name.startswith(f"Pod/lab-{self.name}")
        }
        for name, pod in pods.items():
            household.history.deleted_by_others[pod["metadata"]["labels"][labels.SPAWN]] += 1
            if self.by_itself and household.pods_listen:
                await household.stop_pod(pod)
            else:
                try:
                    ref = household.site.ref("Pod", name.removeprefix("Pod/"), pod["metadata"]["namespace"])
                    await household.site.cluster.delete(ref)
                except NotFoundError:
                    pass


@dataclass(frozen=True)
class KeepHouse:
    replica: int

    async def do(self, household):
        replica = pick(household.replicas, self.replica)
        if replica is not None:
            household.have_done(replica, replica.service.maintenance.run_once())


def programs():
    replica, name = st.integers(0, 2), st.sampled_from(["a", "b"])
    user, flag = st.sampled_from(["ada", "ada", "ada", "bob"]), st.booleans()
    fault = st.builds(
        Fault,
        replica,
        st.integers(0, 12),
        st.sampled_from(["fail", "die", "hold"]),
        st.sampled_from(["before", "after"]),
    )
    often = [
        st.builds(Put, replica, user, name, flag, flag),
        st.builds(Wait, st.integers(0, 60)),
        fault,
    ]
    seldom = [
        st.builds(Delete, replica, user, name, flag),
        st.builds(Commission, replica, user, st.just(""), st.sampled_from([2001, 2002])),
        st.builds(Retire, replica, user, st.just("")),
        st.builds(Kill, replica, flag),
        st.builds(Restart, replica),
        st.builds(Mute, replica),
        st.builds(EndPod, user, name, flag),
        st.builds(KeepHouse, replica),
        st.just(Settle()),
        st.just(Add()),
    ]
    action = st.sampled_from([*often * 4, *seldom]).flatmap(lambda strategy: strategy)
    return st.lists(action, min_size=10, max_size=30)


async def run_program(household_of, cluster, program, *, pods_listen):
    site = await make_site(cluster)
    site.data["replicas"] = {"lease": 3}
    site.data["housekeeping"] = {"idle": 0.001}
    household = household_of(site, pods_listen)
    try:
        await household.begin()
        for action in program:
            await action.do(household)
        await household.settle()
    finally:
        await household.close()


def run_quickly(work, *, speed):
    """Run it on a quick clock; what is logged as an error of ours is a failure."""
    errors = []

    def take(logger, method, event):
        if event["event"] in {
            "a task failed",
            "a maintenance task failed",
            "a step failed",
            "a spawn failed unexpectedly",
        }:
            errors.append(event)
        raise structlog.DropEvent

    structlog.configure(processors=[take], wrapper_class=structlog.make_filtering_bound_logger("error"))
    with asyncio.Runner(loop_factory=lambda: FastClockLoop(speed)) as runner:
        runner.run(work())
    assert not errors, errors


def sampled(examples, many):
    """Draw the same few programs in every run, or many others."""
    count = many if ALL else examples
    checks = list(HealthCheck)
    return settings(max_examples=count, deadline=None, derandomize=not ALL, database=None, suppress_health_check=checks)


@pytest.mark.timeout(3600)
@sampled(60, 2000)
@given(program=programs())
def test_whatever_happens_all_comes_to_rest_as_it_should(household_of, program):
    async def work():
        with tempfile.TemporaryDirectory() as folder:
            async with EmbeddedCluster(Path(folder), {"spawnpenny/lab": FAKE_LAB}) as cluster:
                await run_program(household_of, cluster, program, pods_listen=True)

    run_quickly(work, speed=16)


@pytest.mark.timeout(3600)
@sampled(8, 200)
@given(program=programs())
def test_so_it_does_on_the_real_api_server(apiserver, household_of, program):
    async def work():
        async with (
            HollowNode(apiserver.url, apiserver.ssl_context()),
            await KubernetesCluster.connect(str(apiserver.kubeconfig)) as cluster,
        ):
            await run_program(household_of, cluster, program, pods_listen=False)

    run_quickly(work, speed=4)
