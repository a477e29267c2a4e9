"""Liveness of the replicas, judged by when their Leases were seen to change, never by their clocks."""

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

_LONG: Final = 5


@dataclass(frozen=True, slots=True)
class _Sighting:
    identity: str
    address: str
    seconds: float
    seen_at: float


class Peers:
    """The replicas, this one among them.

    Another one is dead when its Lease has not changed for as long as it holds. That time is measured by the changes of
    this replica's own Lease, which come over the same stream: where that is silent, nobody is taken for dead.
    ``changed`` is called when another set of replicas is alive; ``known`` is set once those are known that there are.
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
            if self.known.is_set():  # an earlier run failed, and may have missed a change
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
        """Return the identities of all that are alive."""
        return frozenset(
            sighting.identity for sighting in self._sightings.values() if self.alive(sighting.identity)
        ) | {self._me.identity}

    def long_dead(self) -> list[Manifest]:
        """Return the Leases that have not changed for several times as long as they hold."""
        return [
            lease
            for lease in self._leases.items()
            if (seen := self._sightings.get(lease["metadata"]["name"])) is not None
            and seen.identity != self._me.identity
            and self._now - seen.seen_at > _LONG * seen.seconds
        ]

    def address(self, identity: str) -> str | None:
        """Return where a replica is reached, or None where it is not known."""
        return next((sighting.address for sighting in self._sightings.values() if sighting.identity == identity), None)

    def steward(self, slug: str) -> str:
        """Return who takes a user over whose replica is dead: the same one wherever the same replicas are known.

        Each has an equal share, and one that comes or goes moves no other's users (rendezvous hashing).
        """
        return max(self.living(), key=lambda identity: _rank(identity, slug))

    def stand_in(self, slug: str) -> str | None:
        """Return who takes a user over when this replica is dead; None where no other replica lives."""
        others = self.living() - {self._me.identity}
        return max(others, key=lambda identity: _rank(identity, slug), default=None)

    def _notify(self, before: frozenset[str], living: frozenset[str]) -> None:
        for identity in sorted(living - before):
            self._log.info("another replica is there", other=identity)
        silent = {sighting.identity for sighting in self._sightings.values()}
        for identity in sorted(before - living):
            if identity in silent:
                self._log.warning("another replica is taken for dead; its users are taken over", other=identity)
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
