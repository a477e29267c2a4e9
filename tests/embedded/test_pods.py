from __future__ import annotations

import aiohttp
import pytest

PROBE = {"httpGet": {"path": "/", "port": 8888}}


async def test_two_pods_listen_on_the_same_port_of_their_own_addresses(site):
    refs = [
        await site.run(site.container("web", readinessProbe=PROBE), name=name, restartPolicy="Always")
        for name in ("one", "two")
    ]
    addresses = {(await site.until(ref, site.ready))["status"]["podIP"] for ref in refs}
    assert len(addresses) == 2
    async with aiohttp.ClientSession() as session:
        for address in addresses:
            async with session.get(f"http://{address}:8888/") as response:
                assert response.status == 200


async def test_the_status_tells_what_a_kubelet_tells(site):
    ref = await site.run(site.container("sh", "exit 3"))
    pod = await site.until(ref, site.ended)
    assert pod["status"]["phase"] == "Failed"
    state = site.state_of(pod)
    assert (state["state"]["terminated"]["exitCode"], state["restartCount"]) == (3, 0)
    assert {c["type"] for c in pod["status"]["conditions"]} == {
        "PodScheduled",
        "Initialized",
        "ContainersReady",
        "Ready",
    }
    assert pod["spec"]["nodeName"] == "embedded"


async def test_a_container_without_probes_is_ready_when_it_runs(site):
    ref = await site.run(site.container("sh", "exec sleep 100"))
    assert site.state_of(await site.until(ref, site.ready))["ready"]


async def test_a_pod_whose_containers_succeed_has_succeeded(site):
    ref = await site.run(site.container("sh", "true"), site.container("sh", "true", name="other"))
    assert (await site.until(ref, site.ended))["status"]["phase"] == "Succeeded"


async def test_init_containers_run_one_after_the_other_and_first(site):
    mounts = [{"name": "shared", "mountPath": "/shared"}]
    environ = [{"name": "ORDER", "value": "/shared/order"}]

    def step(name: str):
        script = f"sleep 0.05; echo {name} >> $ORDER"
        return site.container("sh", script, name=name, volumeMounts=mounts, env=environ)

    ref = await site.run(
        site.container("sh", "cat $ORDER", volumeMounts=mounts, env=environ),
        initContainers=[step("first"), step("second")],
        volumes=[{"name": "shared", "emptyDir": {}}],
        restartPolicy="Always",
    )
    assert await site.log_has(ref, "second") == "first\nsecond\n"


async def test_a_failed_init_container_fails_the_pod_and_nothing_else_runs(site):
    ref = await site.run(site.container("sh", "echo ran"), initContainers=[site.container("sh", "exit 7", name="init")])
    pod = await site.until(ref, site.ended)
    assert pod["status"]["phase"] == "Failed"
    assert site.state_of(pod, "init")["state"]["terminated"]["exitCode"] == 7
    assert site.state_of(pod)["state"]["waiting"]["reason"] == "PodInitializing"
    assert await site.log(ref) == ""


async def test_a_native_sidecar_runs_beside_the_containers_and_ends_after_them(site):
    shared = {
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
        "env": [{"name": "AT", "value": "/shared/at"}],
    }
    sidecar = site.container(
        "sh", "trap 'echo last; exit 0' TERM; touch $AT; while :; do sleep 0.05; done", name="proxy", **shared
    )
    ref = await site.run(
        site.container("sh", "until test -e $AT; do sleep 0.05; done; echo seen", **shared),
        initContainers=[sidecar | {"restartPolicy": "Always"}, site.container("sh", "true", name="init")],
        volumes=[{"name": "shared", "emptyDir": {}}],
    )
    pod = await site.until(ref, site.ended)
    assert pod["status"]["phase"] == "Succeeded"
    assert await site.log(ref) == "seen\n"
    assert (await site.log(ref, "proxy")).endswith("last\n")
    ended = [site.state_of(pod, name)["state"]["terminated"]["finishedAt"] for name in ("main", "proxy")]
    assert ended == sorted(ended)


async def test_a_native_sidecar_that_does_not_start_holds_the_containers_back(site):
    sidecar = site.container("sh", "exit 1", name="proxy") | {"restartPolicy": "Always"}
    sidecar["startupProbe"] = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    ref = await site.run(site.container("sh", "echo ran"), initContainers=[sidecar])
    pod = await site.until(ref, lambda pod: str(pod["status"]).count("CrashLoopBackOff"))
    assert pod["status"]["phase"] == "Pending"
    assert site.state_of(pod)["state"]["waiting"]["reason"] == "PodInitializing"


