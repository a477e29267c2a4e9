"""The base of all errors with a stable code, and the errors that several parts raise.

An error is a class with a ``code`` (what programs compare), a ``status`` (the HTTP status of the problem document) and
facts. ``str(error)`` is one sentence that a person can act on; it never carries a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class SpawnpennyError(Exception):
    """The base of all coded errors.

    ``facts`` are further members of the problem document (RFC 9457, section 3.2). ``advice`` is what its reader can do,
    where the general advice for the code (``domain.advice``) does not fit.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong in spawnpenny"

    def __init__(self, message: str, *, advice: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.facts: Mapping[str, Any] = facts

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the same request may go through, where that is known."""
        value = self.facts.get("retry_after")
        return value if isinstance(value, int) else None


class SettingsError(SpawnpennyError):
    """A setting is wrong; the message names it, says where it stands and what would be right."""

    code = "settings_invalid"
    title = "The settings are not valid"


class PluginError(SpawnpennyError):
    """A plugin is missing, misspelt, broken, or its steps do not fit together."""

    code = "plugin_invalid"
    title = "The plugins do not fit together"


class InvalidRequestError(SpawnpennyError):
    """The request cannot be understood; ``errors`` lists each field with what would be right."""

    code = "request_invalid"
    status = 422
    title = "The request is not valid"

    def __init__(self, message: str, *, field: str | None = None, **facts: Any) -> None:
        if field is not None:
            facts["errors"] = [{"field": field, "message": message}]
        super().__init__(message, **facts)


class InvalidNameError(InvalidRequestError):
    """Refuse the name of a user, lab or Dask cluster. ``message`` says which rule it breaks."""

    code = "name_invalid"
    title = "The name is not valid"


class UnknownOptionError(InvalidRequestError):
    """Refuse an option that does not exist. ``field`` names it; ``message`` says which options exist."""

    code = "option_unknown"
    title = "There is no such option"


class InvalidOptionError(InvalidRequestError):
    """Refuse the value of an option. ``field`` names it; ``message`` says what would be right."""

    code = "option_invalid"
    title = "The option is not valid"


class UnauthenticatedError(SpawnpennyError):
    """Refuse credentials that are missing, expired or not known. An authenticator raises it for its own credentials."""

    code = "unauthenticated"
    status = 401
    title = "Credentials are missing or not known"


class ForbiddenError(SpawnpennyError):
    """Refuse a request that the scopes of a known identity do not allow."""

    code = "forbidden"
    status = 403
    title = "The credentials do not allow this"


class NameCollisionError(SpawnpennyError):
    """Two names come to the same Kubernetes name."""

    code = "name_collision"
    status = 409
    title = "The name collides with another one"

    def __init__(self, name: str, slug: str, *, what: str = "another user's name") -> None:
        super().__init__(
            f"The name {name!r} comes to the same Kubernetes name as {what} ({slug}). Another name has to be chosen.",
            slug=slug,
        )


class UserConflictError(SpawnpennyError):
    """A known user's uid would change without the right to commission, or another dossier is under way."""

    code = "user_conflict"
    status = 409
    title = "The user is known otherwise"


class QuotaExceededError(SpawnpennyError):
    """The request does not fit into the quota; ``facts`` carry resource, asked, used and limit.

    ``setting`` is where an administrator raises the limit, such as ``plugins.quota.memory``; callers do not see it.
    """

    code = "quota_exceeded"
    status = 403
    title = "That is more than the quota allows"

    def __init__(
        self, resource: str, *, asked: str, used: str, limit: str, setting: str = "", advice: str | None = None
    ) -> None:
        self.setting = setting
        super().__init__(
            f"Not enough {resource} left in the quota: asked {asked}, in use {used}, limit {limit}.",
            advice=advice,
            resource=resource,
            asked=asked,
            used=used,
            limit=limit,
        )


class NotReadyError(SpawnpennyError):
    """The service does not know the cluster's state yet: not known is not the same as not running."""

    code = "not_ready"
    status = 503
    title = "The service is not ready yet"

    def __init__(self, message: str = "The state of the cluster is not known yet.", *, retry_after: int = 2) -> None:
        super().__init__(message, retry_after=retry_after)


class SpawnError(SpawnpennyError):
    """A spawn failed for a reason that its user may read."""

    code = "spawn_failed"
    status = 502
    title = "The spawn failed"


class ProvisionError(SpawnError):
    """Fail a spawn because its user could not be provisioned. ``message`` says what the user can do."""

    code = "provision_failed"
    title = "The user's provisioning failed"


class NotOursError(SpawnError):
    """An object of that name exists and is not this spawn's."""

    code = "not_ours"
    title = "Something else has this name"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} exists already and does not belong to this spawn, so it was left alone. "
            "An administrator has to look at it."
        )


class StorageKeptError(SpawnpennyError):
    """A lab's storage was to be deleted, and is kept; the message says why, and what would let it go."""

    code = "storage_kept"
    status = 409
    title = "The storage is kept"
