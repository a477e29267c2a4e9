"""Resources and grace periods of a cluster's pods: what is counted, what is made and what Dask goes by are one."""

from __future__ import annotations

import pytest
from spawnpenny_dask.settings import DaskSettingsSchema

from spawnpenny.api import InvalidOptionError, SettingsError, parse_quantity
from spawnpenny.testing.plugins import make_settings

GIB = 2**30
WAIT = {"name": "beside", "image": "wait", "resources": {"requests": {"cpu": "700m"}}}


def containers_of(pod):
    return {container["name"]: container for container in pod["spec"]["containers"]}


async def test_sidecars_are_counted_and_limited_and_the_grace_is_one_value(dask_site, monkeypatch):
    deletes, delete = {}, dask_site.site.cluster.delete

    async def noted(ref, **options):
        if ref.resource.kind == "Pod":
            deletes[ref.name.partition(".w-")[1]] = options.get("grace")
        return await delete(ref, **options)

    monkeypatch.setattr(dask_site.site.cluster, "delete", noted)
    section = {
        "scheduler": {"extra_pod_config": {"containers": [WAIT], "terminationGracePeriodSeconds": 7}},
        "worker": {
            "cores": "500m",
            "memory": "1Gi",
            "extra_pod_config": {"initContainers": [{**WAIT, "name": "before"}], "terminationGracePeriodSeconds": 8},
        },
    }
    async with dask_site.running(**section) as site:
        run = await site.cluster()
        assert run.record.reason is None
        await site.scale(2)
        await site.until_workers(2)
        pods = await site.site.objects("Pod")
        counted = run.record.resources
        await site.stop()
    made = {name.partition(".w-")[1]: pod for name, pod in pods.items()}
    assert {name: pod["spec"]["terminationGracePeriodSeconds"] for name, pod in made.items()} == {"": 7, ".w-": 8}
    assert deletes == {"": 7, ".w-": 8}
    assert containers_of(made[""])["beside"]["resources"]["limits"] == {"cpu": "700m", "memory": "512Mi"}
    # A scheduler has one core, beside it 0.7; a worker's init container needs more than the worker.
    assert (counted.cpu, counted.memory) == (parse_quantity("3100m"), int(3.5 * GIB))


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ({"worker": {"extra_container_config": {"resources": {"limits": {"cpu": 8}}}}}, ["worker", "cpu", "cores"]),
        (
            {"scheduler": {"extra_pod_config": {"containers": [{"name": "scheduler", "resources": None}]}}},
            ["plugins.dask.scheduler", "resources.limits.cpu", "cores"],
        ),
        (
            {"scheduler": {"extra_container_config": {"resources": {"requests": {"memory": "9Gi"}}}}},
            ["plugins.dask.scheduler", "requests.memory is more than"],
        ),
        (
            {"worker": {"extra_container_config": {"resources": {"requests": {"nvidia.com/gpu": 1}}}}},
            ["plugins.dask.worker", "nvidia.com/gpu"],
        ),
        (
            {"worker": {"extra_pod_config": {"containers": [{"name": "x", "resources": {"limits": {"cpu": "1k?"}}}]}}},
            ["plugins.dask.worker", "container x", "limits.cpu"],
        ),
        (
            {"worker": {"extra_pod_config": {"resources": {"limits": {"cpu": 1}}}}},
            ["plugins.dask.worker.extra_pod_config", "cores"],
        ),
        (
            {
                "options": {
                    "size": {
                        "type": "select",
                        "choices": {
                            "a": {"worker_extra_container_config": {"resources": {"limits": {"memory": "9Gi"}}}}
                        },
                    }
                }
            },
            ["plugins.dask.options.size.choices.a", "limits.memory", "memory"],
        ),
        (
            {"worker": {"extra_pod_config": {"terminationGracePeriodSeconds": "30"}}},
            ["plugins.dask.worker.extra_pod_config", "whole seconds"],
        ),
        ({"worker": {"extra_pod_config": {"nodeSelectr": {}}}}, ["worker.extra_pod_config", "'nodeSelector'"]),
        (
            {"scheduler": {"extra_container_config": {"envFrom": [{"secretRef": {"nam": "x"}}]}}},
            ["scheduler.extra_container_config: envFrom[0].secretRef: 'nam'", "'name'"],
        ),
        ({"worker": {"extra_pod_config": {"containers": None}}}, ["worker.extra_pod_config: containers", "null"]),
        ({"worker": {"extra_pod_config": {"containers": "x"}}}, ["worker.extra_pod_config: containers", "Container"]),
        ({"worker": {"extra_pod_config": {"initContainers": [{"image": "x"}]}}}, ["initContainers", "a name"]),
        ({"worker": {"extra_container_config": {"resources": {"limits": "x"}}}}, ["container worker", "resources"]),
        ({"worker": {"tolerations": [{"kee": "spot"}]}}, ["worker.tolerations.0", "'key'"]),
        (
            {"options": {"big": {"type": "bool", "overrides": {"worker_extra_pod_config": {"affinty": {}}}}}},
            ["options.big", "'affinity'"],
        ),
    ],
)
async def test_settings_that_no_cluster_can_have_stop_the_service_and_name_the_key(dask_site, section, names):
    with pytest.raises(SettingsError) as refused:
        async with dask_site.running(**section):
            """It does not start."""
    assert [name for name in names if name not in refused.value.message] == []


async def test_options_that_contradict_the_settings_are_refused_before_anything_is_made(dask_site):
    worker = {"cores": 2, "extra_container_config": {"resources": {"requests": {"cpu": 1}}}}
    section = {"worker": worker, "options": {"worker_cores": {"type": "float"}}}
    async with dask_site.running(**section) as site:
        with pytest.raises(InvalidOptionError, match=r"worker has resources.requests.cpu is more than"):
            await site.cluster(worker_cores=0.5)
        assert not await site.site.objects("Pod", "Secret")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"worker": {"args": ["--nthreads", "4"]}}, "'--nthreads' cannot be among the further arguments. Set threads"),
        ({"worker": {"args": ["--name=x"]}}, "'--name=x' cannot be among the further arguments. spawnpenny sets it"),
        ({"worker": {"args": ["--no-nanny"]}}, "Set nanny instead"),
        ({"scheduler": {"args": ["--port", "1"]}}, "'--port' cannot be"),
        ({"worker": {"args": "--lifetime 1h"}}, "args"),
        ({"worker": {"worker_class": "CUDAWorker"}}, "Write a class with its module"),
        ({"worker": {"resources": {"GPU": 0}}}, "resources"),
        ({"worker": {"resources": {"a b": 1}}}, "no space"),
        ({"worker_groups": {"default": {}}}, "plugins.dask.worker"),
        ({"worker_groups": {"Spot": {}}}, "lower-case"),
        ({"worker_groups": {"spot": {"colour": 1}}}, "colour"),
        ({"worker_groups": {"spot": {"max": -1}}}, "max"),
        ({"worker_groups": {f"g{number}": {} for number in range(21)}}, "at most 20"),
    ],
)
def test_settings_of_programs_and_groups_that_are_none_are_refused(section, message):
    with pytest.raises(SettingsError, match=message):
        make_settings({"plugins": {"dask": section}}).load("dask", DaskSettingsSchema())