async def test_a_crashing_container_is_restarted_at_once_and_then_backs_off(site):
    ref = await site.run(site.container("sh", "echo why; exit 1"), restartPolicy="Always")
    state = site.state_of(await site.until(ref, site.waiting_for("CrashLoopBackOff")))
    assert state["restartCount"] == 1
    assert state["lastState"]["terminated"]["exitCode"] == 1
    assert "back-off 10s restarting failed container=main" in state["state"]["waiting"]["message"]
    assert await site.log(ref) == "why\n"


async def test_an_unknown_image_cannot_be_pulled(site):
    ref = await site.run(site.container("no/such:image"))
    state = site.state_of(await site.until(ref, site.waiting_for("ErrImagePull")))
    assert state["state"]["waiting"]["message"].startswith(
        "not found: the embedded cluster has no command for the image no/such"
    )
    state = site.state_of(await site.until(ref, site.waiting_for("ImagePullBackOff")))
    assert state["state"]["waiting"]["message"] == 'Back-off pulling image "no/such:image"'


async def test_a_command_that_is_not_there_cannot_be_started(site):
    ref = await site.run(site.container("none"))
    ended = site.state_of(await site.until(ref, site.ended))["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert '"/no/such/command": executable file not found' in ended["message"]


async def test_command_replaces_the_images_command_line_and_args_follow(site):
    ref = await site.run(site.container("none", "$(GREETING)", "$$(GREETING)", command=["echo"], env=[
        {"name": "GREETING", "value": "hello"},
    ]))  # fmt: skip
    await site.until(ref, site.ended)
    assert await site.log(ref) == "hello $(GREETING)\n"


async def test_a_pod_past_its_deadline_has_failed(site):
    ref = await site.run(
        site.container("sh", "exec sleep 100"), activeDeadlineSeconds=0.2, terminationGracePeriodSeconds=0
    )
    await site.until(ref, lambda pod: pod["status"].get("reason") == "DeadlineExceeded")


async def test_a_pod_past_its_deadline_has_failed_even_if_its_program_ends_well_then(site):
    script = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
    ref = await site.run(site.container("sh", script), activeDeadlineSeconds=0.5, terminationGracePeriodSeconds=20)
    await site.until(ref, lambda pod: pod["status"]["phase"] == "Failed" and "running" in site.state_of(pod)["state"])
    ended = await site.until(ref, site.ended)
    assert (ended["status"]["phase"], ended["status"]["reason"]) == ("Failed", "DeadlineExceeded")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo gone > $LAST", "gone\n"),
        ("echo failed > $LAST; echo log; exit 1", "failed\n"),
        ("echo log; exit 1", "log\n"),
    ],
)
async def test_what_a_program_leaves_in_its_message_file_is_in_its_status(site, script, message):
    path = "/run/last/words"
    container = site.container(
        "sh",
        script,
        env=[{"name": "LAST", "value": path}],
        terminationMessagePath=path,
        terminationMessagePolicy="FallbackToLogsOnError",
    )
    ended = await site.until(await site.run(container), site.ended)
    assert site.state_of(ended)["state"]["terminated"]["message"] == message


async def test_exec_and_tcp_probes_make_a_container_ready(site):
    script = "import os,socket,time; s=socket.create_server((os.environ['IP'],9000)); time.sleep(100)"
    address = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    ref = await site.run(
        site.container("python", script, env=[address], readinessProbe={"tcpSocket": {"port": 9000}}),
        site.container(
            "sh", "touch up; exec sleep 100", name="other", readinessProbe={"exec": {"command": ["ls", "up"]}}
        ),
    )
    await site.until(ref, site.ready)


async def test_a_container_that_fails_its_liveness_probe_is_restarted(site):
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 0.1, "failureThreshold": 2}
    ref = await site.run(site.container("sh", "exec sleep 100", livenessProbe=probe), restartPolicy="Always")
    await site.until(ref, lambda pod: site.running(pod) and site.state_of(pod)["restartCount"] == 1)


async def test_the_log_is_bounded_and_has_the_end(site):
    script = "import sys\nfor i in range(400000): print(f'line {i}')"
    ref = await site.run(site.container("python", script))
    await site.until(ref, site.ended)
    assert await site.log(ref, tail=1) == "line 399999\n"
    files = (site.folder / "pods").rglob("*.log*")
    assert 0 < sum(file.stat().st_size for file in files) <= 2**20


async def test_a_log_without_line_ends_is_bounded_too(site):
    ref = await site.run(site.container("python", "print('x' * 5_000_000, end='')"))
    await site.until(ref, site.ended)
    assert 0 < len(await site.log(ref)) <= 2**20


async def test_a_second_delete_can_only_make_it_sooner(site):
    ref = await site.run(site.container("sh", "trap '' TERM; echo up; while :; do sleep 0.1; done"))
    await site.log_has(ref, "up")
    assert await site.cluster.delete(ref, grace=3600)
    assert await site.cluster.delete(ref, grace=0)
    await site.until_gone(ref)
