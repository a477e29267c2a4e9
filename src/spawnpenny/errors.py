"""The base of all errors with a stable code, and the errors that several parts raise.

An error class has a ``code``, which programs compare, and a ``status``, the HTTP status of the problem document.
``str(error)`` is a sentence that its reader can act on. It never contains a secret.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Final

from spawnpenny.advice import ADVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


class SpawnpennyError(Exception):
    """The base of all coded errors.

    ``facts`` are further members of the problem document (RFC 9457, section 3.2). ``advice`` says what its reader can
    do if the general advice for the code (``spawnpenny.advice``) does not fit, or there is none. A class may have it.
    """

    code: str = "internal_error"
    status: ClassVar[int] = 500
    title: str = "Something went wrong in spawnpenny"
    advice: str | None = None

    def __init__(self, message: str, *, advice: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice or self.advice
        self.facts: Mapping[str, Any] = facts

    @property
    def retry_after(self) -> int | None:
        """Seconds after which the same request may succeed, or None if that is not known."""
        value = self.facts.get("retry_after")
        return value if isinstance(value, int) else None


class SettingsError(SpawnpennyError):
    """Refuse a wrong setting. ``message`` names it and its place, and says what would be right."""

    code = "settings_invalid"
    title = "The settings are not valid"


class PluginError(SpawnpennyError):
    """Refuse plugins: one is missing, misspelt or broken, or their steps do not fit together."""

    code = "plugin_invalid"
    title = "The plugins do not fit together"


class InvalidRequestError(SpawnpennyError):
    """Refuse a request that cannot be understood. ``errors`` lists the wrong fields, and says what would be right."""

    code = "request_invalid"
    status = 422
    title = "The request is not valid"

    def __init__(self, message: str, *, field: str | None = None, **facts: Any) -> None:
        if field is not None:
            facts["errors"] = [{"field": field, "message": message}]
        super().__init__(message, **facts)


class InvalidNameError(InvalidRequestError):
    """Refuse the name of a user or spawn. ``message`` says which rule it breaks."""

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
    """Refuse a name that has the same Kubernetes name as another one."""

    code = "name_collision"
    status = 409
    title = "The name collides with another one"

    def __init__(self, name: str, slug: str, *, what: str = "another user's name") -> None:
        super().__init__(
            f"The name {name!r} has the same Kubernetes name as {what} ({slug}). Choose another name.",
            slug=slug,
        )


class UserConflictError(SpawnpennyError):
    """Refuse to change the uid of a known user without the right to commission, or during another change."""

    code = "user_conflict"
    status = 409
    title = "The user is known otherwise"


class QuotaExceededError(SpawnpennyError):
    """Refuse a request that does not fit into the quota. ``facts`` have resource, asked, used and limit.

    ``setting`` names the setting of the limit, such as ``plugins.quota.memory``; callers do not see it.
    """

    code = "quota_exceeded"
    status = 403
    title = "That is more than the quota allows"

    def __init__(
        self, resource: str, *, requested: str, used: str, limit: str, setting: str = "", advice: str | None = None
    ) -> None:
        self.setting = setting
        super().__init__(
            f"Not enough {resource} left in the quota: asked {requested}, in use {used}, limit {limit}.",
            advice=advice,
            resource=resource,
            asked=requested,
            used=used,
            limit=limit,
        )


class NotReadyError(SpawnpennyError):
    """Put a request off, as the service does not know the state of the cluster yet."""

    code = "not_ready"
    status = 503
    title = "The service is not ready yet"

    def __init__(self, message: str = "The state of the cluster is not known yet.", *, retry_after: int = 2) -> None:
        super().__init__(message, retry_after=retry_after)


class SpawnError(SpawnpennyError):
    """Fail a spawn for a reason that its user may read.

    ``code`` is a code of the plugin that raises it, such as ``licence_refused``: lower case letters, digits and ``_``.
    Programs find it in the reason, the events and the problem document. Codes of spawnpenny's own are refused with a
    ValueError, as they promise something else.
    """

    code = "spawn_failed"
    status = 502
    title = "The spawn failed"

    def __init__(self, message: str, *, advice: str | None = None, code: str | None = None, **facts: Any) -> None:
        super().__init__(message, advice=advice, **facts)
        if code is not None:
            self.code = _plugin_code(code)
            self.advice = self.advice or ADVICE[SpawnError.code]


class ProvisionError(SpawnError):
    """Fail a spawn because its user could not be provisioned. ``message`` says what the user can do."""

    code = "provision_failed"
    title = "The user's provisioning failed"


class NotOursError(SpawnError):
    """Refuse to touch an object of the same name that belongs to something else."""

    code = "not_ours"
    title = "Something else has this name"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} exists already and does not belong to this spawn, so it was left alone. "
            "An administrator has to look at it."
        )


class StorageKeptError(SpawnpennyError):
    """Keep the storage of a lab that was to be deleted. ``message`` says why, and how it can be deleted."""

    code = "storage_kept"
    status = 409
    title = "The storage is kept"


def _plugin_code(code: str) -> str:
    """Return the code of a plugin.

    Raises:
        ValueError: It is not a code, or one of spawnpenny's own.

    """
    if not _CODE.fullmatch(code):
        raise ValueError(
            f"{code!r} is not a code: write lower case letters, digits and _, at most 64, with a letter first."
        )
    if code in ADVICE or code == SpawnpennyError.code:
        raise ValueError(f"The code {code!r} is spawnpenny's own. Use one of your plugin, such as 'licence_refused'.")
    return code
