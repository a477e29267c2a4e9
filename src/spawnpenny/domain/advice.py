"""Advice for each error code: one sentence or two on what a person can do.

An error that knows its reader better brings its own advice, which goes before these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_AGAIN: Final = "Start it again; if it stays so, tell an administrator."
_SOON: Final = "Start it again in a minute; if it stays so, tell an administrator."
_RETRY: Final = "Try again in a minute; if it stays so, tell an administrator."
_ADMINISTRATOR: Final = "Tell an administrator: it is not for you to mend."
_CREDENTIALS: Final = "Log in again, or take another token; if it stays so, tell an administrator."
_CHOOSE: Final = "Choose again."
_NAME: Final = "Choose another name."
_ANOTHER: Final = "Start another one when you need it."
_KIND: Final = "Choose another profile or size; if it stays so, tell an administrator"
_OPERATOR: Final = (
    "Mend what the sentence names, and start the service again; `spawnpenny check` tells whether it is right."
)
_LIST: Final = "List what there is, and check how the name is written."

ADVICE: Final[Mapping[str, str]] = {
    "body_timeout": "Send it again, all of it at once; a proxy between may be slow.",
    "body_malformed": "Send the body as JSON, in UTF-8, with its whole length.",
    "body_too_large": "Send less, or have an administrator raise the setting web.max_body.",
    "broker_refused": _ADMINISTRATOR,
    "broker_unavailable": _SOON,
    "claim_expired": _SOON,
    "cluster_alone": _ANOTHER,
    "cluster_already_exists": _AGAIN,
    "cluster_conflict": _AGAIN,
    "cluster_error": _AGAIN,
    "cluster_expired": _AGAIN,
    "cluster_forbidden": "Tell an administrator: a rule of the cluster refuses it, or the service lacks a right there.",
    "cluster_idle": _ANOTHER,
    "cluster_invalid_object": f"{_KIND}: the cluster does not take what the settings make of it.",
    "cluster_kind_not_served": "Tell an administrator: the cluster has no such kind of object, or in another version.",
    "cluster_lab_gone": "Start the lab again, and ask for another one there.",
    "cluster_lifetime": "Start another one.",
    "cluster_not_found": _AGAIN,
    "cluster_object_altered": (
        "Tell an administrator: a webhook may add labels and annotations, and has to leave those of spawnpenny.io."
    ),
    "cluster_silent": _SOON,
    "cluster_unavailable": _SOON,
    "cluster_webhook_unavailable": f"{_SOON[:-1]} the webhook's name.",
    "container_waiting": "Start it again; if it stays so, tell an administrator the reason.",
    "dask_not_found": _LIST,
    "deadline_exceeded": "Start it again: what took long is often quick the second time. Else tell an administrator.",
    "elsewhere": "Try again in a few seconds.",
    "forbidden": _CREDENTIALS,
    "foreign_start": "Stop it where it was started, and start it here then; an administrator can stop it, too.",
    "image_unavailable": "Choose another image, or check the name that you wrote; else tell an administrator.",
    "lab_not_found": "Start it, or list the labs that there are: the name may be another one.",
    "lifecycle_hook_failed": (
        "Start it again; if it stays so, tell an administrator: a command that the site runs at each start fails."
    ),
    "method_not_allowed": "Look the route up in /docs: it takes other methods.",
    "name_collision": _NAME,
    "name_invalid": _NAME,
    "namespace_in_use": "Tell an administrator: what others keep in the namespace has to be looked at first.",
    "namespace_terminating": "Start it again in a minute: your namespace is still being cleared.",
    "no_matching_node": f"{_KIND}: the cluster has no machine of this kind at the moment.",
    "node_limit_reached": "Try again later, when others have stopped theirs; if it stays so, tell an administrator.",
    "node_lost": "Start it again: it goes to another machine. What was saved on its storage is still there.",
    "node_shutdown": "Start it again: it goes to another machine. What was saved on its storage is still there.",
    "not_ours": _ADMINISTRATOR,
    "not_ready": "Try again in a few seconds.",
    "not_running": "Wait until it runs, or start another one.",
    "option_invalid": _CHOOSE,
    "option_unknown": _CHOOSE,
    "out_of_memory": "Start it again with more memory, or load less at once.",
    "plugin_invalid": _OPERATOR,
    "pod_config_invalid": _ADMINISTRATOR,
    "pod_crashed": "Start it again, with more memory if that ran out; if it stays so, tell an administrator.",
    "pod_ended": "Start it again; if it happens again, tell an administrator the reason.",
    "pod_evicted": (
        "Start it again: it goes to a machine with more room. If memory or disk ran short, choose a larger size."
    ),
    "pod_expired": "Start it again: the site lets it run so long and no longer.",
    "pod_gone": _AGAIN,
    "pod_not_hardened": _ADMINISTRATOR,
    "pod_patch_conflict": _ADMINISTRATOR,
    "pod_preempted": "Start it again; if there is no room, try later, or tell an administrator.",
    "pod_rejected": "Start it again: another machine may take it. If it stays so, tell an administrator.",
    "pod_security_refused": "Tell an administrator: the namespace's pod security level is too strict for this pod.",
    "pod_setup_failed": "Start it again: another machine may do better. If it stays so, tell an administrator.",
    "pod_stuck": "Tell an administrator: the old pod has to go first, by its machine coming back or by force.",
    "program_ended": "Start it again when you need it; if you did not shut it down yourself, tell an administrator.",
    "limit_range_refused": "Choose a size within these bounds, or ask an administrator, who can change them.",
    "policy_refused": "Tell an administrator: a policy of the cluster refuses it, and has to fit the settings.",
    "provision_failed": _ADMINISTRATOR,
    "purge_conflict": "Wait a minute, then start it again.",
    "quota_exceeded": "Stop something that you do not need, or choose something smaller.",
    "record_lost": _RETRY,
    "record_too_new": "Tell an administrator: a newer version of the service is needed, as there was before.",
    "record_unreadable": "Tell an administrator: your record has to be looked at, or restored from a backup.",
    "replica_fenced": _AGAIN,
    "request_invalid": "Correct what the sentence names, and send it again; /docs has what each route takes.",
    "expectation_unknown": "Leave the header Expect out.",
    "request_malformed": "Send HTTP/1.1, to the right port; https only where the service has a certificate.",
    "route_not_found": "Look the route up in /docs.",
    "scheduling_gated": "Try again later; if it stays so, tell an administrator which gate holds it back.",
    "settings_invalid": _OPERATOR,
    "spawn_failed": _AGAIN,
    "start_conflict": (
        "Stop it first, or have it replaced: --replace on the command line, ?replace=true in a request."
    ),
    "step_failed": _AGAIN,
    "storage_in_use": "Stop the other one first.",
    "storage_kept": "Tell an administrator, if the storage is to go all the same.",
    "storage_not_ours": _ADMINISTRATOR,
    "ticket_unknown": "Open the dashboard again from the cluster's page or widget: that has a new link.",
    "tls_unsupported": _ADMINISTRATOR,
    "too_many_requests": "Wait a minute, then start it again.",
    "too_many_spawns": "Stop something that you do not need.",
    "unauthenticated": _CREDENTIALS,
    "undeclared_call": _ADMINISTRATOR,
    "unschedulable": "Choose something smaller, or try again later, when others have stopped theirs.",
    "untolerated_taint": f"{_KIND}: the machines are reserved, or closed for now.",
    "user_conflict": "Tell an administrator: your ids in the user directory are not those that are known here.",
    "user_not_found": "Check how the name is written; a user who has started nothing is not known.",
    "volume_unavailable": f"{_SOON[:-1]}: its storage cannot be used.",
    "volumes_kept": "Delete the storage explicitly (purge=storage) if it is to go; it cannot be had back.",
}


def advice(code: str) -> str | None:
    """Return what to do about a code, or None where there is nothing to say."""
    return ADVICE.get(code)
