"""The manifests of a cluster: pure functions of the spawn and its design."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from spawnpenny.api import (
    CONTROL_PORT_NAME,
    CONTROL_TOKEN,
    DASHBOARD_PORT_NAME,
    DEFAULT_GROUP,
    PART,
    SCHEDULER,
    SCHEDULER_PORT_NAME,
    WORKER,
    WORKER_GROUP,
    Manifest,
    PlannedSpawn,
    User,
    expand_all,
    format_quantity,
    hardened_container,
    overlaid,
)
from spawnpenny_dask.choice import Design
from spawnpenny_dask.roles import Role, WorkerRole
from spawnpenny_dask.settings import DaskSettings

SCHEDULER_PORT: Final = 8786
DASHBOARD_PORT: Final = 8787
CONTROL_PORT: Final = 8788
FILES: Final = "/etc/spawnpenny-dask"
"""Where a pod finds what the cluster's Secret has for it."""
LAUNCH: Final = "spawnpenny_launch.py"
PRELOADS: Final = {
    SCHEDULER: ("spawnpenny_control.py", "spawnpenny_nannies.py", "spawnpenny_dashboard.py"),
    WORKER: ("spawnpenny_worker.py",),
}
"""Files that distributed loads into the processes of a role, from the cluster's Secret."""
DEATH_TIMEOUT: Final = 60
JOIN_TOKEN: Final = "join"  # noqa: S105 - the name of a file
"""The key of the cluster's Secret with the token that a waiting worker takes the scheduler's address by."""
AWAITS_SCHEDULER: Final = "spawnpenny.io/awaits-scheduler"
"""An annotation of workers that are made before their scheduler has an address: the service sends it to them."""
_IP: Final = "$(SPAWNPENNY_POD_IP)"
_VARIABLE: Final = "env."
_GRACE: Final = {SCHEDULER: 10, WORKER: 30}
"""Seconds to end: a worker that is ordered away moves its data in that time."""
_ROUTES: Final = ("prometheus", "info", "json")
"""Of the scheduler's own HTTP routes; ``api``, which anybody could retire workers with, is not among them."""
_OF_WORKERS: Final = {
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""What a nanny sets for its worker (``distributed.nanny.pre-spawn-environ``), and nobody else does."""


def scheduler_pod(
    spawn: PlannedSpawn, design: Design, settings: DaskSettings, allowed: Collection[str] = ()
) -> Manifest:
    """Return the scheduler's pod. It is Ready when it takes connections.

    ``allowed`` is the setting ``pods.allow``, from which containers that may be root have their capabilities.
    """
    role = design.scheduler
    preloads = [part for file in PRELOADS[SCHEDULER] for part in ("--preload", f"{FILES}/{file}")]
    arguments = [
        *([*role.program, *preloads] if role.program else _launched("dask_scheduler")),
        *("--protocol", "tls", "--host", _IP, "--port", str(SCHEDULER_PORT)),
        *("--no-dashboard", "--dashboard-address", f"{_IP}:{DASHBOARD_PORT}"),  # a preload adds it later
        *expand_all(role.args, spawn.fields),
    ]
    container: Manifest = {
        "args": arguments,
        "terminationMessagePolicy": "FallbackToLogsOnError",  # or nobody hears why, as of an image without distributed
        "ports": [
            {"name": SCHEDULER_PORT_NAME, "containerPort": SCHEDULER_PORT},
            {"name": DASHBOARD_PORT_NAME, "containerPort": DASHBOARD_PORT},
            {"name": CONTROL_PORT_NAME, "containerPort": CONTROL_PORT},
        ],
        "readinessProbe": {
            "httpGet": {"path": "/health", "port": CONTROL_PORT_NAME},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
        },
    }
    routes = [*(f"distributed.http.scheduler.{route}" for route in _ROUTES), "distributed.http.health"]
    ours = {
        "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES": repr([*routes, "distributed.http.statics"]),
        "SPAWNPENNY_NANNY": str(any(_may_have_nanny(design.of(group).worker) for group in design.group_names)),
    }
    pod = _Pod(spawn, design, settings, SCHEDULER, role, allowed)
    # An autoscaler that moves a scheduler ends the cluster.
    annotations = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    return pod.manifest(spawn.names.base, container, variables=[], ours=ours, annotations=annotations)


def worker_pod(
    spawn: PlannedSpawn,
    design: Design,
    settings: DaskSettings,
    allowed: Collection[str] = (),
    *,
    name: str,
    scheduler: str | None,
    group: str = DEFAULT_GROUP,
) -> Manifest:
    """Return the pod of a worker of this name, for the scheduler at an address (``tls://host:port``).

    Without an address it waits until it is sent one: see ``can_wait``.
    """
    design = design.of(group)
    role = design.worker
    arguments = [
        *(role.program or _launched("dask_worker")),
        *((scheduler,) if scheduler else ()),
        *("--host", _IP, "--name", name),
        *("--nthreads", str(role.nthreads), "--memory-limit", str(role.memory_limit)),
        *(() if role.program else ("--nanny" if role.nanny else "--no-nanny", "--no-dashboard")),
        *("--dashboard-address", f"{_IP}:0", "--death-timeout", str(DEATH_TIMEOUT)),
        *(("--worker-class", role.worker_class) if role.worker_class else ()),
        *(("--resources", _resources(role)) if role.resources else ()),
        *expand_all(role.args, spawn.fields),
    ]
    variables = [{"name": key, "value": value} for key, value in _OF_WORKERS.items()] if not role.nanny else []
    pod = _Pod(spawn, design, settings, WORKER, role, allowed, further_files=() if scheduler else (JOIN_TOKEN,))
    # A command of the site's own finds its scheduler by the first, and Dask clients of tasks do.
    known = {"DASK_SCHEDULER_ADDRESS": scheduler} if scheduler else {"SPAWNPENNY_AWAITS_SCHEDULER": "True"}
    ours = {**known, "SPAWNPENNY_WORKER_NAME": name, "SPAWNPENNY_GRACE": str(pod.grace)}
    container: Manifest = {"args": arguments, "terminationMessagePolicy": "FallbackToLogsOnError"}
    if not scheduler:
        container["ports"] = [{"name": CONTROL_PORT_NAME, "containerPort": CONTROL_PORT}]
    annotations = {} if scheduler else {AWAITS_SCHEDULER: "true"}
    manifest = pod.manifest(name, container, variables=variables, ours=ours, annotations=annotations)
    manifest["metadata"]["labels"] |= {PART: WORKER, **({WORKER_GROUP: group} if group != DEFAULT_GROUP else {})}
    return manifest


def can_wait(role: WorkerRole) -> bool:
    """Say whether a worker can be made before its scheduler has an address: where our launcher starts it."""
    return not role.program and not {"command", "args"} & role.extra_container_config.keys()


def awaits_scheduler(pod: Manifest) -> bool:
    """Say whether a worker was made to wait for its scheduler's address."""
    return AWAITS_SCHEDULER in (pod["metadata"].get("annotations") or {})


def _launched(program: str) -> list[str]:
    return ["python", f"{FILES}/{LAUNCH}", f"distributed.cli.{program}"]


def _may_have_nanny(role: WorkerRole) -> bool:
    """Return whether workers have a nanny, as far as that is known of a program of the site's own."""
    return role.nanny or bool(role.program)


def _resources(role: WorkerRole) -> str:
    return " ".join(f"{name}={amount:g}" for name, amount in role.resources.items())


def scheduler_url(pod: Manifest) -> str:
    """Return where a scheduler takes connections, of a pod that has an address."""
    return f"tls://{pod_host(pod)}:{SCHEDULER_PORT}"


def pod_host(pod: Manifest) -> str:
    """Return a pod's address as it stands in a URL; empty where it has none yet."""
    address = pod.get("status", {}).get("podIP") or ""
    return f"[{address}]" if ":" in address else address


def variable_key(name: str) -> str:
    """Return under which key the cluster's Secret has a variable of the user's."""
    return f"{_VARIABLE}{name}"


class _Pod:
    """Base of the pods of a cluster."""

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
        """Seconds that it gets to end by itself."""
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
        """Return the pod; ``variables`` may be set otherwise by the user and the site, ``ours`` not."""
        fields = self._spawn.fields
        labels = {
            "app.kubernetes.io/name": "dask",
            "app.kubernetes.io/component": self._role,
            "app.kubernetes.io/managed-by": "spawnpenny",
            "dask.org/component": self._role,
            "dask.org/cluster-name": self._spawn.names.lab,
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
                spec[kind] = [hardened_container(each, of_pod=of_pod, allowed=self._allowed) for each in spec[kind]]
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
        by_name = {each["name"]: each for each in [*variables, *users, *sites, address, *own]}
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
