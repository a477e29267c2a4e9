"""Advice for each error code: one or two sentences on what its reader can do.

An error with advice of its own takes precedence, such as those of plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_AGAIN: Final = "Start it again; if that does not help, tell an administrator."
_SOON: Final = "Start it again in a minute; if that does not help, tell an administrator."
_RETRY: Final = "Try again in a minute; if that does not help, tell an administrator."
_ADMINISTRATOR: Final = "Tell an administrator: you cannot fix this yourself."
_CREDENTIALS: Final = "Log in again, or use another token; if that does not help, tell an administrator."
_CHOOSE: Final = "Choose another value."
_NAME: Final = "Choose another name."
_KIND: Final = "Choose another profile or size; if that does not help, tell an administrator"
_OPERATOR: Final = "Fix what the message names, and start the service again; `spawnpenny check` checks the settings."

ADVICE: Final[Mapping[str, str]] = {
    "body_timeout": "Send the whole body again without pauses; a proxy on the way may be slow.",
    "body_malformed": "Send the body as JSON in UTF-8, with the right Content-Length.",
    "body_too_large": "Send less, or ask an administrator to raise the setting web.max_body.",
    "broker_refused": _ADMINISTRATOR,
    "broker_unavailable": _SOON,
    "claim_expired": _SOON,
    "cluster_already_exists": _AGAIN,
    "cluster_conflict": _AGAIN,
    "cluster_error": _AGAIN,
    "cluster_expired": _AGAIN,
    "cluster_forbidden": "Tell an administrator: a rule of the cluster refuses it, or the service lacks a permission.",
    "cluster_invalid_object": f"{_KIND}: the cluster refuses an object of the settings.",
    "cluster_kind_not_served": "Tell an administrator: the cluster does not serve this kind or version of objects.",
    "cluster_not_found": _AGAIN,
    "cluster_object_altered": (
        "Tell an administrator: a webhook may add labels and annotations, but must not change those of spawnpenny.io."
    ),
    "cluster_silent": _SOON,
    "cluster_unavailable": _SOON,
    "cluster_webhook_unavailable": f"{_SOON[:-1]} the webhook's name.",
    "container_waiting": "Start it again; if that does not help, tell an administrator the reason.",
    "deadline_exceeded": "Start it again: the second time is often faster. If it is not, tell an administrator.",
    "elsewhere": "Try again in a few seconds.",
    "forbidden": _CREDENTIALS,
    "foreign_start": "Stop it where it was started, then start it here. An administrator can stop it, too.",
    "image_unavailable": "Choose another image, or check the name that you wrote. Otherwise, tell an administrator.",
    "kind_not_loaded": "Tell an administrator: the plugin that provides it is not loaded.",
    "lab_not_found": "Start it, or list your labs to check the name.",
    "lifecycle_hook_failed": (
        "Start it again; if that does not help, tell an administrator: a start command of the site fails."
    ),
    "method_not_allowed": "Look the route up in /docs: it has other methods.",
    "name_collision": _NAME,
    "name_invalid": _NAME,
    "namespace_in_use": "Tell an administrator: somebody has to check the other objects in the namespace first.",
    "namespace_terminating": "Start it again in a minute: your namespace is still being deleted.",
    "no_matching_node": f"{_KIND}: the cluster has no such machine at the moment.",
    "node_limit_reached": "Try again later, when others have stopped theirs; otherwise, tell an administrator.",
    "node_lost": "Start it again: it runs on another machine then. The files on its storage are safe.",
    "node_shutdown": "Start it again: it runs on another machine then. The files on its storage are safe.",
    "not_ours": _ADMINISTRATOR,
    "not_ready": "Try again in a few seconds.",
    "not_running": "Wait until it runs, or start another one.",
    "not_scalable": "Start one of a kind that has workers.",
    "option_invalid": _CHOOSE,
    "option_unknown": _CHOOSE,
    "out_of_memory": "Start it again with more memory, or load less data at once.",
    "plugin_invalid": _OPERATOR,
    "pod_config_invalid": _ADMINISTRATOR,
    "pod_crashed": "Start it again, with more memory if that ran out; if that does not help, tell an administrator.",
    "pod_ended": "Start it again; if it happens again, tell an administrator the reason.",
    "pod_evicted": (
        "Start it again: it runs on a machine with more room then. If memory or disk ran short, choose a larger size."
    ),
    "pod_expired": "Start it again: the site limits how long it may run.",
    "pod_gone": _AGAIN,
    "pod_not_hardened": _ADMINISTRATOR,
    "pod_patch_conflict": _ADMINISTRATOR,
    "pod_preempted": "Start it again; if there is no room, try later or tell an administrator.",
    "pod_rejected": "Start it again: another machine may accept it. If that does not help, tell an administrator.",
    "pod_security_refused": "Tell an administrator: the namespace's pod security level is too strict for this pod.",
    "pod_setup_failed": "Start it again: another machine may do better. If that does not help, tell an administrator.",
    "pod_stuck": "Tell an administrator: the old pod has to go first. If its machine is lost, somebody must force it.",
    "program_ended": "Start it again when you need it; if you did not shut it down yourself, tell an administrator.",
    "limit_range_refused": "Choose a size within these bounds, or ask an administrator to change them.",
    "policy_refused": "Tell an administrator: a policy of the cluster refuses it. Policy and settings have to agree.",
    "provision_failed": _ADMINISTRATOR,
    "purge_conflict": "Wait a minute, then start it again.",
    "quota_exceeded": "Stop something that you do not need, or choose something smaller.",
    "record_lost": _RETRY,
    "record_too_new": "Tell an administrator: a newer version wrote your record, so the service has to be updated.",
    "record_unreadable": "Tell an administrator: your record has to be repaired, or restored from a backup.",
    "replica_fenced": _AGAIN,
    "request_invalid": "Correct what the message names, and send it again; /docs describes each route.",
    "expectation_unknown": "Leave the header Expect out.",
    "request_malformed": "Send HTTP/1.1 to the right port, and use https only if the service has a certificate.",
    "route_not_found": "Look the route up in /docs.",
    "scheduling_gated": "Try again later; if that does not help, tell an administrator which gate holds it back.",
    "settings_invalid": _OPERATOR,
    "spawn_failed": _AGAIN,
    "start_conflict": ("Stop it first, or replace it: --replace on the command line, ?replace=true in a request."),
    "step_failed": _AGAIN,
    "storage_in_use": "Stop the other one first.",
    "storage_kept": "Tell an administrator if you want the storage deleted all the same.",
    "storage_not_ours": _ADMINISTRATOR,
    "tls_unsupported": _ADMINISTRATOR,
    "too_many_requests": "Wait a minute, then start it again.",
    "too_many_spawns": "Stop something that you do not need.",
    "unauthenticated": _CREDENTIALS,
    "undeclared_call": _ADMINISTRATOR,
    "unschedulable": "Choose something smaller, or try again later, when others have stopped theirs.",
    "untolerated_taint": f"{_KIND}: the machines are reserved, or closed for now.",
    "user_conflict": "Tell an administrator: your ids in the user directory differ from those that the service knows.",
    "spawn_not_found": "Check how its kind and name are written. A list of the user's spawns has both.",
    "user_not_found": "Check how the name is written; the service knows only users who have started something.",
    "volume_unavailable": f"{_SOON[:-1]}: its storage cannot be used.",
    "volumes_kept": "Delete the storage explicitly (purge=storage) if you do not need it; that cannot be undone.",
}


def advice(code: str) -> str | None:
    """Return the advice for a code, or None if there is none."""
    return ADVICE.get(code)
