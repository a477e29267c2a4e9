"""Errors of the broker."""

from __future__ import annotations

from spawnpenny.errors import SpawnpennyError


class VolumesKeptError(SpawnpennyError):
    """Storage goes only by an explicit purge."""

    code = "volumes_kept"
    status = 409
    title = "Volumes live there"

    def __init__(self, namespace: str) -> None:
        super().__init__(f"The namespace {namespace} is kept, as a volume claim lives in it.", namespace=namespace)


class NamespaceInUseError(SpawnpennyError):
    """An idle namespace goes only where nothing of anybody else's is in it."""

    code = "namespace_in_use"
    status = 409
    title = "Others use the namespace"

    def __init__(self, namespace: str, objects: str) -> None:
        super().__init__(
            f"The namespace {namespace} is kept, as what is in it is not all spawnpenny's: {objects}.",
            namespace=namespace,
        )


class BrokerUnavailableError(SpawnpennyError):
    """Nobody makes namespaces or runs orders at the moment."""

    code = "broker_unavailable"
    status = 503
    title = "The broker does not answer"


class BrokerRequestExpiredError(BrokerUnavailableError):
    """A claim was too old when a broker came to it, so that it was not carried out."""

    code = "claim_expired"
    title = "The broker came to it too late"


class BrokerRefusedError(SpawnpennyError):
    """The broker refuses a request: a bound is reached, or its settings do not allow it."""

    code = "broker_refused"
    status = 403
    title = "The broker refused"
