"""What the one who waits can do about a refusal or a failure: one sentence for each code that a person can meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_AGAIN: Final = "Start it again; if it stays so, tell an administrator."
_ADMINISTRATOR: Final = "Tell an administrator: it is not for you to mend."

ADVICE: Final[Mapping[str, str]] = {
    "broker_refused": _ADMINISTRATOR,
    "broker_unavailable": "Start it again in a minute; if it stays so, tell an administrator.",
    "claim_expired": "Start it again in a minute; if it stays so, tell an administrator.",
    "cluster_alone": "Start another one when you need it.",
    "cluster_idle": "Start another one when you need it.",
    "cluster_lab_gone": "Start the lab again, and ask for another one there.",
    "cluster_lifetime": "Start another one.",
    "cluster_unavailable": "Start it again in a minute; if it stays so, tell an administrator.",
    "deadline_exceeded": "Start it again: what took long is often quick the second time. Else tell an administrator.",
    "forbidden": "Log in again, or take another token; if it stays so, tell an administrator.",
    "foreign_start": "Stop it where it was started, and start it here then; an administrator can stop it, too.",
    "image_unavailable": "Choose another image, or check the name that you wrote; else tell an administrator.",
    "name_collision": "Choose another name.",
    "name_invalid": "Choose another name.",
    "not_ours": _ADMINISTRATOR,
    "option_invalid": "Choose again.",
    "option_unknown": "Choose again.",
    "pod_config_invalid": _ADMINISTRATOR,
    "pod_crashed": "Start it again, with more memory if that ran out; if it stays so, tell an administrator.",
    "pod_gone": _AGAIN,
    "pod_not_hardened": _ADMINISTRATOR,
    "pod_patch_conflict": _ADMINISTRATOR,
    "provision_failed": _ADMINISTRATOR,
    "purge_conflict": "Wait a minute, then start it again.",
    "quota_exceeded": "Stop something that you do not need, or choose something smaller.",
    "replica_fenced": _AGAIN,
    "request_invalid": "Choose again.",
    "spawn_failed": _AGAIN,
    "start_conflict": "Stop the one that is there first.",
    "step_failed": _AGAIN,
    "storage_in_use": "Stop the other one first.",
    "storage_not_ours": _ADMINISTRATOR,
    "tls_unsupported": _ADMINISTRATOR,
    "too_many_requests": "Wait a minute, then start it again.",
    "too_many_spawns": "Stop something that you do not need.",
    "unauthenticated": "Log in again, or take another token; if it stays so, tell an administrator.",
    "unschedulable": "Choose something smaller, or try again later, when others have stopped theirs.",
}


def advice(code: str) -> str | None:
    """Return what to do about a code, or None where there is nothing to say."""
    return ADVICE.get(code)
