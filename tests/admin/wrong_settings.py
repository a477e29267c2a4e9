"""Settings that are wrong, each in one way: what they change of settings that are right, and why nothing starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HASH = "0123456789abcdef" * 4
RIGHT: dict[str, Any] = {
    "tokens": {"hub": {"sha256": HASH, "scopes": ["read:any", "delete:any", "spawn:any"]}},
    "plugins": {"namespace": {}, "quota": {}, "user": {}, "lab": {}},
}
CHOWN = {"name": "chown", "image": "spawnpenny/lab", "command": ["chown", "1000", "/home"]}
ROOT = {"securityContext": {"runAsUser": 0}}
DROPPED = {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False}


@dataclass(frozen=True)
class Wrong:
    """Wrong settings: what is changed, by path, and the setting that the rehearsal names.

    ``spawn`` says how a first spawn ends: ``refused`` at once, ``failed``, ``no service``; ``starts`` where only some
    choices, or some names, are at fault; ``hub`` where the caller is refused; ``kubelet`` where only a real node tells.
    """

    title: str
    changes: dict[str, Any]
    names: str = ""
    spawn: str = "failed"


def lab(**section: Any) -> dict[str, Any]:
    return {"plugins.lab": section}


WRONG = [
    # What newcomers met (check called each of these good).
    Wrong(
        "a mount of a volume that is not there",
        lab(volume_mounts=[{"name": "a", "mountPath": "/a"}]),
        "plugins.lab.volume_mounts.0.name",
    ),
    Wrong(
        "a quota smaller than the only size", {"plugins.quota": {"memory": "1Gi"}}, "plugins.quota.memory", "refused"
    ),
    Wrong("an image that no pattern allows", {"pods": {"images": ["quay.io/*"]}}, "pods.images"),
    Wrong("an nfs volume, not opened", lab(volumes=[{"name": "a", "nfs": {"server": "s", "path": "/"}}]), "pods.allow"),
    Wrong("a root init container, not opened", lab(init_containers=[CHOWN | ROOT]), "pods.allow"),
    Wrong(
        "openings against broker.pod_security",
        {"pods": {"allow": ["nfs", "root"]}, **lab(volumes=[{"name": "a", "nfs": {"server": "s", "path": "/"}}])},
        "broker.pod_security",
        "kubelet",
    ),
    Wrong(
        "a Hub's token that may not start, and no plugin that knows users",
        {"tokens": {"hub": {"sha256": HASH, "scopes": ["read:any", "delete:any"]}}},
        "tokens",
        "hub",
    ),
    # Siblings: openings.
    Wrong("a hostPath volume, not opened", lab(volumes=[{"name": "a", "hostPath": {"path": "/data"}}]), "pods.allow"),
    Wrong("a mounted service account token, not opened", lab(automount_service_account_token=True), "pods.allow"),
    Wrong("privileged, not opened", lab(privileged=True, allow_privilege_escalation=None), "pods.allow"),
    Wrong("the lab as root by uid 0", lab(uid=0), "pods.allow"),
    Wrong(
        "a capability, not opened",
        lab(container_security_context={"capabilities": {"add": ["SYS_PTRACE"]}}),
        "pods.allow",
    ),
    Wrong("the host's network, not opened", lab(extra_pod_config={"hostNetwork": True}), "pods.allow"),
    # Images.
    Wrong(
        "the image of a sidecar that no pattern allows",
        {"pods": {"images": ["spawnpenny/*"]}, **lab(extra_containers=[{"name": "side", "image": "busybox"}])},
        "pods.images",
    ),
    Wrong("no image pattern at all", {"pods": {"images": []}}, "pods.images"),
    # Amounts.
    Wrong("more cores than the quota", lab(cpu_limit=16), "plugins.quota.cpu", "refused"),
    Wrong("a quota of no labs", {"plugins.quota": {"labs": 0}}, "plugins.quota.labs", "refused"),
    Wrong(
        "a sidecar over the quota",
        lab(extra_containers=[{"name": "s", "image": "spawnpenny/lab", "resources": {"limits": {"memory": "32Gi"}}}]),
        "plugins.quota.memory",
        "refused",
    ),
    Wrong(
        "one profile of two over the quota",
        lab(profile_list=[{"display_name": "A"}, {"display_name": "B", "kubespawner_override": {"mem_limit": "64G"}}]),
        "plugins.quota.memory",
        "starts",
    ),
    Wrong("a guarantee above the limit", lab(mem_limit="1G", mem_guarantee="2G"), "plugins.lab"),
    Wrong(
        "a resource without a domain", lab(extra_resource_limits={"gpu": 1}), "plugins.lab.extra_resource_limits.gpu"
    ),
    Wrong(
        "a GPU asked for and not limited",
        lab(extra_resource_guarantees={"nvidia.com/gpu": 1}),
        "plugins.lab.extra_resource_guarantees.nvidia.com/gpu",
    ),
    # Volumes and mounts.
    Wrong(
        "two mounts at one path",
        lab(
            volumes=[{"name": "a", "emptyDir": {}}],
            volume_mounts=[{"name": "a", "mountPath": "/a"}, {"name": "a", "mountPath": "/a"}],
        ),
        "plugins.lab.volume_mounts.0.mountPath",
    ),
    Wrong(
        "two volumes of one name",
        lab(volumes=[{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]),
        "plugins.lab.volumes.0.name",
    ),
    Wrong(
        "a volume with capitals in its name",
        lab(volumes=[{"name": "Data_1", "emptyDir": {}}]),
        "plugins.lab.volumes.0.name",
    ),
    Wrong("a volume from nowhere", lab(volumes=[{"name": "a"}]), "plugins.lab.volumes.0.name"),
    Wrong(
        "a misspelt key inside of a volume",
        {
            "pods": {"allow": ["nfs"]},
            "broker": {"pod_security": "baseline"},
            **lab(volumes=[{"name": "a", "nfs": {"servr": "s", "path": "/"}}]),
        },
        "plugins.lab.volumes.0.name",
    ),
    Wrong(
        "a subPath that leaves its volume",
        lab(
            volumes=[{"name": "a", "emptyDir": {}}], volume_mounts=[{"name": "a", "mountPath": "/a", "subPath": "../b"}]
        ),
        "plugins.lab.volume_mounts.0.subPath",
    ),
    Wrong(
        "an init container that mounts what is not there",
        lab(init_containers=[CHOWN | {"volumeMounts": [{"name": "home", "mountPath": "/home"}]}]),
        "plugins.lab.init_containers.0.volumeMounts.0.name",
    ),
    # Labels, names, variables.
    Wrong("a label that is none", lab(extra_labels={"team": "data science"}), "plugins.lab.extra_labels.team"),
    Wrong("a label's name that is none", lab(extra_labels={"my team": "a"}), "plugins.lab.extra_labels.my team"),
    Wrong(
        "an annotation's name that is none",
        lab(extra_annotations={"note for all": "a"}),
        "plugins.lab.extra_annotations.note for all",
    ),
    Wrong(
        "a label that unusual names do not fit",
        lab(extra_labels={"owner": "{unescaped_username}"}),
        "plugins.lab.extra_labels.owner",
        "starts",
    ),
    Wrong(
        "a volume's name that long names do not fit",
        lab(volumes=[{"name": "volume-of-{escaped_user_server}", "emptyDir": {}}]),
        "plugins.lab.volumes.0.name",
        "starts",
    ),
    Wrong("a node selector with a space", lab(node_selector={"pool": "big ones"}), "plugins.lab.node_selector.pool"),
    Wrong(
        "a toleration of an unknown effect",
        lab(tolerations=[{"key": "a", "operator": "Exists", "effect": "NoWay"}]),
        "plugins.lab.tolerations.0.effect",
    ),
    Wrong("a variable's name with a space", lab(environment={"MY VAR": "a"}), "plugins.lab.environment.MY VAR"),
    Wrong("a priority class with capitals", lab(priority_class_name="Labs"), "plugins.lab.priority_class_name"),
    # Containers.
    Wrong(
        "two containers of one name",
        lab(extra_containers=[{"name": "notebook", "image": "a"}]),
        "plugins.lab.extra_containers.0.name",
    ),
    Wrong(
        "a container's name with capitals",
        lab(extra_containers=[{"name": "Side", "image": "spawnpenny/lab"}]),
        "plugins.lab.extra_containers.0.name",
    ),
    Wrong(
        "a hook with two actions",
        lab(lifecycle_hooks={"postStart": {"exec": {"command": ["a"]}, "httpGet": {"port": 1}}}),
        "plugins.lab.lifecycle_hooks.postStart",
    ),
    Wrong(
        "a probe with two actions",
        lab(extra_container_config={"readinessProbe": {"tcpSocket": {"port": 8888}}}),
        "plugins.lab.extra_container_config.readinessProbe",
    ),
    Wrong(
        "a pull policy that is none",
        lab(extra_containers=[{"name": "s", "image": "spawnpenny/lab", "imagePullPolicy": "Sometimes"}]),
        "plugins.lab.extra_containers.0.imagePullPolicy",
    ),
    # Storage.
    Wrong(
        "a storage class with capitals",
        {"plugins.storage": {"storage_class": "Fast_Class"}},
        "plugins.storage.storage_class",
    ),
    Wrong(
        "a storage label that is none",
        {"plugins.storage": {"extra_labels": {"team": "data science"}}},
        "plugins.storage.extra_labels.team",
    ),
    Wrong("storage of nothing", {"plugins.storage": {"capacity": 0}}, "plugins.storage.capacity"),
    Wrong(
        "storage where a volume is mounted",
        {
            "plugins.storage": {"mount_path": "/data"},
            **lab(volumes=[{"name": "a", "emptyDir": {}}], volume_mounts=[{"name": "a", "mountPath": "/data"}]),
        },
        "plugins.storage",
    ),
    # The service.
    Wrong("no time for a start", {"deadlines": {"spawn": 0.01}}, "deadlines.spawn"),
    Wrong("no plugin that makes anything", {"plugins": {"namespace": {}, "quota": {}}}, "plugins", "no lab"),
    Wrong(
        "a Secret that nothing makes",
        lab(environment={"DB": {"name": "DB", "valueFrom": {"secretKeyRef": {"name": "db", "key": "k"}}}}),
        "cluster",
        "kubelet",
    ),
    # What check refused before.
    Wrong("an unknown key of a plugin", {"plugins.quota": {"cpus": 1}}, "plugins.quota.cpus", "no service"),
    Wrong("an unknown opening", {"pods": {"allow": ["hostPth"]}}, "pods.allow", "no service"),
    Wrong("a plugin whose need is not there", {"plugins": {"quota": {}, "lab": {}}}, "namespace", "no service"),
    Wrong("a template of no field", lab(extra_labels={"a": "{user}"}), "plugins.lab.extra_labels", "no service"),
]


def settings_of(wrong: Wrong) -> dict[str, Any]:
    """Return whole settings with the changes in them."""
    data = {**RIGHT, "plugins": {**RIGHT["plugins"]}}
    for path, value in wrong.changes.items():
        section, _, name = path.partition(".")
        if name:
            data[section] = {**data[section], name: value}
        else:
            data[section] = value
    return data
