"""User namespaces: their manifests, and how the broker makes, finds and releases them.

The broker's own settings limit all of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from spawnpenny.broker.contents import VOLUME_CLAIM, find_foreign
from spawnpenny.domain import labels
from spawnpenny.domain.broker_errors import BrokerRefusedError, NamespaceInUseError, VolumesKeptError
from spawnpenny.domain.hashes import content_hash
from spawnpenny.domain.names import safe_slug
from spawnpenny.errors import NameCollisionError, NotOursError, ProvisionError
from spawnpenny.kubernetes.altered_objects import demand_unaltered
from spawnpenny.kubernetes.deletion import until_gone
from spawnpenny.kubernetes.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    NotFoundError,
    ObjectAlteredError,
    TerminatingError,
)
from spawnpenny.kubernetes.interface import Cluster, Manifest, Ref
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.kubernetes.permissions import Declared, allow
from spawnpenny.settings.model import Settings
from spawnpenny.settings.sections import BrokerSettings

if TYPE_CHECKING:
    from spawnpenny.kubernetes.informer import Informer

PERMISSIONS: Final[Declared] = {
    "cluster": (
        allow("get", "list", "watch", "create", "delete", on="namespaces"),
        allow("create", on="rolebindings"),
        allow("bind", on="clusterroles"),
    ),
}

_NAMESPACE: Final = resource_of("Namespace")
_TRIES: Final = 5
_HOUR: Final = 3600.0
_LAG: Final = 30.0
"""Seconds for which a namespace that was just made counts, though the informer has not heard of it."""


class UserNamespaces:
    """Makes and deletes user namespaces; ``namespaces`` are those of ours that there are.

    What is there already is never changed: a namespace keeps its labels, a RoleBinding stays. ``apart`` says that the
    account that this works under is not let into user namespaces by the tenant role.
    """

    def __init__(self, cluster: Cluster, settings: Settings, namespaces: Informer, *, apart: bool = False) -> None:
        self._apart = apart
        self._cluster = cluster
        self._settings = settings
        self._namespaces = namespaces
        self._fresh: dict[str, float] = {}
        self._releases: deque[float] = deque()
        self._log = structlog.get_logger("spawnpenny.broker")

    async def claim(self, username: str) -> str:
        """Make a user's namespace with its RoleBinding, or find it there; return its uid."""
        name = self._name(username)
        until = asyncio.get_running_loop().time() + self._settings.broker.expiry
        for _ in range(_TRIES):
            try:
                namespace = await self._ensure_namespace(username, name)
                await self._ensure_binding(name)
            except (NotFoundError, TerminatingError):
                await self._until_gone(name, until)  # it is being deleted: wait for it to go, then make a new one
            else:
                uid: str = namespace["metadata"]["uid"]
                return uid
        raise ProvisionError(f"The namespace {name} is deleted again and again while it is being made.")

    async def release(self, username: str, uid: str, *, purge: bool, foreign: bool) -> None:
        """Delete a user's namespace if it has that uid, and nothing lives in it that has to stay.

        Those are volume claims, unless all may be purged, and with ``foreign`` false whatever is not ours.
        """
        ref = Ref(_NAMESPACE, self._name(username))
        existing = await self._cluster.read(ref)
        if existing is None:
            return
        self._refuse_foreign(existing, username)
        if existing["metadata"]["uid"] != uid:
            raise ConflictError(f"The namespace {ref.name} is another one by now.", kind="Namespace", name=ref.name)
        if "deletionTimestamp" in existing["metadata"]:
            return
        await self._refuse_what_stays(ref.name, purge=purge and self._settings.broker.purge, foreign=foreign)
        self._count_release()
        await self._cluster.delete(ref, uid=uid, version=existing["metadata"]["resourceVersion"])

    async def _refuse_what_stays(self, namespace: str, *, purge: bool, foreign: bool) -> None:
        """Look into a namespace that is to go; what is made there after this look goes with it."""
        if purge and foreign:
            return
        if self._apart:
            await self._ensure(release_binding(namespace, self._settings))
        if not purge and await self._cluster.metadata(VOLUME_CLAIM, namespace=namespace):
            raise VolumesKeptError(namespace)
        ours = labels.ours(self._settings.installation)
        if not foreign and (found := await find_foreign(self._cluster, namespace, ours, self._settings.broker)):
            raise NamespaceInUseError(namespace, found)

    async def refuse_collision(self, username: str) -> None:
        """Refuse a user whose namespace is another one's.

        Raises:
            NameCollisionError, NotOursError: It is.

        """
        existing = await self._cluster.read(Ref(_NAMESPACE, self._name(username)))
        if existing is not None:
            self._refuse_foreign(existing, username)

    def _refuse_foreign(self, namespace: Manifest, username: str) -> None:
        metadata = namespace["metadata"]
        carried = metadata.get("labels", {})
        if any(carried.get(key) != value for key, value in labels.ours(self._settings.installation).items()):
            raise NotOursError(f"The namespace {metadata['name']}")
        if metadata.get("annotations", {}).get(labels.USERNAME) != username:
            raise NameCollisionError(username, metadata["name"])

    def _name(self, username: str) -> str:
        return f"{self._settings.namespaces.prefix}{safe_slug(username)}"

    async def _ensure_namespace(self, username: str, name: str) -> Manifest:
        broker = self._settings.broker
        desired = user_namespace(username, name, installation=self._settings.installation, broker=broker)
        existing: Manifest | None = None
        if self._is_full(name):
            existing = await self._cluster.read(Ref.of(desired))
            if existing is None:
                raise BrokerRefusedError(
                    f"There are {broker.namespaces} user namespaces, as many as broker.namespaces allows. "
                    "An administrator has to let some go, or to allow more."
                )
        else:
            self._fresh[name] = time.monotonic()
            try:
                made = await self._cluster.create(desired)
            except AlreadyExistsError:
                existing = await self._cluster.read(Ref.of(desired))
            else:
                await self._refuse_altered(desired, made)
                return made
        if existing is None or "deletionTimestamp" in existing["metadata"]:
            raise NotFoundError(f"The namespace {name} is being deleted.")
        self._refuse_foreign(existing, username)
        self._tell_difference(existing, desired)
        return existing

    async def _refuse_altered(self, wanted: Manifest, made: Manifest) -> None:
        """Delete a namespace that was just made and would not be known for ours again."""
        try:
            demand_unaltered(wanted, made)
        except ObjectAlteredError:
            with suppress(ClusterError):
                await self._cluster.delete(Ref.of(wanted), uid=made["metadata"]["uid"])
            raise

    async def _ensure_binding(self, namespace: str) -> None:
        settings = self._settings
        await self._ensure(service_binding(namespace, installation=settings.installation, broker=settings.broker))

    async def _ensure(self, binding: Manifest) -> None:
        try:
            await self._cluster.create(binding)
        except AlreadyExistsError:
            return  # its name says what it binds, and for whom

    def _is_full(self, name: str) -> bool:
        """Return whether there are so many that one of this name would be one too many."""
        oldest, known = time.monotonic() - _LAG, self._namespaces
        self._fresh = {each: made for each, made in self._fresh.items() if made > oldest}
        unheard = [each for each in self._fresh if known.get(None, each) is None]
        is_new = known.get(None, name) is None and name not in unheard
        return is_new and len(known.items()) + len(unheard) >= self._settings.broker.namespaces

    def _count_release(self) -> None:
        now = time.monotonic()
        while self._releases and self._releases[0] <= now - _HOUR:
            self._releases.popleft()
        if len(self._releases) >= self._settings.broker.releases:
            raise BrokerRefusedError(
                f"Within the last hour {len(self._releases)} user namespaces were deleted, "
                "as many as broker.releases allows. It can be done later."
            )
        self._releases.append(now)

    def _tell_difference(self, there: Manifest, wanted: Manifest) -> None:
        carried = there["metadata"]["labels"]
        expected = wanted["metadata"]["labels"]
        others = {key: carried.get(key) for key, value in expected.items() if carried.get(key) != value}
        if others:
            name = there["metadata"]["name"]
            self._log.warning("a namespace that is there keeps its labels", namespace=name, labels=others)

    async def _until_gone(self, name: str, until: float) -> None:
        ref = Ref(_NAMESPACE, name)
        existing = await self._cluster.read(ref)
        if existing is None or "deletionTimestamp" not in existing["metadata"]:
            return
        try:
            async with asyncio.timeout_at(until):
                await until_gone(self._cluster, self._namespaces, ref, existing["metadata"]["uid"])
        except TimeoutError:
            raise ProvisionError(f"The namespace {name} is still being deleted. Try again in a while.") from None


