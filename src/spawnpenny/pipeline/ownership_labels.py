"""Labels and annotations of the objects of one spawn, by which spawnpenny knows them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spawnpenny.domain import labels
from spawnpenny.domain.hashes import content_hash
from spawnpenny.domain.names import Names
from spawnpenny.errors import PluginError
from spawnpenny.kubernetes.interface import Manifest

if TYPE_CHECKING:
    from spawnpenny.pipeline.step import Step


@dataclass(frozen=True)
class OwnershipLabels:
    """The owner of objects: an installation, a user and a spawn.

    Attributes:
        installation: The name of the installation.
        username: The user.
        kind: The kind of the spawn.
        spawn: The id of the spawn.
        names: The Kubernetes names of the spawn.
        uids: The uids of the objects that the spawn created, by kind and name. The record shares this dict.
        origin: The request of the spawn as JSON, for a service that finds its pod without a record.
        token: The hash of the lab's own token, or an empty text.

    """

    installation: str
    username: str
    kind: str
    spawn: str
    names: Names
    uids: dict[str, str]
    origin: str = ""
    token: str = ""

    def labels(self, step: Step) -> dict[str, str]:
        """Return the labels of the objects of a step: of the user, and of the spawn for a ``spawn`` step."""
        common = {**labels.ours(self.installation), labels.USER: self.names.user}
        if step.scope == "spawn":
            common |= {labels.KIND: self.kind, labels.LAB: self.names.lab, labels.SPAWN: self.spawn}
        return common

    def owns(self, step: Step, manifest: Manifest) -> bool:
        """Return whether an object has all labels of a step's objects."""
        existing = manifest["metadata"].get("labels") or {}
        return all(existing.get(key) == value for key, value in self.labels(step).items())

    def labelled(self, step: Step, manifest: Manifest) -> Manifest:
        """Return an object of a step with the user's namespace, our labels and our annotations.

        Raises:
            PluginError: The step declares a container that its pod does not have.

        """
        metadata: dict[str, Any] = manifest["metadata"]
        complete = {
            **metadata,
            "namespace": self.names.namespace,
            "labels": {**metadata.get("labels", {}), **self.labels(step)},
            "annotations": {**metadata.get("annotations", {}), **self._annotations(step, manifest)},
        }
        return {**manifest, "metadata": complete}

    def _annotations(self, step: Step, manifest: Manifest) -> dict[str, str]:
        annotations = {labels.USERNAME: self.username}
        if manifest["kind"] != "Secret":  # the hash of a short secret can be guessed
            annotations[labels.HASH] = content_hash(manifest)
        if manifest["kind"] != "Pod":
            return annotations
        annotations[labels.CONTAINER] = _main_container(step, manifest)
        if step.scope == "spawn" and not is_part(manifest):
            annotations[labels.ORIGIN] = self.origin
            if self.token:
                annotations[labels.LAB_KEY] = self.token
        return annotations


def is_part(manifest: Manifest) -> bool:
    """Return whether an object is a further part of its spawn, such as a worker."""
    return labels.PART in manifest["metadata"].get("labels", {})


def _main_container(step: Step, pod: Manifest) -> str:
    """Return the container that decides about a pod. It is chosen here, before a webhook can add containers."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    if step.container is None:
        return str(names[0])
    if step.container not in names:
        raise PluginError(
            f"The step {step.name!r} declares the container {step.container!r}, "
            f"and its pod has only: {', '.join(names)}."
        )
    return step.container
