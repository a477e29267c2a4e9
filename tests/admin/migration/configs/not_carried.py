# Values that cannot be carried over: functions, a class of the site's own, misspelt and unsafe traits.
from kubespawner import KubeSpawner

c = get_config()  # noqa: F821


class Ours(KubeSpawner):
    pass


def patched(spawner, pod):
    return pod


c.JupyterHub.spawner_class = Ours
c.Ours.image = "quay.io/ours/lab:1"
c.KubeSpawner.image = "quay.io/ours/never:1"
c.KubeSpawner.modify_pod_hook = patched
c.KubeSpawner.uid = lambda spawner: 1234
c.KubeSpawner.imgae = "quay.io/ours/typo:1"
c.KubeSpawner.mem_limit = "2G"
c.KubeSpawner.mem_guarantee = "3G"
c.KubeSpawner.cpu_limit = 1
c.KubeSpawner.user_namespace_labels = {"team": "physics"}
c.KubeSpawner.environment = {"PLAIN": "yes", "API_TOKEN": "hunter2", "WHEN": lambda spawner: "now"}
c.KubeSpawner.volumes.append({"name": "data", "hostPath": {"path": "/data"}})
c.KubeSpawner.volumes.append({"name": "config", "configMap": {"name": "site"}})
c.KubeSpawner.volume_mounts.append({"name": "data", "mountPath": "/data"})
c.KubeSpawner.pre_spawn_hook = patched
c.KubeSpawner.http_timeout = 77
c.KubeSpawner.extra_labels = {"number": "u{userid}"}
c.KubeSpawner.profile_list = [
    {
        "display_name": "Big",
        "kubespawner_override": {"cpu_limit": 4, "storage_capacity": "9Gi", "gid": lambda spawner: 7},
    },
]
