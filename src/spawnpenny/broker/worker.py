"""The request worker of the leading broker: it carries out broker requests in turn, and answers each once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from spawnpenny.aio.backoff import pauses
from spawnpenny.aio.faults import Faults
from spawnpenny.aio.tasks import Tasks
from spawnpenny.broker.fair_queue import FairQueue
from spawnpenny.broker.requests import (
    BrokerRequest,
    Verb,
    age,
    error_patch,
    is_answered,
    is_request,
    is_taken,
    is_too_old,
    lifetime,
    read_request,
    result_patch,
    taken_patch,
)
from spawnpenny.domain.broker import Broker
from spawnpenny.domain.broker_errors import BrokerRequestExpiredError
from spawnpenny.domain.users import User
from spawnpenny.errors import InvalidRequestError, ProvisionError, SpawnpennyError
from spawnpenny.kubernetes.errors import ClusterError, NotFoundError, UnavailableError
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.settings.model import Settings

if TYPE_CHECKING:
    from spawnpenny.kubernetes.informer import Informer

TAKEN_AFTER: Final = 1.0
"""Seconds after which a request without an answer is marked as taken."""
_TOO_LATE: Final = "The broker reached this request too late, and did nothing. Try again."
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0


@dataclass(eq=False)
class _Job:
    """The work for one request, or for several equal ones. Invalid requests have a queue of their own.

    Attributes:
        request: The request, or the error for which it is refused.
        maps: The ConfigMaps to answer, by name.

    """

    request: BrokerRequest | SpawnpennyError
    maps: dict[str, Manifest] = field(default_factory=dict)

    @property
    def user(self) -> str:
        return self.request.username if isinstance(self.request, BrokerRequest) else ""

    @property
    def is_order(self) -> bool:
        return isinstance(self.request, BrokerRequest) and self.request.is_order

    @property
    def shared(self) -> tuple[Verb, User] | None:
        """The content by which equal requests share one job; None if the job is not shared."""
        request = self.request
        if isinstance(request, BrokerRequest) and request.dossier is not None:
            return request.verb, request.dossier
        return None


class RequestWorker:
    """Worker that answers the broker requests of an informer.

    Args:
        cluster: The cluster to which answers are written.
        settings: The limits: requests at once, and the lifetime of a request.
        requests: The informer of the requests.
        broker: The broker that carries them out.
        publish: Called before an order, as its content may have changed.
        faults: The record of requests that cannot be handled at all.
        outcomes: The counts of answers, as ``ok`` or by the code of the error.

    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        requests: Informer,
        broker: Broker,
        publish: Callable[[], Awaitable[None]],
        *,
        faults: Faults | None = None,
        outcomes: Counter[str] | None = None,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._requests = requests
        self._broker = broker
        self._publish = publish
        self._tasks = Tasks()
        self._faults = faults or Faults()
        self._outcomes: Counter[str] = Counter() if outcomes is None else outcomes
        # Orders take minutes, and must not hold up namespaces.
        limit = settings.broker.concurrency
        self._queues: dict[bool, FairQueue[_Job]] = {is_order: FairQueue(limit) for is_order in (False, True)}
        self._jobs: dict[str, _Job] = {}
        self._shared: dict[tuple[Verb, User], _Job] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._namespace_tasks: set[asyncio.Task[None]] = set()
        self._open = True
        self._log = structlog.get_logger("spawnpenny.broker")

    async def run(self) -> None:
        """Answer requests until cancelled. It may be run again after a failure."""
        with self._requests.subscribe() as changes:
            await self._requests.synced.wait()
            present = {manifest["metadata"]["name"] for manifest in self._requests.items()}
            for name in self._jobs.keys() - present:  # withdrawn while this did not run
                self._forget(name)
            for manifest in sorted(self._requests.items(), key=_created_at):
                self._handle_isolated(manifest)
                await asyncio.sleep(0)  # so that the Lease is renewed in between, however many there are
            async for event in changes:
                if event.type == "DELETED":
                    self._forget(event.object["metadata"]["name"])
                    self._faults.forget("request", event.object["metadata"]["name"])
                else:
                    self._handle_isolated(event.object)
                await asyncio.sleep(0)

    async def close(self, seconds: float) -> None:
        """Start nothing more, and wait some seconds for running work. Orders go on in the cluster."""
        self._open = False
        if seconds > 0 and self._namespace_tasks:
            await asyncio.wait(self._namespace_tasks, timeout=seconds)
        for timer in self._timers.values():
            timer.cancel()
        await self._tasks.close()

    def _handle_isolated(self, manifest: Manifest) -> None:
        """Handle one request; a fault in it does not affect the others."""
        with self._faults.isolated("request", manifest["metadata"]["name"]):
            self._handle(manifest)

    def _handle(self, manifest: Manifest) -> None:
        if not is_request(manifest):
            return
        name = manifest["metadata"]["name"]
        if is_answered(manifest):
            self._forget(name)
        elif name not in self._jobs:
            self._accept(name, manifest)
            self._start_next()

    def _accept(self, name: str, manifest: Manifest) -> None:
        try:
            if is_too_old(manifest, self._settings):  # before it is parsed, which costs more
                raise BrokerRequestExpiredError(_TOO_LATE)  # noqa: TRY301 - answered as any other refusal
            job = _Job(read_request(manifest))
        except (InvalidRequestError, BrokerRequestExpiredError) as error:
            job = _Job(error)
        shared = self._shared.get(job.shared) if job.shared is not None else None
        if shared is None:
            self._queues[job.is_order].join(job.user, job)
            if job.shared is not None:
                self._shared[job.shared] = job
        job = shared or job
        job.maps[name] = manifest
        self._jobs[name] = job
        if not is_taken(manifest):
            loop = asyncio.get_running_loop()
            self._timers[name] = loop.call_later(TAKEN_AFTER, self._set_taken, name, manifest)

    def _forget(self, name: str) -> None:
        """Forget a request that was answered or withdrawn; one that has not started is not carried out."""
        self._cancel_timer(name)
        job = self._jobs.pop(name, None)
        if job is None:
            return
        job.maps.pop(name, None)
        if not job.maps and self._queues[job.is_order].leave(job.user, job):
            self._end(job)

    def _cancel_timer(self, name: str) -> None:
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()

    def _set_taken(self, name: str, manifest: Manifest) -> None:
        self._cancel_timer(name)
        self._tasks.run(self._patch(manifest, taken_patch()))

    def _start_next(self) -> None:
        """Start the jobs that are next."""
        for is_order, queue in self._queues.items():
            while self._open and (job := queue.next()) is not None:
                task = self._tasks.start(self._carry_out(job))
                if not is_order:
                    self._namespace_tasks.add(task)
                    task.add_done_callback(self._namespace_tasks.discard)

    async def _carry_out(self, job: _Job) -> None:
        try:
            answer = await self._outcome(job)
            self._end(job)  # an equal request from now on is a new job
            maps = list(job.maps.items())
            for name, _ in maps:
                self._cancel_timer(name)
            async with asyncio.TaskGroup() as group:
                for _, manifest in maps:
                    _ = group.create_task(self._patch(manifest, answer))
        finally:
            self._queues[job.is_order].done(job.user)
            self._start_next()

    def _end(self, job: _Job) -> None:
        if job.shared is not None and self._shared.get(job.shared) is job:
            del self._shared[job.shared]

    async def _outcome(self, job: _Job) -> Manifest:
        """Carry out a request, and return the answer, whatever happens."""
        request = job.request
        try:
            if not isinstance(request, BrokerRequest):
                raise request  # noqa: TRY301 - answered as any other failure
            self._refuse_expired(request.verb, job)
            result = await self._do(request)
        except SpawnpennyError as error:
            self._outcomes[error.code] += 1
            self._log.warning("a broker request failed", user=job.user, code=error.code, error=error.message)
            return error_patch(error)
        except Exception:  # noqa: BLE001 - whatever one request causes, the others are answered
            self._outcomes["internal_error"] += 1
            self._log.exception("a broker request failed unexpectedly", user=job.user)
            message = "Something went wrong in the broker. An administrator finds the cause in its log."
            return error_patch(ProvisionError(message))
        self._outcomes["ok"] += 1
        self._log.info("a broker request was carried out", verb=request.verb, user=job.user)
        return result_patch(result)

    def _refuse_expired(self, verb: Verb, job: _Job) -> None:
        def is_expired(manifest: Manifest) -> bool:
            return age(manifest) > lifetime(verb, taken=is_taken(manifest), settings=self._settings)

        if all(is_expired(manifest) for manifest in job.maps.values()):
            raise BrokerRequestExpiredError(_TOO_LATE)

    async def _do(self, request: BrokerRequest) -> str | None:
        match request.verb:
            case "namespace":
                return await self._broker.claim_namespace(request.username)
            case "release":
                await self._broker.release_namespace(
                    request.username, request.uid or "", purge=request.purge is True, foreign=request.foreign is True
                )
            case "commission" | "retire" if request.dossier is not None:
                await self._publish()
                await self._broker.provision(request.dossier, request.verb)
            case _:
                raise InvalidRequestError("The broker request has no dossier.")
        return None

    async def _patch(self, manifest: Manifest, patch: Manifest) -> None:
        """Patch a request; try again as long as the cluster does not answer."""
        ref, waits = Ref.of(manifest), pauses(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            try:
                await self._cluster.patch(ref, patch)
            except NotFoundError:
                return  # the service has deleted it: nobody waits for it
            except UnavailableError as error:
                self._log.warning("a broker request cannot be answered yet", name=ref.name, error=error.message)
                await asyncio.sleep(next(waits))
            except ClusterError as error:
                self._log.error("a broker request cannot be answered", name=ref.name, error=error.message)
                return
            else:
                return


def _created_at(manifest: Manifest) -> str:
    created: str = manifest["metadata"].get("creationTimestamp") or ""
    return created
