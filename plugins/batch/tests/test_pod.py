"""The pod of a job: like that of a lab, with a program of its own, on a real API server."""

from __future__ import annotations

import asyncio

import pytest
from pytest_asyncio import fixture as async_fixture

from spawnpenny.api import NOTEBOOK, Caller, InvalidOptionError, SettingsError, SpawnpennyError, UnknownOptionError
from spawnpenny.testing.behaviours import Ready
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import settled, start

LAB = {
    "images": {"default": "quay.io/lab:1", "r": "quay.io/r:1"},
    "sizes": {"small": {"cpu": "0.5", "memory": "1Gi"}, "large": {"cpu": 2, "memory": "4Gi"}},
    "environment": {"SITE": "physics", "BOTH": "of the site"},
    "volumes": [{"name": "data", "emptyDir": {}}],
    "volume_mounts": [{"name": "data", "mountPath": "/data"}],
    "extra_containers": [{"name": "proxy", "image": "quay.io/proxy:1"}],
    "node_selector": {"kubernetes.io/os": "linux"},
    "lifecycle_hooks": {"postStart": {"exec": {"command": ["true"]}}},
    "extra_labels": {"cost-centre": "{username}"},
    "cmd": ["start-notebook.py"],
    "working_dir": "/data",
}


@async_fixture
async def site(hollow_jobs, hollow_node):
    """Have jobs run until a test ends them, on a site whose labs have much of their own."""
    hollow_jobs.site.data["plugins"]["lab"] = LAB
    hollow_node.behave("batch-*", Ready())
    return hollow_jobs


async def pod_of(site, **more):
    """Start a job, and return its pod once it runs."""
    run = await site.start(**more)
    async with asyncio.timeout(PATIENCE):
        while not (run.settled and run.record.phase == "running"):
            assert not run.record.phase.over, run.record.reason
            await run.bell.next().wait()
    (pod,) = (await site.site.objects("Pod", spawn=run.record.id)).values()
    return pod


def notebook(pod):
    return next(container for container in pod["spec"]["containers"] if container["name"] == NOTEBOOK)


async def test_it_has_what_labs_have_but_their_program(site):
    async with site.running():
        pod = await pod_of(site, command="true", env={"TOKEN": "s3cret", "BOTH": "of the user"})
        container, spec = notebook(pod), pod["spec"]
        assert container["image"] == "quay.io/lab:1"
        assert container["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert {
            "/home/jovyan": "storage",
            "/data": "data",
            "/etc/spawnpenny-batch": "spawnpenny-batch",
        }.items() <= mounts.items()
        assert mounts["/etc/passwd"] == "user-files"
        assert container["command"][0] == "python"
        assert container["workingDir"] == "/home/jovyan"
        assert not {"args", "envFrom", "ports", "readinessProbe", "lifecycle"} & container.keys()
        env = {variable["name"]: variable for variable in container["env"]}
        assert env["SITE"]["value"] == "physics"
        assert env["BOTH"]["valueFrom"]["secretKeyRef"]["key"] == "env.BOTH"
        assert "s3cret" not in str(pod)
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert (spec["restartPolicy"], spec["nodeSelector"]) == ("Never", {"kubernetes.io/os": "linux"})
        assert 86390 <= spec["activeDeadlineSeconds"] <= 86400
        assert [one["name"] for one in spec["containers"] if one is not container] == ["proxy"]
        labels = pod["metadata"]["labels"]
        assert (labels["cost-centre"], labels["spawnpenny.io/kind"]) == ("ada", "batch")
        assert "component" not in labels


async def test_options_of_a_lab_choose_its_size_and_image(site):
    async with site.running():
        pod = await pod_of(site, command="true", **{"lab.size": "large", "lab.image": "r"})
        assert notebook(pod)["image"] == "quay.io/r:1"
        assert notebook(pod)["resources"]["limits"] == {"cpu": "2", "memory": "4Gi"}
        with pytest.raises(UnknownOptionError, match=r"no option 'lab.sise'. The options of a lab are: lab.image"):
            await site.start("other", command="true", **{"lab.sise": "large"})
        with pytest.raises(UnknownOptionError, match="no size 'huge'"):
            await site.start("other", command="true", **{"lab.size": "huge"})
        with pytest.raises(InvalidOptionError):
            await site.start("other", command="true", **{"lab.size": 7})


async def test_one_that_a_lab_requests_is_like_that_lab(site):
    caller = Caller("gpu", "0123456789abcdef", "quay.io/own:7", {"size": "large"})
    site.configure()
    site.site.data["plugins"]["storage"] = {"per": "lab"}
    async with site.site.service() as site.service:
        pod = await pod_of(site, command="true", caller=caller)
        assert notebook(pod)["image"] == "quay.io/own:7"
        assert notebook(pod)["resources"]["limits"] == {"cpu": "2", "memory": "4Gi"}
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        ]
        assert claims == ["claim-ada--gpu"]
        claim = await site.site.read("PersistentVolumeClaim", "claim-ada--gpu")
        assert claim["metadata"]["labels"]["spawnpenny.io/lab"] == "gpu"


@pytest.mark.parametrize("per", ["user", "lab"])
async def test_storage_that_one_pod_at_a_time_may_have_is_its_labs(jobs, per):
    caller = Caller("~default", "0123456789abcdef", "quay.io/own:7")
    jobs.configure()
    jobs.site.data["plugins"]["storage"] = {"per": per, "access_modes": ["ReadWriteOncePod"]}
    async with jobs.site.service() as jobs.service:
        await settled(await start(jobs.service))
        with pytest.raises(SpawnpennyError) as refused:
            await jobs.start(command="true", caller=caller)
        assert refused.value.code == "storage_in_use"


async def test_without_labs_there_is_no_image_and_the_service_says_so_at_its_start(hollow_jobs):
    del hollow_jobs.site.data["plugins"]["lab"]
    with pytest.raises(SettingsError, match="Load the plugin lab, too"):
        async with hollow_jobs.running():
            pass


async def test_without_storage_its_user_is_warned(site):
    site.configure()
    del site.site.data["plugins"]["storage"]
    async with site.site.service() as site.service:
        await pod_of(site, command="true")
        await site.notified("No storage is mounted at /home/jovyan: the output is lost when it has ended.")
