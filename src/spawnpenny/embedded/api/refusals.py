"""Errors of the embedded cluster, worded alike for every verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from spawnpenny.kubernetes.errors import (
    AlreadyExistsError,
    ClusterError,
    ClusterForbiddenError,
    ConflictError,
    ExpiredError,
    InvalidObjectError,
    NotFoundError,
    TerminatingError,
)

if TYPE_CHECKING:
    from spawnpenny.kubernetes.interface import Ref

_Error = TypeVar("_Error", bound=ClusterError)

_REASONS: Final[dict[type[ClusterError], str]] = {
    AlreadyExistsError: "AlreadyExists",
    NotFoundError: "NotFound",
    ConflictError: "Conflict",
    ClusterForbiddenError: "Forbidden",
    TerminatingError: "Forbidden",
    InvalidObjectError: "Invalid",
    ExpiredError: "Expired",
}


def refuse(error: type[_Error], verb: str, ref: Ref, why: str) -> _Error:
    """Return the error for a refused ``verb``, with the facts of the cluster interface."""
    return error(
        f"The cluster refused to {verb} {ref}: {why}.",
        verb=verb,
        kind=ref.resource.kind,
        namespace=ref.namespace,
        name=ref.name,
        reason=_REASONS.get(error, "InternalError"),
    )
