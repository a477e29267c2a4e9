"""The client of a separate broker: it sends broker requests and waits for their results."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from spawnpenny.aio.faults import Faults
from spawnpenny.aio.settle import uninterrupted
from spawnpenny.aio.supervisor import Supervisor
from spawnpenny.aio.tasks import Tasks
from spawnpenny.broker.requests import (
    BrokerRequest,
    age,
    is_answered,
    is_request,
    is_taken,
    lifetime,
    request_map,
    result_of,
)
from spawnpenny.broker.status import BrokerStatus, empty_status, status_ref
from spawnpenny.domain import labels
from spawnpenny.domain.broker_errors import BrokerUnavailableError
from spawnpenny.domain.users import User
from spawnpenny.errors import SpawnpennyError
from spawnpenny.kubernetes.errors import AlreadyExistsError, ClusterError
from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.settings.model import Settings

if TYPE_CHECKING:
    from spawnpenny.broker.orders import Order

PERMISSIONS: Final[Declared] = {"state": (allow("get", "list", "watch", "create", "delete", on="configmaps"),)}

_PAUSE: Final = 2.0


class BrokerClient:
    """Client of the broker process: it sends broker requests and raises the errors in their answers.

    ``run_broker_client`` opens one.

    Answers arrive by the informer that watches the ConfigMaps.
    """

    def __init__(self, cluster: Cluster, settings: Settings, maps: Informer, faults: Faults | None = None) -> None:
        self._cluster = cluster
        self._settings = settings
        self._maps = maps
        self._tasks = Tasks()
        self._faults = faults or Faults()
        self._status: BrokerStatus | None = None
        self._log = structlog.get_logger("spawnpenny.broker")

    async def claim_namespace(self, username: str) -> str:
        return await self._ask(BrokerRequest("namespace", username, secrets.token_hex(8))) or ""

    async def release_namespace(self, username: str, uid: str, *, purge: bool = False, foreign: bool = False) -> None:
        nonce = secrets.token_hex(8)
        # An older broker refuses a request with a key that it does not know: send it only where it is true.
        await self._ask(BrokerRequest("release", username, nonce, uid=uid, purge=purge, foreign=foreign or None))

    async def provision(self, user: User, order: Order) -> None:
        if self.order_hash(order):  # else the order has no containers
            await self._ask(BrokerRequest(order, user.username, secrets.token_hex(8), dossier=user))

    def namespace_hash(self) -> str:
        return self._read_status().namespace

    def order_hash(self, order: Order) -> str:
        return self._read_status().order(order)

    async def keep_status(self) -> None:
        """Create the ConfigMap of the status whenever it is missing: the broker may not create it."""
        space = self._settings.namespaces.state
        while True:
            await self._maps.wait_for(space, status_ref(space).name, lambda existing: existing is None)
            try:
                await self._cluster.create(empty_status(space, self._settings.installation))
            except AlreadyExistsError:
                await asyncio.sleep(_PAUSE)  # the informer has not seen it yet
            except ClusterError as error:
                self._log.warning("the broker's status cannot be created yet", error=error.message)
                await asyncio.sleep(_PAUSE)
            else:
                await self._wait_until_created(space)

    async def sweep(self) -> None:
        """Delete old requests for which nobody waits any more, as after a restart."""
        limit = lifetime("commission", taken=True, settings=self._settings) + self._settings.broker.expiry
        while True:
            await asyncio.sleep(self._settings.broker.expiry)
            for manifest in self._maps.items():
                with self._faults.isolated("request", manifest["metadata"]["name"]):
                    if is_request(manifest) and age(manifest) > limit:
                        await self._delete(Ref.of(manifest))

    async def wait_until_known(self) -> None:
        """Return once the broker has published its status, or after ``broker.timeout`` seconds."""
        space = self._settings.namespaces.state
        try:
            async with asyncio.timeout(self._settings.broker.timeout):
                await self._maps.wait_for(
                    space, status_ref(space).name, lambda existing: BrokerStatus.read(existing) is not None
                )
        except TimeoutError:
            self._log.warning("the broker has not published its status yet: no new namespaces can be made")

    async def close(self) -> None:
        await self._tasks.close()

    async def _wait_until_created(self, space: str) -> None:
        try:
            async with asyncio.timeout(_PAUSE):
                await self._maps.wait_for(space, status_ref(space).name, lambda existing: existing is not None)
        except TimeoutError:
            return

    def _read_status(self) -> BrokerStatus:
        space = self._settings.namespaces.state
        self._status = BrokerStatus.read(self._maps.get(space, status_ref(space).name)) or self._status
        if self._status is None:
            raise BrokerUnavailableError(
                "The broker, which makes namespaces for users, has not started yet. Try again in a while."
            )
        return self._status

    async def _ask(self, request: BrokerRequest) -> str | None:
        spaces = self._settings.namespaces
        manifest = request_map(request, namespace=spaces.state, installation=self._settings.installation)
        ref = Ref.of(manifest)
        try:
            await uninterrupted(self._create(manifest))
            answered = await self._answered(ref, request)
        except asyncio.CancelledError:
            self._tasks.run(self._clean_up(ref, request))  # the broker carries it out all the same
            raise
        except BrokerUnavailableError:
            await self._delete(ref)  # or the broker would carry it out later
            raise
        except ClusterError:
            self._tasks.run(self._delete(ref))  # the request may have arrived
            raise
        self._tasks.run(self._delete(ref))
        return result_of(answered)

    async def _create(self, manifest: Manifest) -> None:
        try:
            await self._cluster.create(manifest)
        except AlreadyExistsError:
            return  # the name is random: an earlier try arrived, its answer was lost

    async def _answered(self, ref: Ref, request: BrokerRequest) -> Manifest:
        """Return the request with its answer.

        Raises:
            BrokerUnavailableError: No broker took it in time, or the one that did never answered.

        """
        settings = self._settings
        latest = await self._until(ref, settings.broker.timeout, taken=True)
        if latest is not None and not is_answered(latest):
            limit = lifetime(request.verb, taken=True, settings=settings) + settings.broker.timeout
            latest = await self._until(ref, limit, taken=False)
        if latest is None or not is_answered(latest):
            raise BrokerUnavailableError(
                "The broker, which makes namespaces for users and prepares their homes, does not answer. "
                "Try again in a while."
            )
        return latest

    async def _until(self, ref: Ref, seconds: float, *, taken: bool) -> Manifest | None:
        """Return the request once it is answered (or ``taken``), or after a time limit; None if it was deleted."""
        seen = False

        def is_over(manifest: Manifest | None) -> bool:
            nonlocal seen
            if manifest is None:
                return seen  # None before the first sight means that the watch is behind
            seen = True
            return is_answered(manifest) or (taken and is_taken(manifest))

        try:
            async with asyncio.timeout(seconds):
                return await self._maps.wait_for(ref.namespace, ref.name, is_over)
        except TimeoutError:
            existing = await self._cluster.read(ref)  # the watch may be behind
            return (
                existing if existing is not None and (is_answered(existing) or (taken and is_taken(existing))) else None
            )

    async def _clean_up(self, ref: Ref, request: BrokerRequest) -> None:
        try:
            await self._answered(ref, request)
        except SpawnpennyError as error:
            self._log.info("an abandoned broker request was not answered", name=ref.name, error=error.message)
        await self._delete(ref)

    async def _delete(self, ref: Ref) -> None:
        try:
            await self._cluster.delete(ref)
        except ClusterError as error:
            self._log.warning("a broker request cannot be deleted", name=ref.name, error=error.message)


@asynccontextmanager
async def run_broker_client(
    cluster: Cluster, settings: Settings, *, supervisor: Supervisor | None = None
) -> AsyncIterator[BrokerClient]:
    """Run the client of a separate broker, until the context ends.

    A broker that is down does not hold up the start: the status that it published before still holds.
    """
    mine = labels.ours(settings.installation)
    maps = Informer(cluster, resource_of("ConfigMap"), labels=mine, namespace=settings.namespaces.state)
    part = (supervisor or Supervisor()).part()
    broker = BrokerClient(cluster, settings, maps, part.faults)
    part.supervise("broker requests informer", maps.run)
    part.supervise("broker status", broker.keep_status)
    part.supervise("broker request expiry", broker.sweep, essential=False)
    try:
        await broker.wait_until_known()
        yield broker
    finally:
        await broker.close()
        await part.close()
