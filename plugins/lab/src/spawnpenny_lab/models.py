"""The fields of the Kubernetes objects that settings write, in both of the spellings that KubeSpawner takes.

As of Kubernetes 1.36; a test holds the tables to the installed client, which KubeSpawner takes them from.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of object: its name, its fields, and those that it cannot be without."""

    name: str
    fields: tuple[str, ...]
    required: tuple[str, ...] = ()

    def spelt(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object with its own keys in camelCase; of one key in two spellings, the later counts.

        Raises:
            ValueError: A key is no field, or one is missing.

        """
        by_spelling = {spelling: field for field in self.fields for spelling in (field, snake_case(field))}
        for key in data:
            if key not in by_spelling:
                nearest = difflib.get_close_matches(str(key), by_spelling, n=1)
                hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(self.fields)}."
                raise ValueError(f"{key!r} is no field of a {self.name}: {hint}")
        spelt = {by_spelling[key]: value for key, value in data.items()}
        for field in self.required:
            if not spelt.get(field):
                raise ValueError(f"A {self.name} needs {field!r}.")
        return spelt


def snake_case(field: str) -> str:
    """Return how Kubernetes' Python client writes a field: ``host_ipc`` for ``hostIPC``."""
    return _HUMP.sub("_", field).lower()


POD_SPEC: Final = Model(
    "PodSpec",
    (
        "activeDeadlineSeconds",
        "affinity",
        "automountServiceAccountToken",
        "containers",
        "dnsConfig",
        "dnsPolicy",
        "enableServiceLinks",
        "ephemeralContainers",
        "hostAliases",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostUsers",
        "hostname",
        "hostnameOverride",
        "imagePullSecrets",
        "initContainers",
        "nodeName",
        "nodeSelector",
        "os",
        "overhead",
        "preemptionPolicy",
        "priority",
        "priorityClassName",
        "readinessGates",
        "resourceClaims",
        "resources",
        "restartPolicy",
        "runtimeClassName",
        "schedulerName",
        "schedulingGates",
        "schedulingGroup",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "setHostnameAsFQDN",
        "shareProcessNamespace",
        "subdomain",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    ),
)
CONTAINER: Final = Model(
    "Container",
    (
        "args",
        "command",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "lifecycle",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resizePolicy",
        "resources",
        "restartPolicy",
        "restartPolicyRules",
        "securityContext",
        "startupProbe",
        "stdin",
        "stdinOnce",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "tty",
        "volumeDevices",
        "volumeMounts",
        "workingDir",
    ),
)
VOLUME: Final = Model(
    "Volume",
    (
        "awsElasticBlockStore",
        "azureDisk",
        "azureFile",
        "cephfs",
        "cinder",
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "fc",
        "flexVolume",
        "flocker",
        "gcePersistentDisk",
        "gitRepo",
        "glusterfs",
        "hostPath",
        "image",
        "iscsi",
        "name",
        "nfs",
        "persistentVolumeClaim",
        "photonPersistentDisk",
        "portworxVolume",
        "projected",
        "quobyte",
        "rbd",
        "scaleIO",
        "secret",
        "storageos",
        "vsphereVolume",
    ),
    required=("name",),
)
VOLUME_MOUNT: Final = Model(
    "VolumeMount",
    (
        "mountPath",
        "mountPropagation",
        "name",
        "readOnly",
        "recursiveReadOnly",
        "subPath",
        "subPathExpr",
    ),
    required=("name", "mountPath"),
)
TOLERATION: Final = Model(
    "Toleration",
    (
        "effect",
        "key",
        "operator",
        "tolerationSeconds",
        "value",
    ),
)
LIFECYCLE: Final = Model(
    "Lifecycle",
    (
        "postStart",
        "preStop",
        "stopSignal",
    ),
)
ENV_VAR: Final = Model(
    "EnvVar",
    (
        "name",
        "value",
        "valueFrom",
    ),
)
NODE_SELECTOR_TERM: Final = Model(
    "NodeSelectorTerm",
    (
        "matchExpressions",
        "matchFields",
    ),
)
PREFERRED_SCHEDULING_TERM: Final = Model(
    "PreferredSchedulingTerm",
    (
        "preference",
        "weight",
    ),
)
POD_AFFINITY_TERM: Final = Model(
    "PodAffinityTerm",
    (
        "labelSelector",
        "matchLabelKeys",
        "mismatchLabelKeys",
        "namespaceSelector",
        "namespaces",
        "topologyKey",
    ),
)
WEIGHTED_POD_AFFINITY_TERM: Final = Model(
    "WeightedPodAffinityTerm",
    (
        "podAffinityTerm",
        "weight",
    ),
)
LOCAL_OBJECT_REFERENCE: Final = Model(
    "LocalObjectReference",
    ("name",),
)
FURTHER_CONTAINER: Final = Model("Container", CONTAINER.fields, required=("name", "image"))
