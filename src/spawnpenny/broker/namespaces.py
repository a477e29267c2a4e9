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
"""Seconds for which a new namespace counts although the informer has not seen it."""


class UserNamespaces:
    """The user namespaces of an installation.

    Existing objects are never changed: a namespace keeps its labels, a RoleBinding stays as it is.

    Args:
        cluster: The cluster.
        settings: The settings; the section ``broker`` has the limits.
        namespaces: The informer of this installation's user namespaces.
        separate: True if this process has an account of its own, which the tenant role does not let into user
            namespaces.

    """

    def __init__(self, cluster: Cluster, settings: Settings, namespaces: Informer, *, separate: bool = False) -> None:
        self._separate = separate
        self._cluster = cluster
        self._settings = settings
        self._namespaces = namespaces
        self._created_at: dict[str, float] = {}
        self._releases: deque[float] = deque()
        self._log = structlog.get_logger("spawnpenny.broker")

    async def ensure(self, username: str) -> str:
        """Make a user's namespace and its RoleBinding if they are missing; return the namespace's uid."""
        name = self._name(username)
        deadline = asyncio.get_running_loop().time() + self._settings.broker.expiry
        for _ in range(_TRIES):
            try:
                namespace = await self._ensure_namespace(username, name)
                await self._ensure_binding(name)
            except (NotFoundError, TerminatingError):
                await self._wait_until_gone(name, deadline)  # it is being deleted; a new one follows
            else:
                uid: str = namespace["metadata"]["uid"]
                return uid
        raise ProvisionError(f"The namespace {name} was deleted {_TRIES} times while it was being made.")

    async def release(self, username: str, uid: str, *, purge: bool, foreign: bool) -> None:
        """Delete a user's namespace if it has this uid and nothing in it has to be kept.

        Volume claims are kept, unless ``purge`` and the settings allow their deletion. Objects that are not ours are
        kept, unless ``foreign`` is true.
        """
        ref = Ref(_NAMESPACE, self._name(username))
        existing = await self._cluster.read(ref)
        if existing is None:
            return
        self._refuse_foreign(existing, username)
        if existing["metadata"]["uid"] != uid:
            raise ConflictError(
                f"The namespace {ref.name} has been replaced by another one.", kind="Namespace", name=ref.name
            )
        if "deletionTimestamp" in existing["metadata"]:
            return
        await self._refuse_kept_objects(ref.name, purge=purge and self._settings.broker.purge, foreign=foreign)
        self._count_release()
        await self._cluster.delete(ref, uid=uid, version=existing["metadata"]["resourceVersion"])

    async def _refuse_kept_objects(self, namespace: str, *, purge: bool, foreign: bool) -> None:
        """Check a namespace that is to be deleted; objects created after this check are deleted with it."""
        if purge and foreign:
            return
        if self._separate:
            await self._ensure(release_binding(namespace, self._settings))
        if not purge and await self._cluster.metadata(VOLUME_CLAIM, namespace=namespace):
            raise VolumesKeptError(namespace)
        ours = labels.ours(self._settings.installation)
        if not foreign and (found := await find_foreign(self._cluster, namespace, ours, self._settings.broker)):
            raise NamespaceInUseError(namespace, found)

    async def refuse_collision(self, username: str) -> None:
        """Refuse a user whose namespace belongs to someone else.

        Raises:
            NameCollisionError: It belongs to another user.
            NotOursError: It does not belong to this installation.

        """
        existing = await self._cluster.read(Ref(_NAMESPACE, self._name(username)))
        if existing is not None:
            self._refuse_foreign(existing, username)

    def _refuse_foreign(self, namespace: Manifest, username: str) -> None:
        metadata = namespace["metadata"]
        existing = metadata.get("labels", {})
        if any(existing.get(key) != value for key, value in labels.ours(self._settings.installation).items()):
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
                    "An administrator has to delete some, or allow more."
                )
        else:
            self._created_at[name] = time.monotonic()
            try:
                created = await self._cluster.create(desired)
            except AlreadyExistsError:
                existing = await self._cluster.read(Ref.of(desired))
            else:
                await self._refuse_altered(desired, created)
                return created
        if existing is None or "deletionTimestamp" in existing["metadata"]:
            raise NotFoundError(f"The namespace {name} is being deleted.")
        self._refuse_foreign(existing, username)
        self._log_label_differences(existing, desired)
        return existing

    async def _refuse_altered(self, desired: Manifest, created: Manifest) -> None:
        """Delete a new namespace if a webhook changed it so that it could not be recognized as ours."""
        try:
            demand_unaltered(desired, created)
        except ObjectAlteredError:
            with suppress(ClusterError):
                await self._cluster.delete(Ref.of(desired), uid=created["metadata"]["uid"])
            raise

    async def _ensure_binding(self, namespace: str) -> None:
        settings = self._settings
        await self._ensure(service_binding(namespace, installation=settings.installation, broker=settings.broker))

    async def _ensure(self, binding: Manifest) -> None:
        try:
            await self._cluster.create(binding)
        except AlreadyExistsError:
            return  # its name says which role it binds, and for which account

    def _is_full(self, name: str) -> bool:
        """Return whether a new namespace of this name would exceed ``broker.namespaces``."""
        oldest, known = time.monotonic() - _LAG, self._namespaces
        self._created_at = {name: created for name, created in self._created_at.items() if created > oldest}
        unseen = [name for name in self._created_at if known.get(None, name) is None]
        is_new = known.get(None, name) is None and name not in unseen
        return is_new and len(known.items()) + len(unseen) >= self._settings.broker.namespaces

    def _count_release(self) -> None:
        now = time.monotonic()
        while self._releases and self._releases[0] <= now - _HOUR:
            self._releases.popleft()
        if len(self._releases) >= self._settings.broker.releases:
            raise BrokerRefusedError(
                f"Within the last hour {len(self._releases)} user namespaces were deleted, "
                "as many as broker.releases allows. Try again later."
            )
        self._releases.append(now)

    def _log_label_differences(self, existing: Manifest, desired: Manifest) -> None:
        present = existing["metadata"]["labels"]
        expected = desired["metadata"]["labels"]
        kept = {key: present.get(key) for key, value in expected.items() if present.get(key) != value}
        if kept:
            name = existing["metadata"]["name"]
            self._log.warning("an existing namespace keeps its labels", namespace=name, labels=kept)

    async def _wait_until_gone(self, name: str, deadline: float) -> None:
        ref = Ref(_NAMESPACE, name)
        existing = await self._cluster.read(ref)
        if existing is None or "deletionTimestamp" not in existing["metadata"]:
            return
        try:
            async with asyncio.timeout_at(deadline):
                await until_gone(self._cluster, self._namespaces, ref, existing["metadata"]["uid"])
        except TimeoutError:
            raise ProvisionError(f"The namespace {name} is still being deleted. Try again in a while.") from None


def user_namespace(username: str, name: str, *, installation: str, broker: BrokerSettings) -> Manifest:
    """Return the namespace of a user: its username is an annotation, its pod security level a label."""
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
    """Return the RoleBinding of the tenant role, by which the service may work in a user namespace.

    A binding is created and never changed. Its name has the role and the account, so that others get another binding.
    """
    return _binding(namespace, installation, broker.role, (broker.account_namespace, broker.account))


def release_binding(namespace: str, settings: Settings) -> Manifest:
    """Return the RoleBinding by which the broker may list the objects of a user namespace before it deletes it."""
    account = settings.namespaces.broker, broker_account(settings.broker)
    return _binding(namespace, settings.installation, release_role(settings.broker), account)


def broker_account(broker: BrokerSettings) -> str:
    """Return the name of the broker's ServiceAccount."""
    return f"{broker.account}-broker"


def release_role(broker: BrokerSettings) -> str:
    """Return the name of the ClusterRole by which the broker may list the objects of a user namespace."""
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
    """Return a hash that changes when the settings for new namespaces change."""
    additions = [dict(pairs) for pairs in (broker.labels, broker.annotations) if pairs]
    return content_hash([broker.role, broker.account, broker.account_namespace, broker.pod_security, *additions])
