"""Liveness of the replicas, by the times at which their Leases were seen to change, never by their clocks."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from spawnpenny.aio.faults import Faults
from spawnpenny.domain import labels
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.replicas.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Callable

    from spawnpenny.kubernetes.informer import Informer
    from spawnpenny.kubernetes.interface import Manifest

PERMISSIONS: Final[Declared] = {"state": (allow("list", "watch", on="leases"),)}

_LONG_DEAD: Final = 5
"""Durations of a Lease without a change after which it may be deleted."""


@dataclass(frozen=True, slots=True)
class _Sighting:
    identity: str
    address: str
    seconds: float
    seen_at: float


class Peers:
    """All replicas, this one among them.

    Another replica is dead when its Lease has not changed for its whole duration. That time is measured by the changes
    of this replica's own Lease, which arrive over the same stream: if the stream is silent, nobody counts as dead.
    ``changed`` is called when the set of living replicas changes; ``known`` is set once the first set is known.
    """

    def __init__(
        self, leases: Informer, replica: Replica, changed: Callable[[], None], *, faults: Faults | None = None
    ) -> None:
        self._leases = leases
        self._me = replica
        self._changed = changed
        self._faults = faults or Faults()
        self._sightings: dict[str, _Sighting] = {}
        self._now = 0.0
        self._log = structlog.get_logger("spawnpenny.replicas")
        self.known = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        with self._leases.subscribe() as changes:
            for lease in self._leases.items():
                with self._faults.isolated("lease", lease["metadata"]["name"]):
                    self._see(lease)
            living = self.living()
            if self.known.is_set():  # an earlier run failed and may have missed a change
                self._changed()
            self.known.set()
            async for change in changes:
                name = change.object["metadata"]["name"]
                if change.type == "DELETED":
                    self._sightings.pop(name, None)
                    self._faults.forget("lease", name)
                else:
                    with self._faults.isolated("lease", name):
                        self._see(change.object)
                before, living = living, self.living()
                if living != before:
                    self._notify(before, living)
                    self._changed()

    def alive(self, identity: str) -> bool:
        return identity == self._me.identity or any(
            sighting.identity == identity and self._now - sighting.seen_at < sighting.seconds
            for sighting in self._sightings.values()
        )

    def living(self) -> frozenset[str]:
        """Return the identities of all living replicas."""
        return frozenset(
            sighting.identity for sighting in self._sightings.values() if self.alive(sighting.identity)
        ) | {self._me.identity}

    def long_dead(self) -> list[Manifest]:
        """Return the Leases that have not changed for several times their duration."""
        return [
            lease
            for lease in self._leases.items()
            if (seen := self._sightings.get(lease["metadata"]["name"])) is not None
            and seen.identity != self._me.identity
            and self._now - seen.seen_at > _LONG_DEAD * seen.seconds
        ]

    def address(self, identity: str) -> str | None:
        """Return the address of a replica, or None if it is not known."""
        return next((sighting.address for sighting in self._sightings.values() if sighting.identity == identity), None)

    def steward(self, slug: str) -> str:
        """Return the replica to which a user falls when its owner is dead.

        Replicas that see the same peers choose the same one. All have equal shares, and a replica that comes or goes
        moves no users between others (rendezvous hashing).
        """
        return max(self.living(), key=lambda identity: _rank(identity, slug))

    def stand_in(self, slug: str) -> str | None:
        """Return the replica to which a user falls when this one is dead; None if no other is alive."""
        others = self.living() - {self._me.identity}
        return max(others, key=lambda identity: _rank(identity, slug), default=None)

    def _notify(self, before: frozenset[str], living: frozenset[str]) -> None:
        for identity in sorted(living - before):
            self._log.info("another replica has started", other=identity)
        present = {sighting.identity for sighting in self._sightings.values()}
        for identity in sorted(before - living):
            if identity in present:
                self._log.warning(
                    "another replica is taken for dead; other replicas take over its users", other=identity
                )
            else:
                self._log.info("another replica has ended", other=identity)

    def _see(self, lease: Manifest) -> None:
        now, spec, metadata = asyncio.get_running_loop().time(), lease["spec"], lease["metadata"]
        identity = spec.get("holderIdentity") or ""
        address = metadata.get("annotations", {}).get(labels.ADDRESS, "")
        seconds = float(spec.get("leaseDurationSeconds") or 0)
        self._sightings[metadata["name"]] = _Sighting(identity, address, seconds, now)
        if identity == self._me.identity:
            self._now = now


def _rank(identity: str, slug: str) -> bytes:
    return hashlib.sha256(f"{identity}/{slug}".encode()).digest()
