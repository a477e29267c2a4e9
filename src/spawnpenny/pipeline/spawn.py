"""A spawn as its steps see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from spawnpenny.domain.events import Event, Severity
from spawnpenny.domain.names import Names
from spawnpenny.domain.resources import Resources
from spawnpenny.domain.spawns import Caller, Kind, Scale, Tls
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


def _uneventful(_: str | None) -> Sequence[Event]:
    return ()


def _unheld(why: SpawnpennyError | str | None, until: float | None) -> None:
    """Note nothing."""


def _no_overrides(spawn: Spawn) -> Sequence[tuple[str, Mapping[str, Any]]]:
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
    hold_back: Callable[[SpawnpennyError | str | None, float | None], None] = _unheld
    events: Callable[[str | None], Sequence[Event]] = _uneventful
    scrub: Callable[[str], str] = _unquoted


def _no_cluster(name: str) -> str:
    raise LookupError(f"no cluster is known here that says where the Service {name} is reached")


@dataclass(frozen=True)
class Spawn:
    """A spawn, as its steps see it.

    Attributes:
        id: The spawn's own mark: what a ``spawn`` step makes carries it as the label ``spawnpenny.io/spawn``.
        kind: ``lab``, ``dask`` or ``user``.
        name: The lab's or cluster's name, as the caller wrote it.
        user: Whom it is for.
        names: The Kubernetes names, derived from user, kind and name.
        options: What the caller chose: names and choices, never manifests. Check them in ``Step.check``.
        env: The caller's environment for the lab. Secret: it goes into one Secret, and nowhere else. Empty
            once the spawn runs.
        resources: What this spawn uses of the user's budget, of all its steps together.
        resources_in_use: What the user's other spawns use, but for those that are being taken away.
        stash: Data between steps.
        cluster: The cluster, as far as the step declared its use.
        secrets: What its steps keep of it, as ``Step.secrets`` named it. It goes into Secrets, and nowhere else.
        caller: The lab that asked for it, or None.
        tls: The key and certificates that a lab is to serve TLS with, or None. The key is secret: it goes into one
            Secret, and nowhere else. None once the spawn runs.

    """

    id: str
    kind: Kind
    name: str
    user: User
    names: Names
    options: Mapping[str, Any]
    env: Mapping[str, str] = field(repr=False)
    resources: Resources
    resources_in_use: Resources
    stash: Stash
    cluster: StepCluster
    _patch: Callable[[Spawn, Manifest], Manifest]
    _notify: Callable[[str, Severity, str | None], None]
    _publish_url: Callable[[str, str], None]
    tls: Tls | None = field(default=None, repr=False)
    _service_host: Callable[[str], str] = field(default=_no_cluster, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    caller: Caller | None = None
    _callbacks: SpawnCallbacks = field(default_factory=SpawnCallbacks, repr=False)
    _overrides: Callable[[Spawn], Sequence[tuple[str, Mapping[str, Any]]]] = field(default=_no_overrides, repr=False)

    @property
    def scale(self) -> Scale:
        """The number of workers that it is to have, now."""
        return self._callbacks.scale()

    def resize(self, count: int) -> int:
        """Resize an adaptive cluster to this many workers, or as many as there is room for; return how many."""
        return self._callbacks.resize(count)

    async def changed(self, seconds: float) -> None:
        """Return when one of its pods, or its scale, has changed since the last call, or after so many seconds."""
        await self._callbacks.changed(seconds)

    def lab_runs(self) -> bool:
        """Return whether the lab that requested it still runs; False if no lab did."""
        return self._callbacks.lab_runs()

    def blocked(self) -> str | None:
        """Say which of its user's spawns have to end before all that this one asks for fits; None where it fits."""
        return self._callbacks.blocked()

    async def note_idle(self, seconds: float | None) -> None:
        """Note for how many seconds it has had nothing to do, for lists of spawns; None while it has work."""
        await self._callbacks.note_idle(seconds)

    def hold_back(self, why: SpawnpennyError | str | None, *, until: float | None = None) -> None:
        """Note why more of its pods are not made now, and when that is tried again; None: nothing is held back.

        ``until`` is in seconds since the epoch.
        """
        self._callbacks.hold_back(why, until)

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields for templates of this spawn: ``expand("claim-{username}", spawn.fields)``."""
        return template_fields(self.user.username, self.name, self.names)

    def patched(self, pod: Manifest) -> Manifest:
        """Return the pod with what all plugins add to it, checked against the hardening rules and the image policy.

        Raises:
            PatchConflictError: Two plugins set one key to different values.
            HardeningError: The pod asks for what the settings do not open.

        """
        return self._patch(self, pod)

    def overrides(self) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Return what plugins set of a Dask cluster for its user, each with the plugin's name."""
        return self._overrides(self)

    def notify(self, message: str, severity: Severity = Severity.NORMAL, *, code: str | None = None) -> None:
        """Send the user an event: what is happening or being waited for. Never put a secret in it.

        ``code`` is that of an error, where the event is of one that the spawn outlives.
        """
        self._notify(message, severity, code)

    def scrub(self, text: str) -> str:
        """Return a text without the secrets of this spawn, such as what a program of its pods wrote."""
        return self._callbacks.scrub(text)

    def events(self, after: str | None = None) -> Sequence[Event]:
        """Return its events after the one of an id, as its user reads them; all where there is none of that id."""
        return self._callbacks.events(after)

    def publish_url(self, *, url: str, pod: str) -> None:
        """Say where what this spawn made is reached, and the uid of the pod whose end is the end of the spawn."""
        self._publish_url(url, pod)

    def service_host(self, name: str) -> str:
        """Return the host of a URL that leads to a Service of this name in the user namespace; pure."""
        return self._service_host(name)
