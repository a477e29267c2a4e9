"""Kinds of a site's own plugin: with namespace, quota, scale, undo and restart, as ours have them, and without it."""

from __future__ import annotations

import asyncio
import base64
import json
from decimal import Decimal
from types import SimpleNamespace

import pytest

from spawnpenny.api import PART, Kind, Resources, SpawnError, Step, allow, hookimpl
from spawnpenny.domain.spawns import Key, Phase, Scale, SpawnRequest
from spawnpenny.errors import QuotaExceededError
from spawnpenny.spawns.errors import KindNotLoadedError, NotScalableError
from spawnpenny.testing.patience import PATIENCE
from spawnpenny.testing.site import HUB, lab, settled, start, stop

RAY = Key("ray", "r1")


def make_pod(name, *, part=None, restart="Always", image="spawnpenny/lab", args=()):
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    container = {
        "name": "ray",
        "image": image,
        "args": list(args),
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {PART: part} if part else {}},
        "spec": {
            "containers": [container],
            "automountServiceAccountToken": False,
            "restartPolicy": restart,
            "terminationGracePeriodSeconds": 0,
        },
    }


class Head(Step):
    """The head of a cluster, and the ConfigMap that its workers read."""

    name = "ray.head"
    kinds = frozenset({"ray"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (
        allow("create", "get", "delete", on="pods"),
        allow("create", "get", "delete", on="configmaps"),
    )

    def resources(self, spawn):
        return Resources(Decimal(1), Decimal(2**30))

    async def apply(self, spawn):
        data = {"metadata": {"name": spawn.names.own("head")}, "data": {"port": "6379"}}
        await spawn.cluster.ensure({"apiVersion": "v1", "kind": "ConfigMap", **data})
        head = await spawn.cluster.ensure(spawn.patched(make_pod(spawn.names.base)))
        ready = await spawn.cluster.wait(head)
        spawn.publish_url(url=f"ray://{ready['status']['podIP']}:6379", pod=ready["metadata"]["uid"])
        if spawn.options.get("fail"):
            raise SpawnError("The head has no licence.")

    async def revert(self, spawn):
        await spawn.cluster.discard("Pod", spawn.names.base)
        await spawn.cluster.discard("ConfigMap", spawn.names.own("head"))


class Workers(Step):
    """As many workers as are desired."""

    name = "ray.workers"
    kinds = frozenset({"ray"})
    scope = "spawn"
    needs = frozenset({"namespace", "ray.head"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    def resources(self, spawn):
        return Resources(Decimal(spawn.scale.count), Decimal(2**30) * spawn.scale.count)

    async def apply(self, spawn):
        """Wait for nothing: the workers come while it runs."""

    async def supervise(self, spawn):
        while True:
            existing = {pod["metadata"]["name"]: pod for pod in self._pods(spawn)}
            desired = {spawn.names.own(f"w-{number}") for number in range(spawn.scale.count)}
            for name in desired - existing.keys():
                await spawn.cluster.ensure(spawn.patched(make_pod(name, part="worker")))
            for name in existing.keys() - desired:
                await spawn.cluster.remove(existing[name])
            await spawn.changed(3600)

    async def revert(self, spawn):
        for pod in self._pods(spawn):
            await spawn.cluster.remove(pod, wait=True)

    def _pods(self, spawn):
        return [pod for pod in spawn.cluster.pods() if PART in pod["metadata"]["labels"]]


class Program(Step):
    """A program that runs to its end: the shell command of its option ``command``."""

    name = "batch.pod"
    kinds = frozenset({"batch"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="pods"),)

    async def apply(self, spawn):
        args = ("-c", spawn.options["command"])
        pod = make_pod(spawn.names.base, restart="Never", image="spawnpenny/shell", args=args)
        pod = await spawn.cluster.ensure(spawn.patched(pod))
        pod = await spawn.cluster.wait(pod, until="started")
        spawn.publish_url(url="batch://", pod=pod["metadata"]["uid"])

    async def revert(self, spawn):
        await spawn.cluster.discard("Pod", spawn.names.base)


KINDS = [
    Kind("ray", "rays", "Ray cluster", scales=True, ends_with_lab=True, follows_pods=True, minimum=1),
    Kind("batch", "batches", "batch job", completes=True),
]


@pytest.fixture
def rays(site):
    """Have a site whose plugin brings two kinds, with a budget of 4 CPU."""
    kinds = hookimpl(lambda: KINDS, specname="spawnpenny_kinds")
    steps = hookimpl(lambda: [Head(), Workers(), Program()], specname="spawnpenny_steps")
    site.plugins = {"ray": SimpleNamespace(spawnpenny_kinds=kinds, spawnpenny_steps=steps)}
    site.data["plugins"]["quota"] = {"cpu": 4}
    return site


async def start_ray(service, **options):
    return (await service.spawns.start("ada", RAY, SpawnRequest("s1", options), identity=HUB)).run


async def until_pods(service, site, count):
    """Wait until the user has so many pods."""
    async with asyncio.timeout(PATIENCE):
        with service.service_context.pods.subscribe() as changes:
            while len(service.service_context.pods.within(site.namespace())) != count:
                await anext(changes)


async def stored(site):
    """Return the JSON of ada's record, as it is in the cluster."""
    secret = await site.read("Secret", "user-ada", site.settings.namespaces.state)
    return json.loads(base64.b64decode(secret["data"]["record"]))


async def stored_spawn(site, key):
    """Return the text of one spawn in ada's record."""
    (found,) = (spawn for spawn in (await stored(site))["spawns"] if spawn["key"] == str(key))
    return json.dumps(found)


async def test_a_kind_of_a_site_has_namespace_quota_scale_and_a_stop(rays):
    async with rays.service() as service:
        run = await settled(await start_ray(service))
        assert (run.record.phase, run.record.url[:6]) == (Phase.RUNNING, "ray://"), run.record.reason
        assert {"ResourceQuota/spawnpenny", "NetworkPolicy/spawnpenny"} <= (await rays.objects()).keys()
        assert [step.name for step in run.record.steps][-2:] == ["ray.head", "ray.workers"]
        assert (await service.spawns.scale("ada", RAY, Scale(2))).refusal is None
        await until_pods(service, rays, 3)
        scaled = await service.spawns.scale("ada", RAY, Scale(9))
        assert scaled.scale.count == 3
        assert scaled.refusal.facts == {"resource": "cpu", "asked": "10", "used": "0", "limit": "4"}
        await until_pods(service, rays, 4)
        await service.spawns.scale("ada", RAY, Scale(1))
        await until_pods(service, rays, 2)
        lost, uid = rays.ref("Pod", "ray-r1.w-0"), (await rays.read("Pod", "ray-r1.w-0"))["metadata"]["uid"]
        await lose_pod(rays, lost.name)
        async with asyncio.timeout(PATIENCE):  # its supervision follows its pods
            await service.service_context.pods.wait_for(
                lost.namespace, lost.name, lambda pod: pod is not None and pod["metadata"]["uid"] != uid
            )
        await (await service.spawns.stop("ada", RAY)).until_gone()
        assert not await rays.objects("Pod", "ConfigMap", spawn=run.record.id)


async def test_it_is_undone_when_a_step_fails_and_the_reason_stays(rays):
    async with rays.service() as service:
        run = await settled(await start_ray(service, fail=True))
        assert (run.record.phase, run.record.reason.message) == (Phase.FAILED, "The head has no licence.")
        assert not await rays.objects("Pod", "ConfigMap", spawn=run.record.id)


async def test_the_next_service_goes_on_with_it(rays):
    async with rays.service() as service:
        await settled(await start_ray(service))
        await service.spawns.scale("ada", RAY, Scale(2))
        await until_pods(service, rays, 3)
    await lose_pod(rays, "ray-r1.w-1")
    async with rays.service() as service:
        await until_pods(service, rays, 3)
        assert service.spawns.find("ada", RAY).record.phase is Phase.RUNNING


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_a_start_that_could_never_have_its_least_workers_is_refused(rays):
    rays.data["plugins"]["quota"] = {"cpu": 1}
    async with rays.service() as service:
        with pytest.raises(QuotaExceededError) as refused:
            await start_ray(service)
        assert (refused.value.facts["asked"], refused.value.facts["limit"]) == ("2", "1")


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_a_spawn_of_a_kind_without_workers_is_not_scaled(rays):
    async with rays.service() as service:
        await settled(await start(service))
        with pytest.raises(NotScalableError) as refused:
            await service.spawns.scale("ada", lab(), Scale(1))
        assert refused.value.message == "The lab '~default' has no workers."


async def lose_pod(site, name):
    """Delete a pod from outside."""
    pod = await site.read("Pod", name)
    await site.cluster.delete(site.ref("Pod", name), uid=pod["metadata"]["uid"], grace=0)


async def test_a_spawn_whose_plugin_is_not_loaded_stays_as_it_is_and_its_plugin_goes_on(rays):
    async with rays.service() as service:
        await settled(await start_ray(service))
        await service.spawns.scale("ada", RAY, Scale(2))
        await until_pods(service, rays, 3)
    before, plugins, rays.plugins = await stored_spawn(rays, RAY), rays.plugins, {}
    async with rays.service() as service:
        await settled(await start(service))
        await lose_pod(rays, "ray-r1.w-0")
        await until_pods(service, rays, 3)  # two of it, and the lab's
        await service.maintenance.run_once()
        await service.maintenance.run_once()
        await stop(service)
        await until_pods(service, rays, 2)
        run = service.spawns.find("ada", RAY)
        assert (run.record.phase, run.record.scale.count) == (Phase.RUNNING, 2)
        assert [found.record.key for _, found in service.spawns.all("ray")] == [RAY]
        for refused in (
            service.spawns.scale("ada", RAY, Scale(1)),
            service.spawns.purge("ada", RAY, identity=HUB),
            start_ray(service),
        ):
            with pytest.raises(KindNotLoadedError):
                await refused
    assert await stored_spawn(rays, RAY) == before
    rays.plugins = plugins
    async with rays.service() as service:
        await until_pods(service, rays, 3)
        await (await service.spawns.stop("ada", RAY)).until_gone()


async def test_a_stop_deletes_by_label_what_a_plugin_left_that_is_not_loaded(rays):
    async with rays.service() as service:
        spawn = (await settled(await start_ray(service))).record.id
        await service.spawns.scale("ada", RAY, Scale(2))
        await until_pods(service, rays, 3)
    assert "ConfigMap/ray-r1.head" in await rays.objects(spawn=spawn)
    rays.plugins = {"other": SimpleNamespace(spawnpenny_steps=hookimpl(lambda: [Notes()], specname="spawnpenny_steps"))}
    async with rays.service() as service:
        await settled(await start(service))
        await (await service.spawns.stop("ada", RAY)).until_gone()
        assert not await rays.objects("Pod", "ConfigMap", spawn=spawn)
        assert [spawn["key"] for spawn in (await stored(rays))["spawns"]] == ["lab/~default"]
        assert service.spawns.find("ada", lab()).record.phase is Phase.RUNNING


class Notes(Step):
    """A ConfigMap for each lab: so the service may delete ConfigMaps."""

    name = "notes"
    kinds = frozenset({"lab"})
    scope = "spawn"
    needs = frozenset({"namespace"})
    permissions = (allow("create", "get", "delete", on="configmaps"),)

    async def revert(self, spawn):
        """Delete nothing: it makes nothing."""


BATCH = Key("batch", "b1")


async def start_batch(service, command, start="s1"):
    request = SpawnRequest(start, {"command": command})
    return (await service.spawns.start("ada", BATCH, request, identity=HUB)).run


async def ended(run):
    """Wait until a spawn is over and nothing of it is left but its history."""
    async with asyncio.timeout(PATIENCE):
        async for _ in run.events(follow=True):
            pass
        await run.task
    assert run.record.reverted
    return run


async def test_a_spawn_that_completes_has_succeeded_and_stays_in_the_history(rays):
    async with rays.service() as service:
        run = await ended(await start_batch(service, "exit 0"))
        assert (run.record.phase, run.record.reason.code) == (Phase.SUCCEEDED, "succeeded"), run.record.reason
        assert (run.record.reason.exit_code, run.record.progress, run.record.active) == (0, 100, False)
        last = next(event for event in reversed(run.record.log.since(None)) if event.phase)
        assert (last.phase, last.severity, last.code) == ("succeeded", None, None)
        assert not await rays.objects("Pod", spawn=run.record.id)
    async with rays.service() as service:
        assert service.spawns.find("ada", BATCH).record.phase is Phase.SUCCEEDED
        again = await start_batch(service, "exit 0", "s2")
        assert (await ended(again)).record.phase is Phase.SUCCEEDED


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    ("command", "phases", "code"),
    [
        ("sleep 1; exit 0", {Phase.SUCCEEDED}, 0),
        ("sleep 1; exit 3", {Phase.FAILED, Phase.EXITED}, 3),
        ("exit 3", {Phase.FAILED, Phase.EXITED}, 3),
    ],
)
async def test_only_exit_code_0_is_a_success(rays, command, phases, code):
    async with rays.service() as service:
        run = await ended(await start_batch(service, command))
        assert run.record.phase in phases, run.record.reason
        assert run.record.reason.exit_code == code


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_a_deleted_pod_has_not_succeeded(rays):
    async with rays.service() as service:
        run = await settled(await start_batch(service, "trap 'exit 0' TERM; while :; do sleep 0.1; done"))
        assert run.record.phase is Phase.RUNNING
        await lose_pod(rays, "batch-b1")
        assert ((await ended(run)).record.phase, run.record.reason.code) == (Phase.EXITED, "pod_gone")


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
async def test_what_ended_well_while_no_service_ran_has_succeeded(rays, tmp_path):
    gate = tmp_path / "gate"
    async with rays.service() as service:
        await settled(await start_batch(service, f"until test -e {gate}; do sleep 0.1; done"))
    gate.touch()
    async with rays.service() as service:
        run = await ended(service.spawns.find("ada", BATCH))
        assert run.record.phase is Phase.SUCCEEDED
