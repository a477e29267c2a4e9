"""Ownership of users: by the replica that wrote the record last or, if that is dead, by the user's steward."""

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
    """Decides which replica owns a user, by the records and replicas that are watched.

    A user of a dead replica is the steward's without a write: what the steward changes, it writes by compare-and-set
    and owns from then on. So two that see different replicas alive for a moment cannot both go on.
    """

    me: Replica
    peers: Peers
    records: Informer
    namespace: str

    def is_mine(self, record: Manifest) -> bool:
        """Return whether this replica is to look after the user of a record, as its Secret is stored."""
        return self._owner(record) == self.me.identity

    def is_new_to_me(self, slug: str) -> bool:
        """Return whether this replica is to look after a user of whom there is no record."""
        return self.records.get(self.namespace, record_name(slug)) is None and self._is_steward(slug)

    def demand_unknown(self, slug: str) -> None:
        """Refuse a user who has a record; one without may begin anywhere. For users who have no account here.

        Raises:
            ElsewhereError: Where the user is looked after. With no address: here, as soon as the record is taken up.

        """
        record = self.records.get(self.namespace, record_name(slug))
        if record is not None:
            owner = self._owner(record)
            raise ElsewhereError(None if owner == self.me.identity else self.peers.address(owner))

    async def ask(self, slug: str, cluster: Cluster) -> None:
        """Ask the cluster itself for the record of a user of whom nothing was heard: another replica may have begun.

        Raises:
            ElsewhereError: There is one, and where the user is looked after.
            ClusterError: The cluster does not answer.

        """
        if len(self.peers.living()) == 1:
            return
        record = await cluster.read(Ref(resource_of("Secret"), record_name(slug), self.namespace))
        if record is not None:
            owner = self._owner(record)
            raise ElsewhereError(None if owner == self.me.identity else self.peers.address(owner))

    def stand_in(self, slug: str) -> str | None:
        """Return where to ask about a user while this replica may not write; None where no other replica lives."""
        record = self.records.get(self.namespace, record_name(slug))
        owner = self._owner(record) if record is not None else self.me.identity
        if owner == self.me.identity:
            owner = self.peers.stand_in(slug) or ""
        return self.peers.address(owner)

    async def heard_of(self, slug: str) -> None:
        """Return once another replica's record of a user is known here; the caller sets a time limit."""
        await self.records.wait_for(
            self.namespace, record_name(slug), lambda record: record is not None and not self.is_mine(record)
        )

    def latest(self, record: Manifest) -> Manifest:
        """Return the newest version of a record that is known here, or this one."""
        return self.records.get(self.namespace, record["metadata"]["name"]) or record

    async def forgotten(self, slug: str, version: str | None) -> None:
        """Return once a version of a record is not the last one known here; the caller sets a time limit."""
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
