"""The service's side of a separate broker: it sends requests, and waits for their results."""

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
        # An older broker takes no claim with a key that it does not know: it is only there where it says something.
        await self._ask(BrokerRequest("release", username, nonce, uid=uid, purge=purge, foreign=foreign or None))

    async def provision(self, user: User, order: Order) -> None:
        if self.order_hash(order):  # there is something to run
            await self._ask(BrokerRequest(order, user.username, secrets.token_hex(8), dossier=user))

    def namespace_hash(self) -> str:
        return self._read_status().namespace

    def order_hash(self, order: Order) -> str:
        return self._read_status().order(order)

    async def keep_status(self) -> None:
        """Make the board, which the broker may not, whenever it is not there."""
        space = self._settings.namespaces.state
        while True:
            await self._maps.wait_for(space, status_ref(space).name, lambda existing: existing is None)
            try:
                await self._cluster.create(empty_status(space, self._settings.installation))
            except AlreadyExistsError:
                await asyncio.sleep(_PAUSE)  # it is not heard of yet
            except ClusterError as error:
                self._log.warning("the broker's board cannot be made yet", error=error.message)
                await asyncio.sleep(_PAUSE)
            else:
                await self._until_heard_of(space)

    async def sweep(self) -> None:
        """Delete claims for which nobody waits any more, as after a restart: by their age, out of what is watched."""
        limit = lifetime("commission", taken=True, settings=self._settings) + self._settings.broker.expiry
        while True:
            await asyncio.sleep(self._settings.broker.expiry)
            for each in self._maps.items():
                with self._faults.isolated("request", each["metadata"]["name"]):
                    if is_request(each) and age(each) > limit:
                        await self._delete(Ref.of(each))

    async def wait_until_known(self) -> None:
        """Return once the board says something, or the broker's patience is over."""
        space = self._settings.namespaces.state
        try:
            async with asyncio.timeout(self._settings.broker.timeout):
                await self._maps.wait_for(
                    space, status_ref(space).name, lambda existing: BrokerStatus.read(existing) is not None
                )
        except TimeoutError:
            self._log.warning("the broker has not been heard of yet: no new namespaces can be made")

    async def close(self) -> None:
        await self._tasks.close()

    async def _until_heard_of(self, space: str) -> None:
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
                "The broker, which makes namespaces for users, has not been heard of yet. Try again in a while."
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
            self._tasks.run(self._tidy(ref, request))  # it is carried out, though nobody hears the answer
            raise
        except BrokerUnavailableError:
            await self._delete(ref)  # so that it is not carried out later
            raise
        except ClusterError:
            self._tasks.run(self._delete(ref))  # it may have arrived
            raise
        self._tasks.run(self._delete(ref))
        return result_of(answered)

    async def _create(self, manifest: Manifest) -> None:
        try:
            await self._cluster.create(manifest)
        except AlreadyExistsError:
            return  # the name is random: an earlier try arrived, and its answer did not

    async def _answered(self, ref: Ref, request: BrokerRequest) -> Manifest:
        """Return the request with its answer.

        Raises:
            BrokerUnavailableError: Nobody took it up in time, or who did was not heard of again.

        """
        settings = self._settings
        heard = await self._until(ref, settings.broker.timeout, taken=True)
        if heard is not None and not is_answered(heard):
            limit = lifetime(request.verb, taken=True, settings=settings) + settings.broker.timeout
            heard = await self._until(ref, limit, taken=False)
        if heard is None or not is_answered(heard):
            raise BrokerUnavailableError(
                "The broker, which makes namespaces for users and prepares their homes, does not answer. "
                "Try again in a while."
            )
        return heard

    async def _until(self, ref: Ref, seconds: float, *, taken: bool) -> Manifest | None:
        """Return the request once it is answered (or ``taken``); None when it is gone, or as it is after so long."""
        seen = False

        def is_told(manifest: Manifest | None) -> bool:
            nonlocal seen
            if manifest is None:
                return seen  # somebody deleted it
            seen = True
            return is_answered(manifest) or (taken and is_taken(manifest))

        try:
            async with asyncio.timeout(seconds):
                return await self._maps.wait_for(ref.namespace, ref.name, is_told)
        except TimeoutError:
            existing = await self._cluster.read(ref)  # the watch may be behind
            return (
                existing if existing is not None and (is_answered(existing) or (taken and is_taken(existing))) else None
            )

    async def _tidy(self, ref: Ref, request: BrokerRequest) -> None:
        try:
            await self._answered(ref, request)
        except SpawnpennyError as error:
            self._log.info("a claim that nobody waits for was not answered", claim=ref.name, error=error.message)
        await self._delete(ref)

    async def _delete(self, ref: Ref) -> None:
        try:
            await self._cluster.delete(ref)
        except ClusterError as error:
            self._log.warning("a claim cannot be deleted", claim=ref.name, error=error.message)


@asynccontextmanager
async def run_broker_client(
    cluster: Cluster, settings: Settings, *, supervisor: Supervisor | None = None
) -> AsyncIterator[BrokerClient]:
    """Run the client of a separate broker, until the context ends.

    A broker that is down keeps nobody from starting: what is on the board from before is good.
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
