"""Requests and limits: the lab's variables, the quota and the cluster have the same numbers."""

from __future__ import annotations

import pytest

from spawnpenny.api import SettingsError, hookimpl, parse_quantity
from spawnpenny.testing.site import settled, start

GPU = "nvidia.com/gpu"
SHELL = {"name": "s", "image": "spawnpenny/shell", "args": ["-c", "exec sleep 60"]}
UNBOUNDED = {"cpu": None, "memory": None}


class Patch:
    """A site's plugin that adds a container without limits, and sets the lab's memory."""

    @staticmethod
    @hookimpl
    def spawnpenny_pod_patch(spawn, pod):
        security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        added = {**SHELL, "name": "added", "securityContext": security}
        own = {"name": "notebook", "resources": {"limits": {"memory": "3Gi"}}}
        return {"spec": {"containers": [own, added]}}


def variables(container):
    names = {"CPU_LIMIT": ("limits", "cpu"), "CPU_GUARANTEE": ("requests", "cpu")}
    names |= {"MEM_LIMIT": ("limits", "memory"), "MEM_GUARANTEE": ("requests", "memory")}
    return {names[one["name"]]: parse_quantity(one["value"]) for one in container["env"] if one["name"] in names}


def amounts(container, part="limits"):
    resources = container.get("resources", {}).get(part, {})
    return {(part, name): parse_quantity(resources[name]) for name in ("cpu", "memory") if name in resources}


@pytest.mark.parametrize(
    ("section", "quota", "limits"),
    [
        ({}, {}, {"cpu": "1", "memory": "2Gi"}),
        ({"sizes": {"a": {"cpu": 2, "memory": "1Gi", "cpu_guarantee": "50m"}}}, {}, {"cpu": "2", "memory": "1Gi"}),
        ({"cpu_guarantee": 2, "mem_guarantee": "3G"}, {}, {"cpu": "2", "memory": "3Gi"}),
        ({"cpu_limit": None, "mem_limit": 0}, UNBOUNDED, {}),
        ({"cpu_limit": None, "mem_limit": None, "mem_guarantee": "1G", "cpu_guarantee": 0.05}, UNBOUNDED, {}),
        ({"mem_limit": None, "mem_guarantee": "1G"}, {"memory": None}, {"cpu": "1"}),
        ({"extra_resource_limits": {"cpu": 3, GPU: 1}}, {}, {"cpu": "3", "memory": "2Gi"}),
        ({"extra_container_config": {"resources": {"limits": {"memory": "5Gi"}}}}, {}, {"cpu": "1", "memory": "5Gi"}),
        (
            {"profile_list": [{"display_name": "P", "kubespawner_override": {"cpu_limit": 3, "cpu_guarantee": 1}}]},
            {},
            {"cpu": "3", "memory": "2Gi"},
        ),
    ],
)
async def test_a_lab_has_the_resources_of_its_settings_and_is_counted_so(site, section, quota, limits):
    site.data["plugins"] |= {"lab": section, "quota": quota}
    async with site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason is None
        (notebook,) = (await site.read("Pod", "lab"))["spec"]["containers"]
    expected = {("limits", name): parse_quantity(amount) for name, amount in limits.items()}
    assert amounts(notebook) == expected
    assert {key: amount for key, amount in variables(notebook).items() if key[0] == "limits"} == expected
    requests = {key: amount for key, amount in variables(notebook).items() if key[0] == "requests"}
    assert requests.items() <= amounts(notebook, "requests").items()
    counted = {"cpu": run.record.resources.cpu, "memory": run.record.resources.memory}
    assert counted == {name: expected.get(("limits", name), 0) for name in counted}


@pytest.mark.parametrize(
    ("resources", "cpu", "memory"),
    [
        ({}, "500m", "512Mi"),
        ({"requests": {"cpu": "1"}}, "1", "512Mi"),
        ({"requests": {"memory": "1Gi", "cpu": "100m"}}, "500m", "1Gi"),
        ({"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}, "2", "512Mi"),
    ],
)
@pytest.mark.parametrize("kind", ["init_containers", "extra_containers"])
async def test_further_containers_have_the_quotas_default_or_their_request(site, kind, resources, cpu, memory):
    container = {**SHELL, "resources": resources}
    if kind == "init_containers":
        container["args"] = ["-c", "exit 0"]
    site.data["plugins"]["lab"] = {kind: [container]}
    async with site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason is None
        spec = (await site.read("Pod", "lab"))["spec"]
    made = next(one for one in [*spec["containers"], *spec.get("initContainers", [])] if one["name"] == "s")
    assert amounts(made) == {("limits", "cpu"): parse_quantity(cpu), ("limits", "memory"): parse_quantity(memory)}
    beside = parse_quantity(cpu) if kind == "extra_containers" else max(parse_quantity(cpu) - 1, 0)
    assert run.record.resources.cpu == 1 + beside


async def test_what_a_patch_adds_is_reported_and_counted(site):
    site.data["plugins"] |= {"lab": {"cpu_limit": 1, "mem_limit": None}, "patch": {}}
    site.plugins = {"patch": Patch}
    async with site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason is None
        notebook, added = (await site.read("Pod", "lab"))["spec"]["containers"]
    assert variables(notebook)["limits", "memory"] == 3 * 2**30
    assert amounts(added)["limits", "memory"] == 2**29
    assert run.record.resources.memory == 3 * 2**30 + 2**29


PROFILE = {"display_name": "Big", "kubespawner_override": {"mem_limit": None, "mem_guarantee": "7G"}}


@pytest.mark.parametrize(
    ("section", "names"),
    [
        (
            {"cpu_limit": None, "mem_limit": 0},
            ["plugins.lab.cpu_limit", "plugins.lab.mem_limit", "plugins.quota.cpu: null, plugins.quota.memory: null"],
        ),
        ({"mem_limit": None, "mem_guarantee": "1G"}, ["plugins.lab.mem_limit", "plugins.quota.memory: null"]),
        ({"profile_list": [PROFILE]}, ["plugins.lab.profile_list.big.kubespawner_override.mem_limit"]),
        ({"sizes": {"a": {"cpu": 1, "memory": 0}}}, ["plugins.lab.sizes.a.memory"]),
        ({"sizes": {"a": {"cpu": 1, "memory": "1Gi", "cpu_guarantee": 2}}}, ["plugins.lab.sizes.a.cpu_guarantee"]),
        ({"extra_pod_config": {"resources": {"limits": {"cpu": 1}}}}, ["plugins.lab.extra_pod_config", "cpu_limit"]),
        ({"extra_resource_guarantees": {GPU: 1}}, ["plugins.lab.extra_resource_guarantees", GPU]),
        (
            {"extra_containers": [{**SHELL, "resources": {"limits": {"cpu": 1}, "requests": {"cpu": "1500m"}}}]},
            ["plugins.lab.extra_containers", "requests.cpu is more than"],
        ),
        (
            {"extra_container_config": {"resources": {"requests": {"cpu": 4}}}},
            ["the container notebook has resources.requests.cpu is more than"],
        ),
    ],
)
async def test_settings_that_no_pod_can_have_stop_the_service_and_name_the_key(embedded_site, section, names):
    embedded_site.data["plugins"]["lab"] = section
    with pytest.raises(SettingsError) as refused:
        async with embedded_site.service():
            """It does not start."""
    assert [name for name in names if name not in refused.value.message] == []
