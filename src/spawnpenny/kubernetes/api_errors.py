"""Map error responses of the Kubernetes API to our errors, and say for how long a retry may help.

No text is passed on that could quote a request: its values may be secret.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from spawnpenny.domain.quantities import parse_quantity
from spawnpenny.errors import QuotaExceededError, SpawnpennyError
from spawnpenny.kubernetes.errors import (
    AlreadyExistsError,
    ClusterError,
    ClusterForbiddenError,
    ConflictError,
    ExpiredError,
    InvalidObjectError,
    KindNotServedError,
    LimitRangeRefusedError,
    NotFoundError,
    PodSecurityRefusedError,
    PolicyRefusedError,
    TerminatingError,
    UnavailableError,
    WebhookUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spawnpenny.kubernetes.calls import Call

# For how long, in seconds after the first try, a fault is taken for a passing one.
NEVER: Final = 0.0
ALWAYS: Final = math.inf  # as long as the caller's patience lasts
RBAC_SETTLES: Final = (
    2.0  # a new RoleBinding was effective within 15 ms where we measured; a real denial must be reported soon
)
NAMESPACE_SETTLES: Final = (
    30.0  # controllers make the default ServiceAccount and a quota's first status, and fall behind where many are new
)
CONFLICT_SETTLES: Final = 10.0

_LONGEST: Final = 500
_SETTLING: Final = re.compile(
    # Kubernetes makes the default account; one that the settings name comes from somebody else, or never.
    r'(?:no api token found for|error looking up) service account (?:"|\S*/)?default\b|status unknown for quota'
)
_QUOTA: Final = re.compile(r"exceeded quota: \S+, requested: (\S+), used: (\S+), limited: (\S+)")
_POLICY: Final = re.compile(r"(?:admission webhook|ValidatingAdmissionPolicy) .*? denied (?:the )?request")
_LIMIT_RANGE: Final = re.compile(
    r"(?:maximum|minimum) \S+ usage per [\w, ]+ is \S+?[.,] |max limit to request ratio per \w+ is "
)
_WEBHOOK: Final = re.compile(r'failed (?:calling|to call) (?:admission )?webhook "([^"]{1,253})"')
_VALUE: Final = re.compile(r'^(?:Invalid|Unsupported|Duplicate) value: (?:"(?:[^"\\]|\\.)*"|\w+)(?:: (.*))?$')


@dataclass(frozen=True, slots=True)
class Fault:
    """An error, the seconds for which another try may help, and the pause that the server demands before it."""

    error: SpawnpennyError
    window: float = NEVER
    retry_after: float | None = None


def read_status(body: bytes) -> dict[str, Any]:
    """Read a ``Status`` object; empty if the body is something else, such as a proxy's page."""
    try:
        status = json.loads(body)
    except ValueError:
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}


def judge(call: Call, code: int, status: dict[str, Any], headers: Mapping[str, str] | None = None) -> Fault:
    """Return the error that an answer stands for; ``status`` is its ``Status`` object, or empty."""
    reader = {
        400: _invalid,
        401: _unauthenticated,
        403: _forbidden,
        404: _not_found,
        409: _conflict,
        410: _expired,
        422: _invalid,
    }
    if "resourceVersion should not be set on objects to be created" in status.get("message", ""):
        return _invalid(call, status)  # the API server calls it an error of its own
    if code in reader:
        return reader[code](call, status)
    if code == 429 or code >= 500:  # noqa: PLR2004 - HTTP's own numbers
        message = f"The cluster could not {call} at the moment (HTTP {code})."
        error = UnavailableError(message, **_facts(call, status))
        if webhook := _WEBHOOK.search(_text(status)):
            message = f"The cluster could not {call}: its admission webhook {webhook[1]} does not answer."
            error = WebhookUnavailableError(message, **_facts(call, status))
        # Before 1.24, a namespace's first pod is told to come back after a second, and need not wait so long.
        settling = _settling(_text(status))
        return Fault(
            error,
            NAMESPACE_SETTLES if settling else ALWAYS,
            None if settling else _retry_after(headers or {}),
        )
    return Fault(
        ClusterError(f"The cluster gave an unexpected answer to {call} (HTTP {code}).", **_facts(call, status))
    )


def _facts(call: Call, status: dict[str, Any]) -> dict[str, Any]:
    return call.facts() | {"reason": status.get("reason", "")}


