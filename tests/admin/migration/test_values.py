"""What the values of Zero to JupyterHub come to: each is carried, or it is said what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from spawnpenny.admin.migration.carry import carry
from spawnpenny.admin.migration.samples import Samples
from spawnpenny.admin.migration.trial import try_settings
from spawnpenny.admin.migration.values import load_values
from spawnpenny.domain.users import User
from spawnpenny.settings.load import load_settings

CONFIGS = Path(__file__).parent / "configs"


@pytest.fixture
def chart(migrate):
    return migrate(CONFIGS / "chart.yaml", "--namespace", "science", more=[CONFIGS / "hub.yaml"])


@pytest.fixture
def plugins(chart):
    return yaml.safe_load(chart[2].read_text())["plugins"]


def test_several_files_of_a_chart_around_it_are_merged_as_helm_does(plugins):
    lab = plugins["lab"]
    assert lab["image"] == "quay.io/ours/lab:2"
    assert lab["mem_limit"] == "4G"
    assert not {"mem_guarantee", "cmd"} & lab.keys()


def test_the_charts_volume_is_the_storage_plugins_wherever_it_is_mounted(chart):
    pod = Samples(load_settings(str(chart[2]))).pod(user=User("ada", 1000, 100), lab="work")
    (first,) = pod["spec"]["initContainers"]
    assert first["volumeMounts"] == [{"name": "storage", "mountPath": "/home/jovyan"}]
    notebook = next(container for container in pod["spec"]["containers"] if container["name"] == "notebook")
    mounted = {mount["mountPath"]: (mount["name"], mount.get("subPath")) for mount in notebook["volumeMounts"]}
    assert mounted == {"/home/jovyan": ("storage", "home/ada"), "/mnt/shared": ("storage", "shared")}


def test_rules_of_the_network_are_carried_in_the_same_format(plugins, chart):
    network = plugins["namespace"]["network"]
    assert network["private"] == []
    site, to_private, to_system, to_metadata = network["egress"]
    assert site == {"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}], "ports": [{"port": 2049, "protocol": "TCP"}]}
    assert {port["port"] for rule in (to_private, to_system, to_metadata) for port in rule["ports"]} == {53}
    printed = chart[1]
    assert "singleuser.networkPolicy.egress[1]: the service refuses it: to: Missing data" in printed
    assert "singleuser.networkPolicy.ingress: " in printed
    assert "egressAllowRules.cloudMetadataServer: labs never reach" in printed


@pytest.mark.parametrize(
    ("rules", "internet", "private"),
    [
        ({}, True, None),
        ({"privateIPs": True}, True, []),
        ({"nonPrivateIPs": False}, False, None),
        ({"nonPrivateIPs": False, "privateIPs": True}, False, None),
    ],
)
def test_what_labs_may_reach_is_what_it_was(migrate, rules, internet, private):
    values = {"singleuser": {"image": {"name": "x"}, "networkPolicy": {"egressAllowRules": rules}}}
    _, _, output = migrate(yaml.safe_dump(values), name="values.yaml")
    network = yaml.safe_load(output.read_text())["plugins"]["namespace"]["network"]
    assert (network.get("internet", True), network.get("private")) == (internet, private)
    whole = [rule for rule in network["egress"] if "ports" not in rule]
    assert bool(whole) == (rules.get("privateIPs") is True and not internet)


def test_a_secret_that_a_variable_refers_to_is_where_it_belongs(chart):
    printed = chart[1]
    assert "environment.DB_PASSWORD" not in printed
    assert printed.count("Secret db") == 1  # the rehearsal says it
    assert "environment.API_TOKEN: if it is secret" in printed
    assert "hunter2" not in printed


def test_python_in_the_values_is_named_and_not_run(chart):
    printed = chart[1]
    assert (
        "hub.extraConfig.pods: it is Python, and is not run; it sets modify_pod_hook, http_timeout of KubeSpawner"
        in printed
    )
    assert "hub.extraConfig.class: it is Python, and is not run; it defines its own spawner class, Ours" in printed
    assert "hub.extraConfig.login: it is Python, is not run, and stays on the Hub" in printed
    assert "custom (homepage): only the site's own code uses it" in printed
    assert "singleuser.extraFiles (conf): the chart's Secret" in printed


@pytest.mark.parametrize("command", ["/opt/start.sh", ["/opt/start.sh", "--debug"], ["bash", "/opt/start.sh"]])
def test_a_command_that_is_a_file_that_is_not_carried_is_named(migrate, command):
    files = {"start": {"mountPath": "/opt/start.sh", "stringData": "x"}, "other": {"mountPath": "/etc/other"}}
    values = {"singleuser": {"image": {"name": "x", "tag": "1"}, "extraFiles": files, "cmd": command}}
    _, printed, _ = migrate(json.dumps(values), name="values.yaml")
    assert "singleuser.cmd: it runs /opt/start.sh, which is singleuser.extraFiles.start and not carried over" in printed
    assert "extraFiles.other and" not in printed


def test_where_labs_find_the_hub_is_kept(chart):
    assert "c.SpawnpennySpawner.hub_connect_url = 'http://hub.science.svc.cluster.local:8081'" in chart[1]
    assert "http://hub.science:8081" not in chart[1]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("c.JupyterHub.hub_connect_url = 'https://hub.example.org/x'", "https://hub.example.org/x"),
        ("c.KubeSpawner.hub_connect_url = 'https://hub.example.org'", "https://hub.example.org"),
        ("c.JupyterHub.hub_connect_ip = '10.1.2.3'", "http://10.1.2.3:8081"),
        ("c.JupyterHub.hub_connect_ip = 'hub'", "http://hub.jhub:8081"),
        ("c.JupyterHub.hub_connect_url = 'http://front/science'", "http://front.jhub/science"),
    ],
)
def test_an_address_of_the_hub_is_kept_and_found_from_elsewhere(migrate, text, url):
    _, printed, _ = migrate(text + "\nc.KubeSpawner.image = 'x'", "--namespace", "jhub")
    assert f"c.SpawnpennySpawner.hub_connect_url = '{url}'" in printed
    assert printed.count("c.SpawnpennySpawner.hub_connect_url = ") == 1


def test_dask_gateways_values_are_settings_of_the_plugin(plugins, chart):
    assert plugins["dask"] == {
        "image": "quay.io/ours/dask:2",
        "scheduler": {"cores": 1, "memory": "2Gi"},
        "worker": {"threads": 2, "extra_pod_config": {"nodeSelector": {"pool": "dask"}}},
    }
    assert "dask-gateway.gateway.extraConfig.options: it is Python" in chart[1]
    assert "dask-gateway.gateway.backend.scheduler.cores.request: a pod's request is always the same" in chart[1]


OPTIONS = """
def cluster_options(user):
    def handler(options):
        return {
            "worker_cores": options.worker_cores,
            "worker_memory": MEMORY,
            "idle_timeout": options.idle_minutes * 60,
            "scheduler_extra_pod_labels": {"user": user.name},
        }
    return Options(
        Integer("worker_cores", 2, min=1, max=16, label="Cores"),
        Float("memory", 4, min=1, max=32),
        Integer("idle_minutes", 30, min=1),
        handler=handler,
    )
