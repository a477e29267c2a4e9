"""Plan how spawnpenny takes over KubeSpawner's namespaces and volumes.

The plan is a pure function of the objects in the cluster and the settings. A script carries it out: an administrator
reads and runs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from spawnpenny.admin.migration.objects import RECLAIM, SERVERNAME, USERNAME, Objects, annotation
from spawnpenny.admin.migration.samples import Samples
from spawnpenny.admin.migration.slugs import namespace_names
from spawnpenny.broker.namespaces import user_namespace
from spawnpenny.domain import labels
from spawnpenny.domain.names import check_username, safe_slug
from spawnpenny.errors import InvalidNameError
from spawnpenny.kubernetes.interface import Manifest

_STORAGE_CLASS = "volume.beta.kubernetes.io/storage-class"


@dataclass(frozen=True, slots=True)
class Site:
    """KubeSpawner's setup: the Hub's namespace, and the template of user namespaces; None if it makes none."""

    namespace: str
    user_namespaces: str | None = None


@dataclass(frozen=True, slots=True)
class NewNamespace:
    """The creation of a user's namespace."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Adoption:
    """A namespace of KubeSpawner that already has our name for it: it gets our labels and annotations."""

    before: Manifest
    after: Manifest


@dataclass(frozen=True, slots=True)
class Labelling:
    """A claim that already has our name and namespace: it gets our labels."""

    before: Manifest
    after: Manifest


@dataclass(frozen=True, slots=True)
class Move:
    """A volume that moves to another claim, as the old claim has another namespace or name."""

    volume: str
    policy: str
    before: Manifest
    after: Manifest


Action = NewNamespace | Adoption | Labelling | Move


@dataclass(slots=True)
class Plan:
    """The actions in their order, and sentences on what is left alone, why, and what to do."""

    actions: list[Action] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Owned:
    claim: Manifest
    username: str

    @property
    def place(self) -> str:
        metadata = self.claim["metadata"]
        return f"{metadata['namespace']}/{metadata['name']}"


class Planner:
    """Planner for one Hub; ``samples`` makes the claims that replace KubeSpawner's."""

    def __init__(self, site: Site, samples: Samples, objects: Objects) -> None:
        self._site = site
        self._samples = samples
        self._settings = samples.settings
        self._objects = objects
        self._plan = Plan()

    def plan(self, usernames: Iterable[str] = ()) -> Plan:
        """Return the plan; ``usernames`` are users of the Hub, whose namespaces may be empty."""
        owned = list(self._owned())
        users = dict.fromkeys((*(claim.username for claim in owned), *self._users_with_namespace(usernames)))
        planned = {username for username in users if self._plan_namespace(username)}
        desired = [(claim, after) for claim in owned if claim.username in planned and (after := self._new_claim(claim))]
        counts = Counter(_place(after) for _, after in desired)
        for claim, after in desired:
            if counts[_place(after)] > 1:
                self._plan.left.append(
                    f"{claim.place}: another claim of {claim.username} would also become {_place(after)}. "
                    "Choose one, and remove the annotation hub.jupyter.org/username from the other."
                )
            else:
                self._plan_claim(claim, after)
        return self._plan

    def _owned(self) -> Iterator[_Owned]:
        """Yield KubeSpawner's claims; claims in other namespaces do not belong to this Hub."""
        for claim in self._objects.claims:
            username, namespace = annotation(claim, USERNAME), claim["metadata"]["namespace"]
            if username and namespace in self._places(username) and self._is_valid(username):
                yield _Owned(claim, username)
            elif namespace == self._site.namespace and "claim" in (name := claim["metadata"]["name"]):
                self._plan.left.append(
                    f"{namespace}/{name}: its user is unknown. If it belongs to a user, annotate it: "
                    f"kubectl -n {namespace} annotate pvc {name} {USERNAME}=<username>"
                )

    def _users_with_namespace(self, usernames: Iterable[str]) -> Iterator[str]:
        """Yield the users who have a namespace of KubeSpawner: a pod in it names them, or the Hub's list does."""
        for pod in self._objects.pods:
            username, namespace = annotation(pod, USERNAME), pod["metadata"]["namespace"]
            if username and namespace != self._site.namespace and namespace in self._places(username):
                yield username
        for username in usernames:
            if self._is_valid(username) and self._places(username) & self._objects.namespaces.keys():
                yield username

    def _places(self, username: str) -> set[str]:
        template = self._site.user_namespaces
        if template is None:
            return {self._site.namespace}
        return namespace_names(template, username, self._site.namespace) - {self._site.namespace}

    def _is_valid(self, username: str) -> bool:
        try:
            check_username(username)
        except InvalidNameError as error:
            self._plan.left.append(f"The user {username!r}: {error.message}")
            return False
        return True

    def _plan_namespace(self, username: str) -> bool:
        """Plan the user's namespace, and return whether it will exist."""
        settings = self._settings
        name = f"{settings.namespaces.prefix}{safe_slug(username)}"
        ours = user_namespace(username, name, installation=settings.installation, broker=settings.broker)
        existing = self._objects.namespaces.get(name)
        if existing is None:
            self._plan.actions.append(NewNamespace(ours))
            return True
        carried = existing["metadata"].get("labels") or {}
        if labels.MANAGED_BY in carried:
            same = carried.items() >= labels.ours(settings.installation).items()
            if same and annotation(existing, labels.USERNAME) == username:
                return True
            self._plan.left.append(f"The namespace {name} belongs to another user or installation, not to {username}.")
            return False
        if self._site.user_namespaces is None or name not in self._places(username):
            self._plan.left.append(
                f"The namespace {name} exists, but KubeSpawner did not make it for {username}. "
                "Set another namespaces.prefix, or delete the namespace."
            )
            return False
        self._plan.actions.append(Adoption(existing, ours))
        return True

    def _new_claim(self, owned: _Owned) -> Manifest | None:
        """Return the claim that the server will look for, with the existing volume; None if it mounts none."""
        made = self._samples.claims(owned.username, annotation(owned.claim, SERVERNAME))
        if not made:
            self._plan.left.append(
                f"{owned.place}: labs with these settings mount no claim. To keep it, name it in plugins.storage."
            )
            return None
        spec = owned.claim["spec"]
        claim_spec = {key: spec[key] for key in ("accessModes", "resources", "volumeMode") if key in spec}
        claim_spec |= {"volumeName": spec.get("volumeName"), "storageClassName": _storage_class(owned.claim)}
        return {**made[0], "spec": claim_spec}

    def _plan_claim(self, owned: _Owned, after: Manifest) -> None:
        claim = owned.claim
        if _place(after) == owned.place:
            if (claim["metadata"].get("labels") or {}).items() >= after["metadata"]["labels"].items():
                return
            self._plan.actions.append(Labelling(claim, after))
            return
        volume = self._objects.volumes.get(claim["spec"].get("volumeName") or "")
        if volume is None or claim.get("status", {}).get("phase") != "Bound":
            self._plan.left.append(f"{owned.place}: it has no volume, so it holds no data. It can be deleted.")
            return
        policy = annotation(volume, RECLAIM) or volume["spec"].get("persistentVolumeReclaimPolicy", "Retain")
        before = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim}
        self._plan.actions.append(Move(volume["metadata"]["name"], policy, before, after))


def _storage_class(claim: Manifest) -> str:
    given: str | None = claim["spec"].get("storageClassName")
    return annotation(claim, _STORAGE_CLASS) if given is None else given


def _place(claim: Manifest) -> str:
    return f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