def _text(status: dict[str, Any]) -> str:
    """Return the server's own sentence, on one line."""
    text = " ".join(str(status.get("message", "")).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _causes(status: dict[str, Any]) -> list[dict[str, str]]:
    return (status.get("details") or {}).get("causes") or []


def _unauthenticated(call: Call, status: dict[str, Any]) -> Fault:
    facts = _facts(call, status)
    return Fault(ClusterForbiddenError(f"The cluster does not accept our credentials, so we cannot {call}.", **facts))


def _forbidden(call: Call, status: dict[str, Any]) -> Fault:
    text, facts = _text(status), _facts(call, status)
    lower = text.lower()
    exceeded = _QUOTA.search(status.get("message") or "")  # whole: `text` is cut
    if exceeded:
        return Fault(_quota(*exceeded.groups()))
    if "being terminated" in lower or any(cause.get("reason") == "NamespaceTerminating" for cause in _causes(status)):
        return Fault(TerminatingError(f"The namespace {call.namespace} is being deleted.", **facts))
    error = _denial(text)(
        f"The cluster does not let us {call}: {text or 'no reason was given'}", advice=_advice(text), **facts
    )
    if type(error) is not ClusterForbiddenError:
        return Fault(error)
    if _settling(text):
        return Fault(error, NAMESPACE_SETTLES)
    # Only what a RoleBinding gives can be about to come: rights on all namespaces are there from the start.
    return Fault(error, RBAC_SETTLES if call.namespace and " cannot " in lower else NEVER)


def _denial(text: str) -> type[ClusterForbiddenError]:
    """Return the class of the rule that denies a call, by the server's sentence."""
    if _POLICY.search(text):
        return PolicyRefusedError
    if "violates podsecurity" in text.lower():
        return PodSecurityRefusedError
    return LimitRangeRefusedError if _LIMIT_RANGE.search(text) else ClusterForbiddenError


def _advice(text: str) -> str | None:
    """Return advice if the server says which of its rules refuses."""
    if "violates PodSecurity" in text:
        return (
            "Tell an administrator: the pod asks for more than the pod security level of user namespaces allows "
            "(broker.pod_security); `spawnpenny check` says which level it needs."
        )
    if "ValidatingAdmissionPolicy 'spawnpenny" in text:
        return (
            "Tell an administrator: the admission policy of the service refuses it, and has to fit the settings; "
            "`spawnpenny doctor` says how it differs."
        )
    if _POLICY.search(text):
        return "It is a rule of your site: choose otherwise where it says how, or tell an administrator."
    if " cannot " in text:
        return "Tell an administrator: the service lacks this right; `spawnpenny doctor` says which it needs."
    return None


def _settling(text: str) -> bool:
    return bool(_SETTLING.search(text.lower()))


def _quota(requested: str, used: str, limited: str) -> QuotaExceededError:
    """Report the first resource that is exceeded; Kubernetes names only those that are."""
    tables = [
        dict(pair.split("=", 1) for pair in part.split(",") if "=" in pair) for part in (requested, used, limited)
    ]
    resource = next(iter(tables[0]))
    request, in_use, limit = (table.get(resource, "?") for table in tables)
    advice = _advice_on_quota(request, limit)
    return QuotaExceededError(resource, requested=request, used=in_use, limit=limit, advice=advice)


def _advice_on_quota(requested: str, limit: str) -> str | None:
    """Return advice if the request exceeds the whole limit: it does not help to stop something then."""
    try:
        never_fits = parse_quantity(requested) > parse_quantity(limit)
    except ValueError:
        return None
    return "Choose something smaller: this is more than your limit, whatever else runs." if never_fits else None


def _not_found(call: Call, status: dict[str, Any]) -> Fault:
    facts, details = _facts(call, status), status.get("details") or {}
    if not details.get("name"):  # not one object is missing, but the whole resource
        resource = call.resource
        return Fault(KindNotServedError(f"The cluster has no {resource.plural} in {resource.api_version}.", **facts))
    of_namespace = details.get("kind") == "namespaces"
    kind = "namespace" if of_namespace else call.resource.kind
    where = f" in {call.namespace}" if call.namespace and not of_namespace else ""
    return Fault(NotFoundError(f"There is no {kind} {details['name']}{where}.", **facts))


def _conflict(call: Call, status: dict[str, Any]) -> Fault:
    text, facts = _text(status), _facts(call, status)
    if status.get("reason") == "AlreadyExists":
        return Fault(AlreadyExistsError(f"The cluster could not {call}: one of that name exists already.", **facts))
    if "Operation cannot be fulfilled on resourcequotas" in text:
        # Two creates were counted against one quota at the same moment; nothing is wrong with either.
        return Fault(UnavailableError(f"The cluster could not {call}: its quota was being counted.", **facts), ALWAYS)
    error = ConflictError(
        f"The cluster could not {call}: it changed meanwhile, or is another one of that name.", **facts
    )
    return Fault(error, CONFLICT_SETTLES if call.blind else NEVER)


def _expired(call: Call, status: dict[str, Any]) -> Fault:
    return Fault(ExpiredError(f"The cluster cannot {call} from a version that old.", **_facts(call, status)))


def _invalid(call: Call, status: dict[str, Any]) -> Fault:
    if _POLICY.search(_text(status)):  # a policy of the site, whose refusals are written for the user
        return _forbidden(call, status)
    causes = [f"{cause.get('field') or 'it'}: {_harmless(str(cause.get('message', '')))}" for cause in _causes(status)]
    why = "; ".join(causes[:3]) or "the API server could not read it"
    return Fault(
        InvalidObjectError(f"The cluster could not {call}, as it is not valid: {why}.", **_facts(call, status))
    )


def _harmless(message: str) -> str:
    """Leave the value out that a cause quotes, and the diff that may follow on further lines."""
    line = message.partition("\n")[0].partition(" (e.g. ")[0]
    if " value: " in line:
        quoted = _VALUE.match(line)
        line = (quoted.group(1) if quoted else None) or "this value is not allowed"
    return line[:200]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None  # the API server sends seconds; a date is not worth reading
