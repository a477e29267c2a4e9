"""Errors of the broker."""

from __future__ import annotations

from spawnpenny.errors import SpawnpennyError


class VolumesKeptError(SpawnpennyError):
    """Keep a namespace in which a volume claim lives: only an explicit purge deletes storage."""

    code = "volumes_kept"
    status = 409
    title = "Volumes live there"

    def __init__(self, namespace: str) -> None:
        super().__init__(f"The namespace {namespace} is kept, as a volume claim lives in it.", namespace=namespace)


class NamespaceInUseError(SpawnpennyError):
    """Keep an idle namespace in which others have objects."""

    code = "namespace_in_use"
    status = 409
    title = "Others use the namespace"

    def __init__(self, namespace: str, objects: str) -> None:
        super().__init__(
            f"The namespace {namespace} is kept, as not all objects in it are spawnpenny's: {objects}.",
            namespace=namespace,
        )


class BrokerUnavailableError(SpawnpennyError):
    """No broker makes namespaces or runs orders at the moment."""

    code = "broker_unavailable"
    status = 503
    title = "The broker does not answer"


class BrokerRequestExpiredError(BrokerUnavailableError):
    """A request to the broker was not carried out, as it was too old when the broker reached it."""

    code = "claim_expired"
    title = "The broker came to it too late"


class BrokerRefusedError(SpawnpennyError):
    """The broker refuses a request: a limit is reached, or its settings do not allow it."""

    code = "broker_refused"
    status = 403
    title = "The broker refused"