def user_namespace(username: str, name: str, *, installation: str, broker: BrokerSettings) -> Manifest:
    """Return the namespace of a user: the true username is an annotation, the pod security level a label."""
    level = broker.pod_security
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {
                **broker.labels,
                **labels.ours(installation),
                labels.USER: safe_slug(username),
                "pod-security.kubernetes.io/enforce": level,
                "pod-security.kubernetes.io/warn": level,
            },
            "annotations": {**broker.annotations, labels.USERNAME: username},
        },
    }


def service_binding(namespace: str, *, installation: str, broker: BrokerSettings) -> Manifest:
    """Return the RoleBinding that lets the web-facing service work in a user namespace, by the one tenant role.

    It is only ever created, so its name says what it binds: for another role or account, there is another one.
    """
    return _binding(namespace, installation, broker.role, (broker.account_namespace, broker.account))


def release_binding(namespace: str, settings: Settings) -> Manifest:
    """Return the RoleBinding by which the broker may look into a user namespace before it deletes that."""
    account = settings.namespaces.broker, broker_account(settings.broker)
    return _binding(namespace, settings.installation, release_role(settings.broker), account)


def broker_account(broker: BrokerSettings) -> str:
    """Return the name of the broker's own account."""
    return f"{broker.account}-broker"


def release_role(broker: BrokerSettings) -> str:
    """Return the name of the ClusterRole with which the broker looks into a user namespace that it is to delete."""
    return f"{broker.role}-release"


def _binding(namespace: str, installation: str, role: str, account: tuple[str, str]) -> Manifest:
    group, (home, name) = "rbac.authorization.k8s.io", account
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": f"{role}.{home}.{name}",
            "namespace": namespace,
            "labels": labels.ours(installation),
        },
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": home}],
    }


def namespace_hash(broker: BrokerSettings) -> str:
    """Return what changes when namespaces are to be made otherwise."""
    further = [dict(each) for each in (broker.labels, broker.annotations) if each]
    return content_hash([broker.role, broker.account, broker.account_namespace, broker.pod_security, *further])
