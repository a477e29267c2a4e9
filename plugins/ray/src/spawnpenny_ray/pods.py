"""The manifests of a cluster's pods."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from spawnpenny.api import (
    DASHBOARD_PORT_NAME,
    PART,
    ROUTE_LABEL,
    WORKER,
    Manifest,
    PlannedSpawn,
    User,
    format_quantity,
    hardened_container,
)
from spawnpenny_ray.access import (
    CLIENT_PORT,
    DASHBOARD_PORT,
    HEAD_LABELS,
    agent_port,
    gcs_port,
    shares_ports,
    token_mount,
    token_variables,
    token_volume,
)
from spawnpenny_ray.settings import RaySettings, Role

HEAD: Final = "head"
"""The container of a head's pod that decides whether the cluster runs."""
_POD_IP: Final = "$(SPAWNPENNY_POD_IP)"
_GRACE: Final = {HEAD: 5, WORKER: 30}
_DRAIN: Final = {HEAD: 0, WORKER: 20}
"""Seconds in which a deleted worker may finish its tasks; in the rest of its grace period it ends its processes."""


def head_pod(spawn: PlannedSpawn, settings: RaySettings, allowed: Collection[str] = ()) -> Manifest:
    """Return the head's pod. It is ready when it serves dashboard and workers; no task runs in it by itself."""
    arguments = [
        "--head",
        f"--port={gcs_port(spawn)}",
        f"--ray-client-server-port={CLIENT_PORT}",
        "--include-dashboard=true",
        f"--dashboard-host={_POD_IP}",
        f"--dashboard-port={DASHBOARD_PORT}",
        f"--dashboard-agent-listen-port={agent_port(spawn)}",
        "--num-cpus=0",
        "--num-gpus=0",
        "--disable-usage-stats",
    ]
    # A head's own node starts last, and a client that came before could not connect. The agent of that node says so.
    probe = {"httpGet": {"path": "/api/local_raylet_healthz", "port": "agent"}}
    container = {
        "ports": [
            {"name": "client", "containerPort": CLIENT_PORT},
            {"name": DASHBOARD_PORT_NAME, "containerPort": DASHBOARD_PORT},
            {"name": "agent", "containerPort": agent_port(spawn)},
        ],
        "readinessProbe": {**probe, "periodSeconds": 1, "timeoutSeconds": 5},
    }
    pod = _pod(spawn, settings, HEAD, settings.head, [*arguments, *_sizes(settings.head)], container, allowed)
    pod["metadata"]["labels"] |= {ROUTE_LABEL: "true"}  # the proxy shows its dashboard
    pod["metadata"] |= {
        "name": spawn.names.base,
        # An autoscaler that moves a head ends the cluster.
        "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"},
    }
    return pod


def worker_pod(
    spawn: PlannedSpawn, settings: RaySettings, allowed: Collection[str] = (), *, name: str, head: str
) -> Manifest:
    """Return the pod of a worker, by its name, for a head at an address."""
    cpus = max(1, int(settings.worker.cores))
    arguments = [f"--address={head}:{gcs_port(spawn)}", f"--num-cpus={cpus}", *_sizes(settings.worker)]
    pod = _pod(spawn, settings, WORKER, settings.worker, arguments, {}, allowed)
    pod["metadata"]["name"] = name
    pod["metadata"]["labels"] |= {PART: WORKER}
    return pod


def pod_host(pod: Manifest) -> str:
    """Return a pod's address for a URL; empty if it has none yet."""
    address = pod.get("status", {}).get("podIP") or ""
    return f"[{address}]" if ":" in address else address


def _sizes(role: Role) -> list[str]:
    """Return the arguments by which Ray does not count the memory and cores of the whole machine."""
    return [f"--object-store-memory={role.object_store}", f"--memory={int(role.memory) - role.object_store}"]


def _pod(
    spawn: PlannedSpawn,
    settings: RaySettings,
    name: str,
    role: Role,
    arguments: Sequence[str],
    further: Manifest,
    allowed: Collection[str],
) -> Manifest:
    start = ["start", "--block", f"--node-ip-address={_POD_IP}", "--log-style=record", "--log-color=false"]
    if shares_ports(spawn):  # then no range of ports is free for the tasks of one node
        start += ["--min-worker-port=0", "--max-worker-port=0"]
    launch = (files(__package__) / "launch.py").read_text().replace("$", "$$")
    container = {
        "name": name,
        "image": settings.image or (spawn.caller.image if spawn.caller else settings.fallback_image),
        "args": ["python", "-c", launch, *start, *arguments],
        "env": _env(settings, name),
        "resources": {"limits": {"cpu": format_quantity(role.cores), "memory": format_quantity(role.memory)}},
        "volumeMounts": [token_mount(), {"name": "shm", "mountPath": "/dev/shm"}],  # noqa: S108 - the pod's own
        "terminationMessagePolicy": "FallbackToLogsOnError",
        **further,
    }
    if settings.image_pull_policy:
        container["imagePullPolicy"] = settings.image_pull_policy
    security = _security(spawn.user)
    shm = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(role.object_store + 2**20)}}
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE[name],
        "securityContext": security,
        "containers": [hardened_container(container, of_pod=security, allowed=allowed)],
        "volumes": [token_volume(), shm],
    }
    placement = {
        "nodeSelector": dict(role.node_selector),
        "tolerations": [dict(toleration) for toleration in role.tolerations],
        "priorityClassName": role.priority_class_name,
        "imagePullSecrets": [{"name": secret} for secret in settings.image_pull_secrets],
    }
    labels = {**HEAD_LABELS, "app.kubernetes.io/component": name, "app.kubernetes.io/managed-by": "spawnpenny"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": labels},
        "spec": spec | {key: value for key, value in placement.items() if value},
    }


def _env(settings: RaySettings, name: str) -> list[Manifest]:
    ours: Mapping[str, str] = {
        **token_variables(),
        "PYTHONUNBUFFERED": "1",
        "GRPC_ENABLE_FORK_SUPPORT": "0",  # or a head's server for a new client may die when it is forked
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": str(_DRAIN[name]),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_agent_register_timeout_ms": "180000",  # milliseconds, for a busy machine
    }
    address = {"name": "SPAWNPENNY_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    values = {**settings.environment, **ours}
    return [address, *({"name": key, "value": value} for key, value in sorted(values.items()))]


def _security(user: User) -> dict[str, Any]:
    return {
        "runAsNonRoot": user.uid != 0,
        "runAsUser": user.uid,
        "runAsGroup": user.gid,
        "fsGroup": user.gid,
        "supplementalGroups": [group.id for group in user.groups],
        "seccompProfile": {"type": "RuntimeDefault"},
    }