c.Backend.cluster_options = cluster_options
c.KubeClusterConfig.worker_cmd = ["dask-cuda-worker"]
c.KubeClusterConfig.scheduler_cmd = ["dask-scheduler"]
c.ClusterConfig.cluster_max_workers = 40
"""


@pytest.mark.parametrize(
    ("memory", "unit"),
    [
        ('"%fG" % options.memory', "GiB"),
        ('f"{options.memory}M"', "MiB"),
        ("int(options.memory * 2 ** 30)", "GiB"),
        ("options.memory * 1024 * 1024", None),
        ("options.memory * (1024 * 1024)", "MiB"),
        ("options.memory * 0.95", None),
        ("options.memory", None),  # four bytes are a mistake, which the site has to look at
    ],
)
def test_plain_python_of_dask_gateway_is_settings_with_their_units(migrate, tmp_path, memory, unit):
    values = tmp_path / "values.yaml"
    gateway = {
        "prefix": "/services/dask-gateway/",
        "extraConfig": {"a": OPTIONS.replace("MEMORY", memory), "b": "import x"},
    }
    values.write_text(yaml.safe_dump({"jupyterhub": {}, "dask-gateway": {"gateway": gateway}}))
    _, printed, output = migrate(values)
    data = yaml.safe_load(output.read_text())
    dask = data["plugins"]["dask"]
    assert data["web"]["prefix"] == "/services/dask-gateway"
    assert (dask["worker"], dask["max_workers"]) == ({"program": ["dask-cuda-worker"]}, 40)
    assert dask["options"]["worker_cores"] == {"type": "int", "default": 2, "min": 1, "max": 16, "label": "Cores"}
    assert dask["options"]["idle_minutes"]["unit"] == "minutes"
    carried = dask["options"].get("memory")
    assert carried == (
        unit and {"type": "float", "sets": "worker_memory", "unit": unit, "default": 4, "min": 1, "max": 32}
    )
    assert "scheduler_extra_pod_labels of the options' handler" in printed
    assert ("the option Float('memory'" in printed) == (unit is None)
    assert "extraConfig.b: it is Python, and sets nothing to a literal value" in printed


def test_python_over_values_holds(migrate, tmp_path):
    more = tmp_path / "more.py"
    more.write_text("c.KubeSpawner.image = 'quay.io/ours/lab:3'\nc.KubeSpawner.volume_mounts.update({})")
    _, _, output = migrate(CONFIGS / "values.yaml", more=[more])
    lab = yaml.safe_load(output.read_text())["plugins"]["lab"]
    assert lab["image"] == "quay.io/ours/lab:3"
    assert lab["mem_limit"] == "2G"


def test_another_charts_values_are_refused(migrate):
    code, printed, output = migrate("grafana: {replicas: 1}", name="values.yaml")
    assert (code, output.exists()) == (2, False)
    assert "values.yaml has no values of Zero to JupyterHub" in printed


TERM = {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}
POD_TERM = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}
LEAVES = {
    "allowPrivilegeEscalation": True,
    "cloudMetadata.blockWithIptables": False,
    "cloudMetadata.ip": "169.254.169.252",
    "cmd": ["start.sh"],
    "cpu.guarantee": 0.5,
    "cpu.limit": 2,
    "defaultUrl": "/lab",
    "events": False,
    "extraAnnotations": {"example.org/a": "b"},
    "extraContainers": [{"name": "beside", "image": "busybox"}],
    "extraEnv": {"A": "1"},
    "extraFiles": {"conf": {"mountPath": "/etc/x", "stringData": "x"}},
    "extraLabels": {"a": "b"},
    "extraNodeAffinity.preferred": [{"weight": 1, "preference": TERM}],
    "extraNodeAffinity.required": [TERM],
    "extraPodAffinity.preferred": [{"weight": 1, "podAffinityTerm": POD_TERM}],
    "extraPodAffinity.required": [POD_TERM],
    "extraPodAntiAffinity.preferred": [{"weight": 1, "podAffinityTerm": POD_TERM}],
    "extraPodAntiAffinity.required": [POD_TERM],
    "extraPodConfig": {"hostname": "lab"},
    "extraResource.guarantees": {"example.org/gpu": "1"},
    "extraResource.limits": {"example.org/gpu": "1"},
    "extraTolerations": [{"key": "labs", "operator": "Exists"}],
    "fsGid": 1234,
    "image.name": "quay.io/ours/lab",
    "image.pullPolicy": "Always",
    "image.pullSecrets": ["registry"],
    "image.tag": "7",
    "initContainers": [{"name": "first", "image": "busybox"}],
    "lifecycleHooks.postStart": {"exec": {"command": ["true"]}},
    "lifecycleHooks.preStop": {"exec": {"command": ["true"]}},
    "memory.guarantee": "3G",
    "memory.limit": "4G",
    "networkPolicy.allowedIngressPorts": [9000],
    "networkPolicy.egress": [{"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}],
    "networkPolicy.egressAllowRules.cloudMetadataServer": True,
    "networkPolicy.egressAllowRules.dnsPortsCloudMetadataServer": False,
    "networkPolicy.egressAllowRules.dnsPortsKubeSystemNamespace": False,
    "networkPolicy.egressAllowRules.dnsPortsPrivateIPs": False,
    "networkPolicy.egressAllowRules.nonPrivateIPs": False,
    "networkPolicy.egressAllowRules.privateIPs": True,
    "networkPolicy.enabled": False,
    "networkPolicy.ingress": [{"from": [{"podSelector": {}}]}],
    "networkPolicy.interNamespaceAccessLabels": "accept",
    "networkTools.image.name": "quay.io/ours/tools",
    "networkTools.image.pullPolicy": "Always",
    "networkTools.image.pullSecrets": ["registry"],
    "networkTools.image.tag": "7",
    "networkTools.resources": {"limits": {"cpu": 1}},
    "nodeSelector": {"pool": "labs"},
    "podNameTemplate": "lab-{username}",
    "profileList": [{"display_name": "Normal"}],
    "serviceAccountName": "lab",
    "startTimeout": 900,
    "storage.capacity": "3Gi",
    "storage.dynamic.pvcNameTemplate": "home-{user_server}",
    "storage.dynamic.storageAccessModes": ["ReadWriteMany"],
    "storage.dynamic.storageClass": "fast",
    "storage.dynamic.subPath": "home",
    "storage.dynamic.volumeNameTemplate": "home-{user_server}",
    "storage.extraLabels": {"a": "b"},
    "storage.extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "storage.extraVolumes": [{"name": "more", "emptyDir": {}}],
    "storage.homeMountPath": "/home/rstudio",
    "storage.static.pvcName": "homes",
    "storage.static.subPath": "home/{username}",
    "storage.type": "none",
    "uid": 1234,
}
"""All leaves of `singleuser` in the schema of the chart 4.4, each with a value that is not the chart's own."""
BESIDE = {
    "storage.static.pvcName": {"storage.type": "static"},
    "storage.static.subPath": {"storage.type": "static", "storage.static.pvcName": "homes"},
    "storage.extraVolumeMounts": {"storage.extraVolumes": [{"name": "more", "emptyDir": {}}]},
    "image.tag": {"image.name": "quay.io/ours/lab"},
}


