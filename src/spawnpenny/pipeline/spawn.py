"""A spawn as its steps see it: planned, and with a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from spawnpenny.domain.events import Event, Severity
from spawnpenny.domain.kinds import Kinds
from spawnpenny.domain.names import DEFAULT_LAB, Names
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.spawns import LAB, Caller, Scale, Tls
from spawnpenny.domain.templates import template_fields
from spawnpenny.domain.users import User

if TYPE_CHECKING:
    from spawnpenny.errors import SpawnpennyError
    from spawnpenny.kubernetes.interface import Manifest
    from spawnpenny.pipeline.step_cluster import StepCluster

T = TypeVar("T")


class StashKey(Generic[T]):
    """A typed key for data that one step leaves for another.

    Make one a module constant and import it where it is read.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"StashKey({self.name!r})"


class Stash:
    """Data between the steps of one spawn. It does not survive a restart: derive from ``spawn.names`` where you can."""

    def __init__(self) -> None:
        self._values: dict[StashKey[Any], Any] = {}

    def __setitem__(self, key: StashKey[T], value: T) -> None:
        self._values[key] = value

    def __getitem__(self, key: StashKey[T]) -> T:
        return cast("T", self._values[key])

    def __contains__(self, key: StashKey[Any]) -> bool:
        return key in self._values


def _no_scale() -> Scale:
    return Scale()


def _keep(count: int) -> int:
    return count


Profiles = Sequence[Mapping[str, Any]]
"""Profiles in the format of the setting ``profile_list``."""


