# A Hub as sites have it: profiles with options, a claim for each server, placement, sidecars.
import os

c = get_config()  # noqa: F821

c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.JupyterHub.hub_connect_ip = "hub"
c.Spawner.http_timeout = 90
c.Spawner.start_timeout = 600
c.Spawner.default_url = "/lab"

c.KubeSpawner.image = "quay.io/jupyter/scipy-notebook:2025-01-01"
c.KubeSpawner.image_pull_policy = "IfNotPresent"
c.KubeSpawner.image_pull_secrets = ["registry"]
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.args = ["--ServerApp.max_buffer_size=1000"]
c.KubeSpawner.cpu_limit = 2
c.KubeSpawner.cpu_guarantee = 0.5
c.KubeSpawner.mem_limit = "4G"
c.KubeSpawner.mem_guarantee = "512M"
c.KubeSpawner.uid = 1000
c.KubeSpawner.fs_gid = 100
c.KubeSpawner.environment = {"TEAM": "physics", "HOME_OF": "{username}", "WORKERS": "4"}
c.KubeSpawner.node_selector = {"pool": "labs"}
c.KubeSpawner.tolerations = [{"key": "labs", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}]
c.KubeSpawner.node_affinity_required = [
    {"matchExpressions": [{"key": "arch", "operator": "In", "values": ["amd64"]}]},
]
c.KubeSpawner.extra_labels = {"example.org/owner": "{username}"}
c.KubeSpawner.extra_annotations = {"example.org/server": "{user_server}"}
c.KubeSpawner.extra_pod_config = {"dns_config": {"options": [{"name": "ndots", "value": "2"}]}}
c.KubeSpawner.priority_class_name = "labs"

c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = "1Gi"
c.KubeSpawner.storage_class = "disk"
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
c.KubeSpawner.volumes = {
    "home": {"name": "volume-{user_server}", "persistentVolumeClaim": {"claimName": "claim-{user_server}"}},
    "shm": {"name": "shm", "emptyDir": {"medium": "Memory"}},
}
c.KubeSpawner.volume_mounts = {
    "home": {"name": "volume-{user_server}", "mountPath": "/home/jovyan"},
    "shm": {"name": "shm", "mountPath": "/dev/shm"},
}
c.KubeSpawner.init_containers = [
    {
        "name": "welcome",
        "image": "busybox:1",
        "command": ["sh", "-c", "test -e /home/README || echo hello > /home/README"],
        "volume_mounts": [{"name": "volume-{user_server}", "mountPath": "/home"}],
    }
]
c.KubeSpawner.profile_list = [
    {
        "display_name": "Small",
        "default": True,
        "profile_options": {
            "image": {
                "display_name": "Image",
                "choices": {
                    "scipy": {"display_name": "SciPy", "default": True},
                    "r": {
                        "display_name": "R",
                        "kubespawner_override": {
                            "image": "quay.io/jupyter/r-notebook:2025-01-01",
                            "environment": {"TEAM": "statistics"},
                        },
                    },
                },
                "unlisted_choice": {
                    "enabled": True,
                    "display_name": "Your own",
                    "validation_regex": "^quay.io/.+:.+$",
                    "kubespawner_override": {"image": "{value}"},
                },
            }
        },
    },
    {
        "display_name": "Large with a GPU",
        "slug": "gpu",
        "kubespawner_override": {
            "mem_limit": "32G",
            "cpu_limit": 8,
            "extra_resource_limits": {"nvidia.com/gpu": "1"},
            "node_selector": {"pool": "gpu", "gpu": "a100"},
        },
    },
]
if os.environ.get("NEVER"):
    raise SystemExit