def outcome(folder, leaves):
    single = {}
    for path, value in leaves.items():
        *keys, last = path.split(".")
        place = single
        for key in keys:
            place = place.setdefault(key, {})
        place[last] = value
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump({"singleuser": single}))
    carried = carry(load_values([file]), "jupyterhub")
    try_settings(carried)
    return carried.settings, carried.hub, carried.lost, carried.notes


@pytest.mark.parametrize("key", LEAVES)
def test_each_value_for_labs_is_carried_or_it_is_said(tmp_path, key):
    without = {"image.name": "quay.io/ours/other", **BESIDE.get(key, {})}
    before, after = outcome(tmp_path, without), outcome(tmp_path, {**without, key: LEAVES[key]})
    assert before != after
    if before[:2] == after[:2] and key != "cloudMetadata.blockWithIptables":
        assert any(key.split(".")[0] in sentence for sentence in {*after[2], *after[3]} - {*before[2], *before[3]})


@pytest.mark.parametrize(
    "scheduling",
    [
        {"userPods": {"tolerations": [{"key": "x", "operator": "Exists"}]}},
        {"userPods": {"nodeAffinity": {"matchNodePurpose": "require"}}},
        {"userScheduler": {"enabled": False}},
        {"podPriority": {"enabled": True}},
        {"userPlaceholder": {"replicas": 3}},
    ],
    ids=str,
)
def test_so_is_what_the_chart_says_about_placing_them(tmp_path, scheduling):
    file = tmp_path / "values.yaml"
    found = []
    for values in ({"singleuser": {}}, {"singleuser": {}, "scheduling": scheduling}):
        file.write_text(yaml.safe_dump(values))
        carried = carry(load_values([file]), "jupyterhub")
        found.append((carried.settings, carried.notes))
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("singleuser", ["a"]),
        ("singleuser.storage", "10Gi"),
        ("singleuser.storage.extraVolumes", {"home": "a text"}),
        ("singleuser.storage.dynamic.volumeNameTemplate", {"a": "b"}),
        ("singleuser.networkPolicy", True),
        ("singleuser.networkPolicy.egress", [{"to": [{"ipBlock": {"cidr": ["0.0.0.0/0"]}}]}]),
        ("singleuser.networkPolicy.egressAllowRules", ["privateIPs"]),
        ("singleuser.extraTolerations", 7),
        ("singleuser.extraEnv", [{"name": "LANG", "value": "C.UTF-8"}, {"value": "nameless"}]),
        ("singleuser.extraNodeAffinity.preferred", 1),
        ("imagePullSecrets", 1),
        ("scheduling.userPods.tolerations", "text"),
        ("hub.config.KubeSpawner", "c.KubeSpawner.uid = 5"),
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_lost_alone_and_said(tmp_path, place, wrong):
    file = tmp_path / "values.yaml"
    values = {"singleuser": {"defaultUrl": "/lab"}, "hub": {"config": {"Spawner": {"start_timeout": 601}}}}
    *outer, last = place.split(".")
    inner = values
    for key in outer:
        inner = inner.setdefault(key, {})
    inner[last] = wrong
    file.write_text(yaml.safe_dump(values))
    carried = carry(load_values([file]), "jupyterhub")
    try_settings(carried, {})
    assert any(place in sentence or place.split(".")[-1] in sentence for sentence in carried.lost)
    assert carried.settings["deadlines"]["spawn"] == 601
    lab = carried.settings["plugins"]["lab"]
    if place == "singleuser":
        assert "default_url" not in lab
    else:
        assert lab["default_url"] == "/lab"
    if place == "singleuser.extraEnv":
        assert lab["environment"] == {"LANG": "C.UTF-8"}
