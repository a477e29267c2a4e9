"""A recorder of the calls that one step makes, which can make one of them fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from spawnpenny.domain.broker import Broker
from spawnpenny.domain.broker_errors import BrokerUnavailableError
from spawnpenny.kubernetes.errors import UnavailableError
from spawnpenny.kubernetes.interface import Cluster, Listing, Manifest, Ref, WatchEvent
from spawnpenny.kubernetes.kinds import Resource
from spawnpenny.pipeline.step_cluster import StepCluster

if TYPE_CHECKING:
    from spawnpenny.domain.users import User

T = TypeVar("T")


class Fault(StrEnum):
    """A failure of a call: it is not carried out, its answer is lost, or its caller is cancelled."""

    REFUSED = "was refused"
    LOST = "was carried out, and its answer was lost"
    CANCELLED = "was carried out, and the step was cancelled"


@dataclass(frozen=True, slots=True)
class Call:
    """A call to the cluster or, without a resource, to the broker."""

    verb: str
    resource: Resource | None
    name: str = ""
    namespace: str | None = None

    def __str__(self) -> str:
        return f"{self.verb} {self.resource.kind if self.resource else 'the broker'} {self.name}".rstrip()


@dataclass
class Recorder:
    """The calls of one step: those since ``arm``, and every one; the verbs that it used, and the objects it created."""

    calls: list[Call] = field(default_factory=list)
    every_call: list[Call] = field(default_factory=list)
    created: set[Ref] = field(default_factory=set)
    used: set[tuple[str, Resource | None]] = field(default_factory=set)
    undeclared: set[tuple[str, Resource | None]] = field(default_factory=set)
    failed: Call | None = None
    task: asyncio.Task[Any] | None = None
    _at: int | None = None
    _fault: Fault = Fault.REFUSED

    def arm(self, at: int | None = None, fault: Fault = Fault.REFUSED) -> None:
        """Count calls from here. The call with this number fails, from 0; none fails without a number."""
        self.calls, self.failed, self._at, self._fault = [], None, at, fault

    async def pass_on(self, call: Call, work: Callable[[], Awaitable[T]], error: Exception) -> T:
        """Make a call, or raise the error if the call is the one to fail."""
        self.calls.append(call)
        self.every_call.append(call)
        if len(self.calls) - 1 != self._at:
            return await work()
        self.failed = call
        if self._fault is Fault.REFUSED:
            raise error
        answer = await work()
        if self._fault is Fault.LOST:
            raise error
        if self.task is not None:
            self.task.cancel()
            await asyncio.sleep(0)
        return answer


class RecordedCluster:
    """A cluster for one step, whose calls are recorded."""

    def __init__(self, cluster: Cluster, recorder: Recorder) -> None:
        self._cluster = cluster
        self._recorder = recorder

    async def create(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        ref = Ref.of(manifest, resource)
        return await self._pass("create", ref, lambda: self._create(manifest, resource, ref))

    async def replace(self, manifest: Manifest, resource: Resource | None = None) -> Manifest:
        ref = Ref.of(manifest, resource)
        return await self._pass("update", ref, lambda: self._cluster.replace(manifest, resource))

    async def patch(self, ref: Ref, patch: Manifest) -> Manifest:
        return await self._pass("patch", ref, lambda: self._cluster.patch(ref, patch))

    async def read(self, ref: Ref) -> Manifest | None:
        return await self._pass("get", ref, lambda: self._cluster.read(ref))

    async def list(
        self, resource: Resource, *, namespace: str | None = None, labels: Mapping[str, str] | None = None
    ) -> Listing:
        ref = Ref(resource, "", namespace)
        return await self._pass("list", ref, lambda: self._cluster.list(resource, namespace=namespace, labels=labels))

    async def metadata(self, resource: Resource, *, namespace: str) -> tuple[Manifest, ...]:
        ref = Ref(resource, "", namespace)
        return await self._pass("list", ref, lambda: self._cluster.metadata(resource, namespace=namespace))

    async def delete(
        self, ref: Ref, *, uid: str | None = None, version: str | None = None, grace: int | None = None
    ) -> bool:
        return await self._pass("delete", ref, lambda: self._cluster.delete(ref, uid=uid, version=version, grace=grace))

    def watch(
        self,
        resource: Resource,
        *,
        since: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WatchEvent]:
        return self._cluster.watch(resource, since=since, namespace=namespace, labels=labels)

    async def log(self, ref: Ref, *, container: str, tail: int) -> str:
        return await self._cluster.log(ref, container=container, tail=tail)

    def service_host(self, namespace: str, name: str) -> str:
        return self._cluster.service_host(namespace, name)

    async def close(self) -> None:
        """Leave the cluster open: it is not the step's."""

    async def _create(self, manifest: Manifest, resource: Resource | None, ref: Ref) -> Manifest:
        stored = await self._cluster.create(manifest, resource)
        self._recorder.created.add(ref)
        return stored

    async def _pass(self, verb: str, ref: Ref, work: Callable[[], Awaitable[T]]) -> T:
        call = Call(verb, ref.resource, ref.name, ref.namespace)
        error = UnavailableError("The cluster did not answer, even after the retries.")
        return await self._recorder.pass_on(call, work, error)


class RecordedBroker:
    """A broker for one step, whose requests are recorded."""

    def __init__(self, broker: Broker, recorder: Recorder) -> None:
        self._broker = broker
        self._recorder = recorder

    async def claim_namespace(self, username: str) -> str:
        return await self._pass("claim", lambda: self._broker.claim_namespace(username))

    async def release_namespace(self, username: str, uid: str, *, purge: bool = False, foreign: bool = False) -> None:
        work = self._broker.release_namespace
        await self._pass("release", lambda: work(username, uid, purge=purge, foreign=foreign))

    async def provision(self, user: User, order: Literal["commission", "retire"]) -> None:
        await self._pass("provision", lambda: self._broker.provision(user, order))

    def namespace_hash(self) -> str:
        return self._broker.namespace_hash()

    def order_hash(self, order: Literal["commission", "retire"]) -> str:
        return self._broker.order_hash(order)

    async def _pass(self, verb: str, work: Callable[[], Awaitable[T]]) -> T:
        error = BrokerUnavailableError("No broker answers at the moment.")
        return await self._recorder.pass_on(Call(verb, None), work, error)


class RecordedStepCluster(StepCluster):
    """The cluster of a step, which records the verbs that the step uses, with and without a declaration."""

    recorder: Recorder

    def _demand(self, verb: str, resource: Resource | None, name: str = "") -> None:
        declared = self._declares(verb, resource, name)
        (self.recorder.used if declared else self.recorder.undeclared).add((verb, resource))
        super()._demand(verb, resource, name)