async def _no_change(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _unquoted(text: str) -> str:
    """Quote nothing: which secrets may be in it is not known."""
    del text
    return ""


def _no_lab() -> bool:
    return False


def _nothing() -> None:
    return None


async def _unseen(seconds: float | None) -> None:
    """Note nothing."""


async def _unkept(values: Mapping[str, Any]) -> None:
    """Keep nothing."""


def _uneventful(_: str | None) -> Sequence[Event]:
    return ()


def _unheld(why: SpawnpennyError | str | None, until: float | None) -> None:
    """Note nothing."""


def _same_profiles(user: User, own: Profiles, check: Callable[[Profiles], object]) -> Profiles:
    del user, check
    return own


def _no_overrides(spawn: PlannedSpawn) -> Sequence[tuple[str, Mapping[str, Any]]]:
    del spawn
    return ()


@dataclass(frozen=True)
class SpawnCallbacks:
    """Callbacks of a running spawn into the service."""

    scale: Callable[[], Scale] = _no_scale
    resize: Callable[[int], int] = _keep
    changed: Callable[[float], Awaitable[None]] = _no_change
    lab_runs: Callable[[], bool] = _no_lab
    blocked: Callable[[], str | None] = _nothing
    note_idle: Callable[[float | None], Awaitable[None]] = _unseen
    keep: Callable[[Mapping[str, Any]], Awaitable[None]] = _unkept
    hold_back: Callable[[SpawnpennyError | str | None, float | None], None] = _unheld
    events: Callable[[str | None], Sequence[Event]] = _uneventful
    scrub: Callable[[str], str] = _unquoted


def _no_cluster(name: str) -> str:
    raise LookupError(f"no cluster is known here that says where the Service {name} is reached")


@dataclass(frozen=True)
class PlannedSpawn:
    """A spawn before anything is made for it, as the pure methods of its steps and the hooks see it.

    It has no cluster, and nobody is notified of anything: ``check`` may refuse it, ``manifests`` describes its objects.

    Attributes:
        id: The random id of the spawn. All objects of a ``spawn`` step have it as the label ``spawnpenny.io/spawn``.
        kind: The name of its kind, such as ``lab`` or ``user``.
        name: The name of the lab or the like, as the caller wrote it.
        user: The user who owns the spawn.
        names: The Kubernetes names, derived from user, kind and name.
        options: The caller's choices: names and values, never manifests. Check them in ``Step.check``.
        env: The caller's environment for the lab. It is secret: put it into one Secret, and nowhere else. Empty
            once the spawn runs.
        resources: The part of the user's budget that all steps of this spawn need together.
        resources_in_use: The part of the budget that the user's other spawns need, without those that are stopping.
        kinds: The kinds of all loaded plugins, by name: ``spawn.kinds[spawn.kind].title`` names it in sentences.
        secrets: The secrets that ``Step.secrets`` returned for it. Put them into Secrets, and nowhere else.
        state: What its steps kept with ``keep``, as it is now. It survives a restart of the service.
        caller: The lab that requested it, or None.
        tls: The key and certificates with which a lab serves TLS, or None. The key is secret: put it into one Secret,
            and nowhere else. None once the spawn runs.

    """

    id: str
    kind: str
    name: str
    user: User
    names: Names
    options: Mapping[str, Any]
    env: Mapping[str, str] = field(repr=False)
    resources: Resources
    resources_in_use: Resources
    kinds: Kinds
    _patch: Callable[[PlannedSpawn, Manifest], Manifest]
    _notify: Callable[[str, Severity, str | None], None]
    _publish_url: Callable[[str, str], None]
    tls: Tls | None = field(default=None, repr=False)
    _service_host: Callable[[str], str] = field(default=_no_cluster, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    caller: Caller | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    _callbacks: SpawnCallbacks = field(default_factory=SpawnCallbacks, repr=False)
    _overrides: Callable[[PlannedSpawn], Sequence[tuple[str, Mapping[str, Any]]]] = field(
        default=_no_overrides, repr=False
    )
    _profiles: Callable[[User, Profiles, Callable[[Profiles], object]], Profiles] = field(
        default=_same_profiles, repr=False
    )
    _stash: Stash = field(default_factory=Stash, repr=False, compare=False)

    @property
    def scale(self) -> Scale:
        """The desired number of workers of each group, now."""
        return self._callbacks.scale()

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields for templates of this spawn: ``expand("claim-{username}", spawn.fields)``."""
        return template_fields(self.user.username, self.name, self.names)

    def as_lab(self) -> Self:
        """Return it as the lab that it belongs to: itself, the lab that requested it, or else the default lab.

        So a spawn of another kind gets the names, the fields and the storage of that lab.
        """
        if self.kind == LAB:
            return self
        name = self.caller.lab if self.caller else DEFAULT_LAB
        prefix = self.names.namespace.removesuffix(self.names.user)
        return replace(self, kind=LAB, name=name, names=Names.of(self.user.username, LAB, name, prefix=prefix))

    def patched(self, pod: Manifest) -> Manifest:
        """Return the pod with the patches of all plugins, checked against the hardening rules and the image policy.

        Raises:
            PatchConflictError: Two plugins set one key to different values.
            HardeningError: The pod needs something that the settings do not allow.

        """
        return self._patch(self, pod)

    def overrides(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Return the overrides of this spawn for its user, as pairs of a plugin's name and its overrides.

        They come from the hook ``spawnpenny_overrides``, or ``spawnpenny_cluster_overrides`` for kinds with the options
        of clusters.
        """
        return self._overrides(self)

    def profiles(self, own: Profiles, check: Callable[[Profiles], object]) -> Profiles:
        """Return a plugin's own profiles for the user, as the hooks ``spawnpenny_profiles`` filter or replace them.

        ``check`` raises a ``ValueError`` for wrong profiles.
        """
        return self._profiles(self.user, own, check)

    def service_host(self, name: str) -> str:
        """Return the host of a URL that leads to a Service of this name in the user namespace."""
        return self._service_host(name)

    if not TYPE_CHECKING:  # type checkers refuse these attributes by themselves

        def __getattr__(self, name: str) -> Any:
            """Explain a use of the cluster in a method that has none."""
            if name in {"cluster", *vars(Spawn)} and not name.startswith("_"):
                raise AttributeError(
                    f"spawn.{name} is not available here: check, resources, secrets, manifests, verify, url and the "
                    "hooks get a planned spawn, which has no cluster and notifies nobody. Use it in apply, revert, "
                    "supervise, retire or purge."
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


@dataclass(frozen=True)
class Spawn(PlannedSpawn):
    """A spawn that was accepted, as the methods of its steps see it that create, look after and delete objects.

    Attributes:
        cluster: The cluster, with the calls that the step declared in its ``permissions``.

    """

    cluster: StepCluster = field(kw_only=True)

    @classmethod
    def of(cls, planned: PlannedSpawn, cluster: StepCluster) -> Spawn:
        """Return a planned spawn with a cluster."""
        return cls(**{part.name: getattr(planned, part.name) for part in fields(PlannedSpawn)}, cluster=cluster)

    @property
    def stash(self) -> Stash:
        """Data that its steps leave for each other."""
        return self._stash

    def notify(self, message: str, severity: Severity = Severity.NORMAL, *, code: str | None = None) -> None:
        """Send the user an event: what is happening or being waited for. Never put a secret in it.

        ``code`` is the code of an error that does not end the spawn.
        """
        self._notify(message, severity, code)

    def publish_url(self, *, url: str, pod: str) -> None:
        """Publish the URL of the spawn, and the uid of its main pod: when that pod ends, so does the spawn."""
        self._publish_url(url, pod)

    async def changed(self, seconds: float) -> None:
        """Wait until one of its pods or its scale has changed since the last call, for at most so many seconds."""
        await self._callbacks.changed(seconds)

    def resize(self, count: int) -> int:
        """Resize an adaptive cluster to this many workers, or to as many as fit into the budget; return how many."""
        return self._callbacks.resize(count)

    def lab_runs(self) -> bool:
        """Return whether the lab that requested it still runs; False if no lab did."""
        return self._callbacks.lab_runs()

    def blocked(self) -> str | None:
        """Return which of the user's spawns have to end before this one fits into the budget; None if it fits."""
        return self._callbacks.blocked()

    async def note_idle(self, seconds: float | None) -> None:
        """Note for how many seconds it has been without work, for lists of spawns; None while it has work."""
        await self._callbacks.note_idle(seconds)

    async def keep(self, **values: Any) -> None:
        """Keep values in the spawn's record, for ``state``: what a step has to know after a restart of the service.

        They are JSON data, at most 2 KiB together, and no secrets. They are written when this returns.

        Raises:
            ClusterError: They could not be written, and ``state`` is as before.
            ValueError: They are too large, or no JSON.

        """
        await self._callbacks.keep(values)

    def hold_back(self, why: SpawnpennyError | str | None, *, until: float | None = None) -> None:
        """Note why the step creates no more pods now, and when it tries again; None: it holds nothing back.

        ``until`` is in seconds since the epoch.
        """
        self._callbacks.hold_back(why, until)

    def scrub(self, text: str) -> str:
        """Return a text without the secrets of this spawn. Use it for the output of programs in its pods."""
        return self._callbacks.scrub(text)

    def events(self, after: str | None = None) -> Sequence[Event]:
        """Return its events after the one with this id, as its user reads them; all if no event has the id."""
        return self._callbacks.events(after)
