"""Labs with further containers, the site's and a webhook's: the lab's own container decides."""

from __future__ import annotations

import pytest

from spawnpenny.domain.spawns import Phase
from spawnpenny.testing.behaviours import Ready, make_status, terminated
from spawnpenny.testing.site import lab, settled, start

SIDECAR = {"name": "side", "image": "spawnpenny/shell", "args": ["-c", "exec sleep 1000"]}
RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


def state(pod, notebook, side, *, restarts=0, last=None):
    """Make the status of a lab's pod with a sidecar, each in a state of its own."""
    status = make_status(pod, "Running", RUNNING)
    states = {"notebook": (notebook, 0, None), "side": (side, restarts, last)}
    for container in status["containerStatuses"]:
        found, count, before = states[container["name"]]
        more = {"ready": "running" in found, "restartCount": count, "lastState": before or {}}
        container.update({"state": found} | more)
    ready = all(container["ready"] for container in status["containerStatuses"])
    for condition in status["conditions"]:
        if condition["type"] in {"Ready", "ContainersReady"}:
            condition["status"] = str(ready)
    return status


class Behave:
    """A pod whose notebook and sidecar are in these states from the start."""

    scheduled = True

    def __init__(self, *states):
        self.states = states

    def statuses(self, pod):
        yield state(pod, *self.states)


def warnings(run):
    return [event.message for event in run.record.log.since(None) if event.severity and event.type == "info"]


@pytest.fixture
def with_sidecar(kube_site):
    kube_site.data["plugins"]["lab"] = {"extra_containers": [SIDECAR]}
    return kube_site


async def report(site, hollow_node, *states, **more):
    pod = await site.read("Pod", "lab")
    await hollow_node.set_status(site.namespace(), "lab", state(pod, *states, **more))


async def until(run, fact):
    while not fact(run):
        await run.bell.next().wait()
        if run.task is not None and run.record.phase.over:
            await run.task


@pytest.mark.parametrize("code", [0, 3])
async def test_a_lab_whose_notebook_ended_beside_a_living_sidecar_has_exited(with_sidecar, hollow_node, code):
    with_sidecar.data["plugins"]["lab"]["extra_pod_config"] = {"restartPolicy": "Never"}
    with_sidecar.data["plugins"]["quota"] = {"labs": 1}
    hollow_node.behave(lambda pod: pod["metadata"]["namespace"] == with_sidecar.namespace(), Ready())
    async with with_sidecar.service() as service:
        run = await settled(await start(service))
        await report(with_sidecar, hollow_node, terminated(code), RUNNING)
        await until(run, lambda run: run.record.phase is Phase.EXITED and run.record.reverted)
        assert f"exit code {code}" in run.record.reason.message
        assert await with_sidecar.read("Pod", "lab") is None
        again = await settled(await start(service, "again", name="other"))
        assert again.record.phase is Phase.RUNNING


async def test_a_sidecar_that_crashes_again_and_again_harms_only_itself_and_is_a_warning_once(
    with_sidecar, hollow_node
):
    async with with_sidecar.service() as service:
        run = await settled(await start(service))
        for restarts in range(1, 9):
            await report(with_sidecar, hollow_node, RUNNING, BACK_OFF, restarts=restarts, last=terminated(1))
        await until(run, warnings)
        await report(with_sidecar, hollow_node, RUNNING, terminated(0), restarts=9)
        marked = await service.service_context.pods.wait_for(
            with_sidecar.namespace(), "lab", lambda pod: "9" in str(pod["status"]["containerStatuses"])
        )
        assert marked is not None
        assert run.record.phase is Phase.RUNNING
        expected = "The container side ended by itself with exit code 1. It only runs beside the program."
        assert warnings(run) == [expected]


async def test_a_lab_starts_beside_a_sidecar_that_has_done_its_work(with_sidecar, hollow_node):
    hollow_node.behave(_labs_of(with_sidecar), Behave(RUNNING, terminated(0)))
    async with with_sidecar.service() as service:
        run = await settled(await start(service, timeout=20.0))
        assert run.record.phase is Phase.RUNNING, run.record.reason


async def test_a_start_whose_notebook_ends_beside_a_living_sidecar_fails_at_once(with_sidecar, hollow_node):
    hollow_node.behave(_labs_of(with_sidecar), Behave(terminated(0), RUNNING))
    async with with_sidecar.service() as service:
        run = await settled(await start(service))
        assert run.record.phase is Phase.FAILED
        assert "exit code 0" in run.record.reason.message


async def test_the_end_beside_a_living_sidecar_is_noticed_by_the_next_service(with_sidecar, hollow_node):
    async with with_sidecar.service() as service:
        await settled(await start(service))
    await report(with_sidecar, hollow_node, terminated(0), RUNNING)
    async with with_sidecar.service() as service:
        run = service.spawns.find("ada", lab())
        await until(run, lambda run: run.record.phase is Phase.EXITED and run.record.reverted)
        assert await with_sidecar.read("Pod", "lab") is None


@pytest.mark.parametrize("native", [False, True], ids=["beside", "native"])
async def test_a_real_sidecar_holds_no_ended_lab_up(embedded_site, native):
    """On the embedded cluster, whose containers are processes: the notebook ends, the sidecar would go on."""
    sidecar = (
        {"init_containers": [SIDECAR | {"restartPolicy": "Always"}]} if native else {"extra_containers": [SIDECAR]}
    )
    lab_settings = {"images": {"default": "spawnpenny/shell"}, "cmd": ["-c", "echo done"], **sidecar}
    embedded_site.data["plugins"]["lab"] = lab_settings
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert run.record.phase is Phase.FAILED
        assert run.record.reason.message == "The program in the pod ended by itself (exit code 0)."
        assert await embedded_site.objects(spawn=run.record.id) == {}


def _labs_of(site):
    return lambda pod: pod["metadata"]["namespace"] == site.namespace() and pod["metadata"]["name"] == "lab"
