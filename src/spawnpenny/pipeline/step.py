"""A step: one named part of a spawn, and what it declares about itself."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from spawnpenny.domain.resources import Resources
from spawnpenny.kubernetes.permissions import Permission

if TYPE_CHECKING:
    from spawnpenny.domain.names import Names
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.pipeline.spawn import PlannedSpawn, Spawn

Scope = Literal["user", "spawn"]


class Step(ABC):
    """One named part of a spawn. Subclass it, and return objects of it from the hook ``spawnpenny_steps``.

    Attributes:
        name: Unique among all plugins; ``lab.secret`` belongs to the family ``lab``.
        kinds: The kinds of spawn that it is part of.
        scope: ``user`` for what all spawns of a user share: it is applied by one spawn at a time, skipped
            while nothing changed, and never reverted. ``spawn`` for what belongs to one spawn: it has a
            ``revert``.
        needs: Steps or families that must come before; where one is absent, the service does not start.
        after: Steps or families that come before this one where they are there.
        before: Steps or families that come after this one where they are there.
        container: The container of its pods that decides: while that one runs and is ready, so is the spawn, and when
            it ends, so does the spawn, whatever the containers beside it do. None for the first one of a pod.
        permissions: What it uses of the cluster; anything else is refused before a call is made. An object may have
            others than its class, as its settings want.
        deadline: Seconds that ``apply`` may take, within the spawn's own deadline; None for the setting
            ``deadlines.step``, ``math.inf`` for a step that waits as long as the spawn does.

    """

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str]]
    scope: ClassVar[Scope]
    needs: ClassVar[frozenset[str]] = frozenset()
    after: ClassVar[frozenset[str]] = frozenset()
    before: ClassVar[frozenset[str]] = frozenset()
    container: ClassVar[str | None] = None
    permissions: tuple[Permission, ...] = ()
    deadline: ClassVar[float | None] = None

    def check(self, spawn: PlannedSpawn) -> None:  # noqa: B027 - most steps have nothing to refuse
        """Refuse a request before it is accepted. Pure: no I/O, no waiting; called under the user's lock.

        Raises:
            UnknownOptionError, InvalidOptionError, QuotaExceededError: Why it is refused.

        """

    def resources(self, spawn: PlannedSpawn) -> Resources:
        """Return what this step will use of the user's budget. Pure, and called before ``check`` of any step."""
        return Resources()

    def container_limits(self) -> Mapping[str, Decimal]:
        """Return the limits of containers that name none, by resource. Pure.

        For a step whose objects have the cluster refuse pods with a container without limits, as a quota on them does:
        ``spawn.patched`` gives each container these, or its request if that is more.
        """
        return {}

    def verify(self, spawn: PlannedSpawn, limits: Mapping[str, Decimal]) -> None:  # noqa: B027 - most steps fit beside all
        """Refuse settings that do not go with those of the other steps. Pure; called when the service starts.

        Args:
            spawn: One of nobody's, to make manifests of.
            limits: What ``container_limits`` of all steps comes to.

        Raises:
            SettingsError: Which key is wrong, and what would be right.

        """

    def manifests(self, spawn: PlannedSpawn) -> Sequence[Manifest]:
        """Return the manifests of what this step makes. Pure."""
        return ()

    def services(self, names: Names) -> Sequence[str]:
        """Return the names of the Services through which what it runs is reached by TLS, where a request has ``tls``.

        Pure: the Hub asks for them before the spawn begins, to make the certificate. Where no step of a kind has one, a
        request with ``tls`` is refused.
        """
        return ()

    def fingerprint(self, spawn: Spawn) -> Any:
        """Return JSON data that changes when what a ``user`` step would make does.

        It is skipped while this is unchanged.
        """
        return self.manifests(spawn)

    def secrets(self, spawn: PlannedSpawn) -> Mapping[str, str]:
        """Return secrets to keep in the spawn's record, by names that no other step has: ``spawn.secrets`` has them.

        Asked once, when a request is accepted. They are kept until the spawn is over, and nowhere else.
        """
        return {}

    async def supervise(self, spawn: Spawn) -> None:  # noqa: B027 - most steps are done when they are applied
        """Hold what the step made as ``spawn.scale`` and the step's own rules want it, for as long as the spawn runs.

        It begins when the spawn runs, and anew when the service, or another replica, has taken it over: it works from
        the existing objects. It is cancelled when the spawn is to go; ``spawn.news`` says when to look again.

        Raises:
            SpawnError: The spawn is to end, for this reason. Any other exception is logged, and it begins anew.

        """

    async def apply(self, spawn: Spawn) -> None:
        """Make it so. May be called again after a crash of the service, so it works from names and is idempotent.

        Raises:
            SpawnError: With a reason for the notebook user. Any other exception is logged; the user sees a failed step.

        """
        for manifest in self.manifests(spawn):
            await spawn.cluster.ensure(manifest)

    async def retire(self, spawn: Spawn) -> None:  # noqa: B027 - most steps make nothing that outlives the namespace
        """Take away for good what a ``user`` step keeps for a user, when the user is retired.

        Called in reverse order, when the user has no lab and no Dask cluster. It may be called again, so it is
        idempotent. ``spawn.options`` has ``purge`` where storage is to go as well.

        Raises:
            SpawnError: The user stays, with this reason.

        """

    async def purge(self, spawn: Spawn) -> None:  # noqa: B027 - most steps keep no storage
        """Delete for good the storage that is this lab's alone, once the lab is gone and its purge was requested.

        Called for every step of the pipeline, in reverse order, also where such a lab never was. It may be called
        again, so it is idempotent; it has ``deadlines.stop`` seconds. What all of the user's labs share stays.

        Raises:
            StorageKeptError: Storage stays, for this reason.

        """

    def url(self, spawn: PlannedSpawn, pod: Manifest) -> str | None:
        """Return where what this step runs in a Ready pod is reached, or None where the pod is not this step's.

        Pure. It is called for a pod that is found running without a record, and for one whose address has changed.
        """
        return None

    async def revert(self, spawn: Spawn) -> None:
        """Take away what ``apply`` made for this spawn: after a failure, at DELETE, and after a crash.

        It works from names alone (``apply`` may never have run here), is idempotent, and uses
        ``spawn.cluster.discard``, which leaves alone what does not carry this spawn's mark. Every ``spawn``
        step has one; a ``user`` step has none.
        """
        raise NotImplementedError(self.name)
