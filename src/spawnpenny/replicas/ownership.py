"""Ownership of users: by the replica that last wrote the record or, if that is dead, by the user's steward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from spawnpenny.domain import labels
from spawnpenny.kubernetes.interface import Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.replicas.errors import ElsewhereError
from spawnpenny.replicas.peers import Peers
from spawnpenny.replicas.replica import Replica

if TYPE_CHECKING:
    from spawnpenny.kubernetes.informer import Informer
    from spawnpenny.kubernetes.interface import Cluster, Manifest

PERMISSIONS: Final[Declared] = {"state": (allow("list", "watch", on="secrets"),)}


_PREFIX: Final = "user-"


def record_name(slug: str) -> str:
    """Return the name of the Secret that holds a user's record."""
    return f"{_PREFIX}{slug}"


def slug_of(record: Manifest) -> str:
    """Return the slug of the user whose record a Secret is."""
    name: str = record["metadata"]["name"]
    return name.removeprefix(_PREFIX)


@dataclass(frozen=True, slots=True)
class Ownership:
    """The owner of each user, by the watched records and replicas.

    The steward owns a user of a dead replica without a write. It writes its first change by compare-and-set, and is in
    the record from then on. So two replicas that see different peers alive for a moment cannot both go on.
    """

    me: Replica
    peers: Peers
    records: Informer
    namespace: str

    def is_mine(self, record: Manifest) -> bool:
        """Return whether this replica owns the user of a record, which is a Secret."""
        return self._owner(record) == self.me.identity

    def is_new_to_me(self, slug: str) -> bool:
        """Return whether this replica is the steward of a user without a record."""
        return self.records.get(self.namespace, record_name(slug)) is None and self._is_steward(slug)

    def demand_no_record(self, slug: str) -> None:
        """Refuse a user who has a record but no user state here. A user without a record may start at any replica.

        Raises:
            ElsewhereError: Another replica owns the user, with its address; or this one does once it has adopted the
                record, without an address.

        """
        record = self.records.get(self.namespace, record_name(slug))
        if record is not None:
            owner = self._owner(record)
            raise ElsewhereError(None if owner == self.me.identity else self.peers.address(owner))

    async def demand_no_stored_record(self, slug: str, cluster: Cluster) -> None:
        """Read a user's record from the cluster if the informer has none: another replica may have just written it.

        Raises:
            ElsewhereError: The record exists; with the address of the user's owner.
            ClusterError: The cluster does not answer.

        """
        if len(self.peers.living()) == 1:
            return
        record = await cluster.read(Ref(resource_of("Secret"), record_name(slug), self.namespace))
        if record is not None:
            owner = self._owner(record)
            raise ElsewhereError(None if owner == self.me.identity else self.peers.address(owner))

    def stand_in(self, slug: str) -> str | None:
        """Return the address of the replica to ask while this one may not write; None if there is none."""
        record = self.records.get(self.namespace, record_name(slug))
        owner = self._owner(record) if record is not None else self.me.identity
        if owner == self.me.identity:
            owner = self.peers.stand_in(slug) or ""
        return self.peers.address(owner)

    async def wait_for_other_owner(self, slug: str) -> None:
        """Return once the informer has another replica's record of a user; the caller sets a time limit."""
        await self.records.wait_for(
            self.namespace, record_name(slug), lambda record: record is not None and not self.is_mine(record)
        )

    def latest(self, record: Manifest) -> Manifest:
        """Return the version of a record in the informer, or the given one if that has none."""
        return self.records.get(self.namespace, record["metadata"]["name"]) or record

    async def wait_for_other_version(self, slug: str, version: str | None) -> None:
        """Return once the informer has another version of a record, or none; the caller sets a time limit."""
        await self.records.wait_for(
            self.namespace,
            record_name(slug),
            lambda record: record is None or record["metadata"]["resourceVersion"] != version,
        )

    def _owner(self, record: Manifest) -> str:
        owner = record["metadata"].get("annotations", {}).get(labels.OWNER, "")
        if self.peers.alive(owner):
            return str(owner)
        return self.peers.steward(slug_of(record))

    def _is_steward(self, slug: str) -> bool:
        return self.peers.steward(slug) == self.me.identity
