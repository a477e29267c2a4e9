"""The manifest of a cluster's pod, as far as schedulers and workers share it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from spawnpenny.api import (
    CONTROL_TOKEN,
    ROUTE_LABEL,
    SCHEDULER,
    WORKER,
    Manifest,
    PlannedSpawn,
    User,
    expand_all,
    format_quantity,
    hardened_container,
    overlaid,
)
from spawnpenny_dask.design import Design
from spawnpenny_dask.roles import Role
from spawnpenny_dask.settings import DaskSettings

CONTROL_PORT: Final = 8788
FILES: Final = "/etc/spawnpenny-dask"
"""The folder in a pod with the files of the cluster's Secret."""
LAUNCH: Final = "spawnpenny_launch.py"
PRELOADS: Final = {
    SCHEDULER: ("spawnpenny_control.py", "spawnpenny_nannies.py", "spawnpenny_dashboard.py"),
    WORKER: ("spawnpenny_worker.py",),
}
"""Files of the cluster's Secret that distributed loads into the processes of a role."""
JOIN_TOKEN: Final = "join"  # noqa: S105 - the name of a file
"""The key, in the cluster's Secret, of the token by which a waiting worker accepts the scheduler's address."""
POD_IP: Final = "$(SPAWNPENNY_POD_IP)"
_VARIABLE: Final = "env."
_GRACE: Final = {SCHEDULER: 10, WORKER: 30}
"""The default grace periods. In its own, a deleted worker hands over its data."""


def launched(program: str) -> list[str]:
    """Return the command that runs a program of distributed by our launcher."""
    return ["python", f"{FILES}/{LAUNCH}", f"distributed.cli.{program}"]


def pod_host(pod: Manifest) -> str:
    """Return a pod's address for a URL; empty if it has none yet."""
    address = pod.get("status", {}).get("podIP") or ""
    return f"[{address}]" if ":" in address else address


def variable_key(name: str) -> str:
    """Return the key of a user's variable in the cluster's Secret."""
    return f"{_VARIABLE}{name}"


class PodManifest:
    """Builder of the manifest of one pod.

    ``role`` is the name of the role, ``means`` its settings, and ``allowed`` the setting ``pods.allow``.
    """

    def __init__(
        self,
        spawn: PlannedSpawn,
        design: Design,
        settings: DaskSettings,
        role: str,
        means: Role,
        allowed: Collection[str],
        *,
        further_files: Sequence[str] = (),
    ) -> None:
        self._spawn = spawn
        self._design = design
        self._settings = settings
        self._role = role
        self._means = means
        self._allowed = allowed
        self._further_files = further_files

    @property
    def grace(self) -> int:
        """The grace period in seconds."""
        chosen = self._means.extra_pod_config.get("terminationGracePeriodSeconds")
        return _GRACE[self._role] if chosen is None else int(chosen)

    def manifest(
        self,
        name: str,
        container: Manifest,
        *,
        variables: Sequence[Manifest],
        ours: Mapping[str, str],
        annotations: Mapping[str, str],
    ) -> Manifest:
        """Return the pod. User and site may override ``variables``, but not ``ours``."""
        fields = self._spawn.fields
        labels = {
            "app.kubernetes.io/name": "dask",
            "app.kubernetes.io/component": self._role,
            "app.kubernetes.io/managed-by": "spawnpenny",
            "dask.org/component": self._role,
            "dask.org/cluster-name": self._spawn.names.lab,
            **({ROUTE_LABEL: "true"} if self._role == SCHEDULER else {}),
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "labels": {**expand_all(self._means.extra_labels, fields), **labels},
                "annotations": {**annotations, **expand_all(self._means.extra_annotations, fields)},
            },
            "spec": self._spec(self._container(container, variables, ours)),
        }

    def _spec(self, container: Manifest) -> Manifest:
        spec: Manifest = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": self.grace,
            "securityContext": _security(self._spawn.user),
            "containers": [container],
            "volumes": [{"name": "spawnpenny-dask", "secret": self._files()}],
        }
        further = {
            "nodeSelector": dict(self._means.node_selector),
            "tolerations": list(self._means.tolerations),
            "priorityClassName": self._means.priority_class_name,
            "imagePullSecrets": [{"name": name} for name in self._settings.image_pull_secrets],
        }
        spec |= {key: value for key, value in further.items() if value}
        spec = overlaid(spec, expand_all(self._means.extra_pod_config, self._spawn.fields))
        of_pod = {"runAsNonRoot": spec["securityContext"]["runAsUser"] != 0, **spec["securityContext"]}
        for kind in ("containers", "initContainers"):
            if spec.get(kind):
                spec[kind] = [hardened_container(one, of_pod=of_pod, allowed=self._allowed) for one in spec[kind]]
        return {**spec, "securityContext": of_pod}

    def _container(self, own: Manifest, variables: Sequence[Manifest], ours: Mapping[str, str]) -> Manifest:
        means, settings = self._means, self._settings
        container = {
            "name": self._role,
            "image": self._design.image,
            **own,
            "env": self._env(variables, ours),
            "resources": {"limits": {"cpu": format_quantity(means.cores), "memory": format_quantity(means.memory)}},
            "volumeMounts": [{"name": "spawnpenny-dask", "mountPath": FILES, "readOnly": True}],
        }
        further = {"imagePullPolicy": settings.image_pull_policy, "command": list(settings.command)}
        container |= {key: value for key, value in further.items() if value}
        return overlaid(container, expand_all(means.extra_container_config, self._spawn.fields))

    def _env(self, variables: Sequence[Manifest], ours: Mapping[str, str]) -> list[Manifest]:
        secret = self._spawn.names.base
        users = [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": variable_key(name)}}}
            for name in sorted(self._design.environment)
        ]
        sites = [{"name": name, "value": value} for name, value in sorted(self._settings.environment.items())]
        address = {"name": "SPAWNPENNY_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
        own = [{"name": name, "value": value} for name, value in {**self._tls(), **ours}.items()]
        by_name = {variable["name"]: variable for variable in [*variables, *users, *sites, address, *own]}
        return list(by_name.values())

    def _tls(self) -> dict[str, str]:
        prefix = "DASK_DISTRIBUTED__COMM"
        certificate, key = f"{FILES}/{self._role}.crt", f"{FILES}/{self._role}.key"
        tls = {f"{prefix}__REQUIRE_ENCRYPTION": "True", f"{prefix}__TLS__CA_FILE": f"{FILES}/ca.crt"}
        for role in (self._role, "client"):  # a task may be a client of its own cluster
            tls |= {f"{prefix}__TLS__{role.upper()}__CERT": certificate, f"{prefix}__TLS__{role.upper()}__KEY": key}
        return tls

    def _files(self) -> Manifest:
        token = [CONTROL_TOKEN] if self._role == SCHEDULER else []
        own = ["ca.crt", f"{self._role}.crt", f"{self._role}.key", *token, *self._further_files]
        keys = [*own, LAUNCH, *PRELOADS[self._role]]
        items = [{"key": key, "path": key} for key in keys]
        return {"secretName": self._spawn.names.base, "defaultMode": 0o440, "items": items}


def _security(user: User) -> dict[str, Any]:
    return {
        "runAsUser": user.uid,
        "runAsGroup": user.gid,
        "fsGroup": user.gid,
        "supplementalGroups": [group.id for group in user.groups],
        "seccompProfile": {"type": "RuntimeDefault"},
    }
