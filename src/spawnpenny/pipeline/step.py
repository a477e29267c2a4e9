"""A step: one named part of a spawn, with its declarations."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from spawnpenny.domain.resources import Resources
from spawnpenny.kubernetes.permissions import Permission

if TYPE_CHECKING:
    from spawnpenny.domain.names import Names
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.pipeline.spawn import PlannedSpawn, Spawn

Scope = Literal["user", "spawn"]
SPAWN_STEPS: Final = "*"
"""In ``needs``, ``after`` and ``before``: all steps of the scope ``spawn``."""


class Step(ABC):
    """One named part of a spawn. Write a subclass, and return its instances from the hook ``spawnpenny_steps``.

    Attributes:
        name: Unique among all plugins. ``lab.secret`` belongs to the family ``lab``.
        kinds: The names of the kinds that have this step. None for all kinds but ``user``.
        commissions: Whether the kind ``user`` has this step, too, if ``kinds`` is None.
        scope: ``user`` for objects that all spawns of a user share. Such a step is applied by one spawn at a time,
            skipped while its ``fingerprint`` is the same, and never reverted. ``spawn`` for objects of one spawn. Such
            a step needs a ``revert``.
        needs: Steps or families that must come before. If one is absent, the service does not start.
        after: Steps or families that come before this one, if they are present.
        before: Steps or families that come after this one, if they are present. ``*`` stands for all steps of the
            scope ``spawn``, whatever their kind.
        container: The container of its pods that decides about the spawn. The spawn is ready while that container is,
            and it ends with it, whatever the other containers do. None for the first container of a pod.
        permissions: The calls to the cluster that it needs. Any other call is refused before it is made. An instance
            may have other permissions than its class, as its settings require.
        deadline: Seconds that ``apply`` may take, within the deadline of the spawn. None for the setting
            ``deadlines.step``, ``math.inf`` for a step that waits as long as the spawn does.

    """

    name: ClassVar[str]
    kinds: ClassVar[frozenset[str] | None] = None
    commissions: ClassVar[bool] = False
    scope: ClassVar[Scope]
    needs: ClassVar[frozenset[str]] = frozenset()
    after: ClassVar[frozenset[str]] = frozenset()
    before: ClassVar[frozenset[str]] = frozenset()
    container: ClassVar[str | None] = None
    permissions: tuple[Permission, ...] = ()
    deadline: ClassVar[float | None] = None

    def check(self, spawn: PlannedSpawn) -> None:  # noqa: B027 - most steps have nothing to refuse
        """Refuse a request before it is accepted. Pure: no I/O, no waiting. The user's lock is held.

        Raises:
            UnknownOptionError, InvalidOptionError, QuotaExceededError: The reason for the refusal.

        """

    def resources(self, spawn: PlannedSpawn) -> Resources:
        """Return the part of the user's budget that this step will need. Pure. Called before ``check`` of any step."""
        return Resources()

    def container_limits(self) -> Mapping[str, Decimal]:
        """Return default limits for containers without limits, by resource. Pure.

        Some objects, such as a quota, make the cluster refuse pods with a container without limits. A step with such
        objects returns limits here. ``spawn.patched`` sets them on such a container, or its request if that is larger.
        """
        return {}

    def verify(self, spawn: PlannedSpawn, limits: Mapping[str, Decimal]) -> None:  # noqa: B027 - most steps fit beside all
        """Refuse settings that contradict those of other steps. Pure. Called when the service starts.

        Args:
            spawn: A sample spawn, of no real user, for making manifests.
            limits: The ``container_limits`` of all steps together.

        Raises:
            SettingsError: The key that is wrong, and a right value.

        """

    def manifests(self, spawn: PlannedSpawn) -> Sequence[Manifest]:
        """Return the manifests of the objects that this step creates. Pure."""
        return ()

    def services(self, names: Names) -> Sequence[str]:
        """Return the names of the Services through which clients reach the spawn by TLS.

        Pure. The Hub needs them before the spawn, to issue the certificate. If no step of a kind returns one, a request
        with ``tls`` is refused.
        """
        return ()

    def fingerprint(self, spawn: Spawn) -> Any:
        """Return JSON data that changes when the objects of a ``user`` step would change.

        The step is skipped while this is unchanged.
        """
        return self.manifests(spawn)

    def secrets(self, spawn: PlannedSpawn) -> Mapping[str, str]:
        """Return secrets for the spawn's record, by names that no other step uses. ``spawn.secrets`` has them later.

        Called once, when a request is accepted. The record keeps them until the spawn has ended.
        """
        return {}

    async def supervise(self, spawn: Spawn) -> None:  # noqa: B027 - most steps are done when they are applied
        """Look after the step's objects while the spawn runs, such as the number of workers in ``spawn.scale``.

        It starts when the spawn runs, and again when the service restarts or another replica takes over, so it works
        from the existing objects. ``spawn.changed`` waits for the next change. It is cancelled when the spawn stops.

        Raises:
            SpawnError: The spawn has to end, for this reason. After any other exception, which is logged, it restarts.

        """

    async def apply(self, spawn: Spawn) -> None:
        """Create the step's objects. It is called again after a crash, so it works from names and is idempotent.

        Raises:
            SpawnError: With a reason for the notebook user. Any other exception is logged; the user sees a failed step.

        """
        for manifest in self.manifests(spawn):
            await spawn.cluster.ensure(manifest)

    async def retire(self, spawn: Spawn) -> None:  # noqa: B027 - most steps make nothing that outlives the namespace
        """Delete for good what a ``user`` step keeps outside of the namespace, when the user is retired.

        Called in reverse order, when no spawn of the user is left. It may be called again, so it is
        idempotent. ``spawn.options`` has ``purge`` if storage has to go as well.

        Raises:
            SpawnError: The user stays, for this reason.

        """

    async def purge(self, spawn: Spawn) -> None:  # noqa: B027 - most steps keep no storage
        """Delete for good the storage of this lab alone, after the lab has stopped and its purge was requested.

        Called for every step of the pipeline, in reverse order, even if there was never such a lab. It may be called
        again, so it is idempotent. It has ``deadlines.stop`` seconds. Storage that the user's labs share stays.

        Raises:
            StorageKeptError: Storage stays, for this reason.

        """

    def url(self, spawn: PlannedSpawn, pod: Manifest) -> str | None:
        """Return the URL of this step's program in a Ready pod, or None for a pod of another step.

        Pure. Called for a running pod without a record, and for a pod whose address has changed.
        """
        return None

    async def dashboard_headers(self, spawn: Spawn) -> Mapping[str, str]:
        """Return the headers by which the spawn's dashboard knows its user, such as ``Authorization``.

        Called for a running spawn whose kind has an ``authenticated`` dashboard. Only the proxy gets them: it adds them
        to requests of the user for the dashboard, keeps them in memory, and shows them to nobody.
        """
        return {}

    async def revert(self, spawn: Spawn) -> None:
        """Delete the objects that ``apply`` created for this spawn: after a failure, at DELETE, and after a crash.

        It works from names alone, as ``apply`` may never have run in this process, and is idempotent. It uses
        ``spawn.cluster.discard``, which leaves other spawns' objects alone. Every ``spawn`` step needs one; a ``user``
        step may not have one.
        """
        raise NotImplementedError(self.name)
