"""KubeSpawner's traits and their counterparts: the table behind the command and its page."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """The outcome of the migration for one trait."""

    SETTING = "setting"
    """A setting of the service; the command carries its value."""
    HUB = "Hub"
    """A trait of JupyterHub or of our spawner: it stays in jupyterhub_config.py."""
    MANUAL = "by hand"
    """spawnpenny has a substitute, but the value cannot be carried over."""
    NONE = "not needed"
    """The trait has no effect any more."""


@dataclass(frozen=True, slots=True)
class Trait:
    """A trait of KubeSpawner; ``to`` is the setting, the trait of our spawner, or the substitute."""

    name: str
    outcome: Outcome
    to: str
    note: str = ""


def _lab(name: str, note: str = "") -> Trait:
    return Trait(name, Outcome.SETTING, f"plugins.lab.{name}", note)


def _storage(name: str, key: str, note: str = "") -> Trait:
    return Trait(name, Outcome.SETTING, f"plugins.storage.{key}", note)


def _hub(name: str, note: str = "") -> Trait:
    return Trait(name, Outcome.HUB, f"c.SpawnpennySpawner.{name}", note)


def _manual(name: str, to: str, note: str = "") -> Trait:
    return Trait(name, Outcome.MANUAL, to, note)


def _none(name: str, note: str) -> Trait:
    return Trait(name, Outcome.NONE, "", note)


_USER = "instead of a callable: values for a user come from the authenticator or from commissioning"
_IN_USER_NAMESPACE = "the objects that it names have to exist in each user's namespace"
_API = "the Hub does not connect to Kubernetes"
_NAMES = "the names of pods, Services and Secrets follow from the lab's name"
_HOOK = "what it sets for the pod has no effect: a plugin does that with spawnpenny_overrides"

_POD: Final = (
    _lab("image", "`pods.images` limits the allowed images"),
    _lab("image_pull_policy"),
    _lab("image_pull_secrets", _IN_USER_NAMESPACE),
    _lab("cmd"),
    _lab("args"),
    _lab("working_dir"),
    _lab("notebook_dir"),
    _lab("default_url"),
    _lab("port"),
    _lab("environment", "a callable stays in `c.SpawnpennySpawner.environment`"),
    _lab("lifecycle_hooks"),
    _lab("delete_grace_period", "the default is 10 seconds, not 1"),
    _lab("cpu_limit"),
    _lab("cpu_guarantee"),
    _lab("mem_limit"),
    _lab("mem_guarantee"),
    _lab("extra_resource_limits"),
    _lab("extra_resource_guarantees"),
    _lab("volumes", "the user's own claim is `plugins.storage`'s; " + _IN_USER_NAMESPACE),
    _lab("volume_mounts", "the user's own claim is mounted at `plugins.storage.mount_path`"),
    _lab("init_containers"),
    _lab("extra_containers"),
    _lab("extra_container_config"),
    _lab("extra_pod_config"),
    _lab("slug_scheme", "in `plugins.storage`, name the slug in the template: `{escaped_username}`"),
    _lab("component_label"),
    _lab("common_labels"),
    _lab("extra_labels"),
    _lab("extra_annotations"),
    _lab("node_selector"),
    _lab("tolerations"),
    _lab("node_affinity_preferred"),
    _lab("node_affinity_required"),
    _lab("pod_affinity_preferred"),
    _lab("pod_affinity_required"),
    _lab("pod_anti_affinity_preferred"),
    _lab("pod_anti_affinity_required"),
    _lab("scheduler_name"),
    _lab("priority_class_name"),
    _lab("uid", _USER),
    _lab("gid", _USER),
    _lab("fs_gid", _USER),
    _lab("supplemental_gids", _USER),
    _lab("privileged", "has to be opened in `pods.allow`"),
    _lab("allow_privilege_escalation", "has to be opened in `pods.allow`"),
    _lab("container_security_context", "merged over the hardened one; open what that refuses in `pods.allow`"),
    _lab("pod_security_context", "merged over the hardened one; open what that refuses in `pods.allow`"),
    _lab("service_account", _IN_USER_NAMESPACE),
    _lab("automount_service_account_token", "has to be opened in `pods.allow`"),
    _lab(
        "profile_list",
        "instead of a callable: a list, which a plugin filters or replaces by user with spawnpenny_profiles",
    ),
)
_STORAGE: Final = (
    Trait("storage_pvc_ensure", Outcome.SETTING, "plugins.storage", "claims are made if the plugin is loaded"),
    _storage("storage_capacity", "capacity"),
    _storage("storage_class", "storage_class"),
    _storage("storage_access_modes", "access_modes"),
    _storage("storage_selector", "selector"),
    _storage("storage_extra_labels", "extra_labels"),
    _storage("storage_extra_annotations", "extra_annotations"),
    _storage("pvc_name_template", "pvc_name_template", "`plugins.storage.per` sets whether labs share a claim"),
    _storage("delete_pvc", "retain", "with the opposite meaning; the Hub's token also needs the scope `purge`"),
    _none("remember_pvc_name", "a claim's name follows from the template; the script moves volumes to it"),
    _none("handle_legacy_names", "the script moves volumes to the current names"),
)
_NAMESPACES: Final = (
    _none("enable_user_namespaces", "each user has a namespace"),
    Trait(
        "user_namespace_template",
        Outcome.SETTING,
        "namespaces.prefix",
        "only the prefix: the user's safe slug follows it",
    ),
    _manual("user_namespace_labels", "broker.labels", "in the broker's own settings, the same for all users"),
    _manual("user_namespace_annotations", "broker.annotations", "in the broker's own settings, the same for all users"),
    _none("namespace", "each user has a namespace"),
)
_PLACES: Final = (
    _none("pod_name_template", _NAMES),
    _none("dns_name_template", _NAMES),
    _none("secret_name_template", _NAMES),
    _none("secret_mount_path", "certificates are mounted in a fixed folder, which the environment names"),
    _none("services_enabled", "a lab that serves TLS has a Service; others are reached at their pod's address"),
    _none("pod_connect_ip", "the service reports the URL of a lab"),
    _none("get_pod_url", "the service reports the URL of a lab"),
    Trait("ip", Outcome.HUB, "c.SpawnpennySpawner.ip"),
    Trait("hub_connect_ip", Outcome.HUB, "c.JupyterHub.hub_connect_ip"),
    _manual("hub_connect_port", "c.SpawnpennySpawner.hub_connect_url", "deprecated since JupyterHub 0.8"),
)
_HOOKS: Final = (
    _manual("modify_pod_hook", "spawnpenny_pod_patch", "a plugin's hook: it returns additions to the pod as data"),
    _manual("after_pod_created_hook", "spawnpenny_steps", "a plugin's step that needs `lab.pod`"),
    _manual("profile_form_template", "spawnpenny_form", "the service makes the form from fields"),
    _manual("additional_profile_form_template_paths", "spawnpenny_form", "the service makes the form from fields"),
)
_API_OF_KUBERNETES: Final = (
    _none("k8s_api_host", _API),
    _none("k8s_api_ssl_ca_cert", _API),
    _none("k8s_api_verify_ssl", _API),
    _none("k8s_api_threadpool_workers", "without effect since KubeSpawner 3"),
    _none("k8s_api_request_timeout", _API),
    _none("k8s_api_request_retry_timeout", f"{_API}; `c.SpawnpennySpawner.patience` limits requests to the service"),
    _none("events_enabled", "events are always shown"),
    _none("delete_stopped_pods", "the pod of a lab that has ended is always deleted"),
    _none("slow_spawn_message", "the progress shows what a spawn waits for, and why"),
    _none("slow_spawn_message_threshold", "the progress shows what a spawn waits for, and why"),
    _none("slow_spawn_message_frequency", "the progress shows what a spawn waits for, and why"),
)
_OF_JUPYTERHUB: Final = (
    _hub("apply_user_options", _HOOK),
    _hub("auth_state_hook"),
    _hub("consecutive_failure_limit", "a refusal of the service never counts"),
    _hub("debug"),
    _hub("disable_user_config"),
    _hub("env_keep"),
    _hub("group_overrides", _HOOK),
    _hub("http_timeout"),
    _hub("hub_connect_url"),
    _hub("oauth_client_allowed_scopes"),
    _hub("oauth_roles"),
    _hub("options_form", "without it, the service's form is shown"),
    _hub("options_from_form", "it returns the options that the service checks"),
    _hub("poll_interval"),
    _hub("poll_jitter"),
    _hub("post_stop_hook"),
    _hub("pre_spawn_hook", _HOOK),
    _hub("progress_ready_hook"),
    _hub("server_token_scopes"),
    _hub("ssl_alt_names"),
    _hub("ssl_alt_names_include_local"),
    _hub("start_timeout", "the service has its own limit, `deadlines.spawn`; the shorter one applies"),
)
TRAITS: Final = {
    trait.name: trait
    for group in (_POD, _STORAGE, _NAMESPACES, _PLACES, _HOOKS, _API_OF_KUBERNETES, _OF_JUPYTERHUB)
    for trait in group
}
RENAMED: Final = {
    "image_spec": "image",
    **{
        f"singleuser_{name}": name
        for name in (
            *("working_dir", "service_account", "extra_labels", "extra_annotations", "image_pull_policy"),
            *("image_pull_secrets", "node_selector", "uid", "fs_gid", "supplemental_gids", "privileged"),
            *("extra_pod_config", "init_containers", "extra_container_config", "extra_containers"),
        )
    },
    "singleuser_image_spec": "image",
    "user_storage_class": "storage_class",
    "user_storage_pvc_ensure": "storage_pvc_ensure",
    "user_storage_capacity": "storage_capacity",
    "user_storage_extra_labels": "storage_extra_labels",
    "user_storage_access_modes": "storage_access_modes",
}
"""Old names that KubeSpawner still accepts, with their current names."""


def table() -> str:
    """Return the table of the page ``from-kubespawner``."""
    rows = (
        f"| `{trait.name}` | {trait.outcome} | {f'`{trait.to}`' if trait.to else ''} | {trait.note} |"
        for trait in TRAITS.values()
    )
    return "\n".join(("| KubeSpawner | becomes | here | notes |", "|---|---|---|---|", *rows))
