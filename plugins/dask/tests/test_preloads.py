"""What an image and a user have distributed load into schedulers, nannies and workers, and nanny plugins."""

from __future__ import annotations

import json
import sys

import pytest

PLAIN = "def dask_setup(server):\n    server.loaded = [*getattr(server, 'loaded', []), 'plain']\n"
WITH_ARGUMENTS = """
import click
@click.command()
@click.argument("word")
def dask_setup(server, word):
    server.loaded = [*getattr(server, "loaded", []), word]
"""
TEXT = "def dask_setup(server): server.loaded = [*getattr(server, 'loaded', []), 'text']"
LOADED = """
import json
import sys
def loaded(dask_worker):
    return getattr(dask_worker, "loaded", [])
client.wait_for_workers(1)
found = {
    "scheduler": client.run_on_scheduler(lambda dask_scheduler: getattr(dask_scheduler, "loaded", [])),
    "worker": list(client.run(loaded).values())[0],
}
if any(worker["nanny"] for worker in client.scheduler_info()["workers"].values()):
    found["nanny"] = list(client.run(loaded, nanny=True).values())[0]
print(json.dumps(found))
"""


@pytest.fixture
def preloads(tmp_path):
    """Have what Dask's configuration says of preloads, as its variables, with the files that it names."""
    (tmp_path / "plain_preload.py").write_text(PLAIN)
    (tmp_path / "preload_with_arguments.py").write_text(WITH_ARGUMENTS)
    listed = [str(tmp_path / "plain_preload.py"), str(tmp_path / "preload_with_arguments.py"), TEXT]
    variables = {}
    for role in ("SCHEDULER", "NANNY", "WORKER"):
        variables[f"DASK_DISTRIBUTED__{role}__PRELOAD"] = repr(listed)
        variables[f"DASK_DISTRIBUTED__{role}__PRELOAD_ARGV"] = repr([[], [role.lower()], []])
    return variables


@pytest.mark.parametrize("nanny", [True, False], ids=["nanny", "bare"])
async def test_preloads_of_image_and_user_are_loaded_beside_ours(any_dask_site, preloads, nanny):
    async with any_dask_site.running(worker={"nanny": nanny, "memory": "1Gi"}) as site:
        run = await site.cluster(environment=preloads)
        assert run.record.reason is None
        await site.scale(1)
        loaded = json.loads(await site.python_in("c1", LOADED))
        roles = ["scheduler", "worker", *(["nanny"] if nanny else [])]
        assert loaded == {role: ["plain", role, "text"] for role in roles}


@pytest.mark.parametrize("spelled", ["plain_preload", "['plain_preload']"], ids=["string", "module"])
async def test_a_single_preload_may_be_a_string_and_the_name_of_a_module(dask_site, preloads, tmp_path, spelled):
    async with dask_site.running() as site:
        variables = {f"DASK_DISTRIBUTED__{role}__PRELOAD": spelled for role in ("SCHEDULER", "NANNY", "WORKER")}
        await site.cluster(environment={**variables, "PYTHONPATH": str(tmp_path)})
        await site.scale(1)
        loaded = json.loads(await site.python_in("c1", LOADED))
        assert loaded == {role: ["plain"] for role in ("scheduler", "worker", "nanny")}


async def test_a_preload_that_cannot_be_loaded_is_the_reason(dask_site):
    variables = {"DASK_DISTRIBUTED__SCHEDULER__PRELOAD": "['no_such_preload']"}
    async with dask_site.running(environment=variables) as site:
        run = await site.cluster()
        assert run.record.reason.code == "pod_crashed"
        assert run.record.reason.message.endswith("ModuleNotFoundError: No module named 'no_such_preload'.")


async def test_nanny_plugins_are_done_on_workers_that_are_and_that_come(any_dask_site, tmp_path):
    (tmp_path / "sent" / "sent_package").mkdir(parents=True)
    (tmp_path / "sent" / "sent_package" / "__init__.py").write_text("ANSWER = 42\n")
    async with any_dask_site.running(worker={"memory": "1Gi"}) as site:
        await site.cluster()
        await site.scale(1)
        script = f"""
from distributed.diagnostics.plugin import Environ, UploadDirectory
client.wait_for_workers(1)
client.register_plugin(Environ({{"COLOUR": "blue"}}))
client.register_plugin(UploadDirectory({str(tmp_path / "sent")!r}, update_path=True, RESTART=True))
client.wait_for_workers(1)
"""
        restart = "restart_workers" if site.python == sys.executable else "restart"
        await site.python_in("c1", script.replace("RESTART", restart))
        await site.scale(2)
        seen = """
client.wait_for_workers(2)
there = lambda: (__import__("os").environ["COLOUR"], __import__("sent_package").ANSWER)
print(sorted(client.run(there).values()))
"""
        assert await site.python_in("c1", seen) == "[('blue', 42), ('blue', 42)]"


async def test_without_nannies_their_plugins_are_refused_with_the_reason(any_dask_site, tmp_path):
    async with any_dask_site.running(worker={"nanny": False, "memory": "1Gi"}) as site:
        await site.cluster()
        await site.scale(1)
        script = f"""
from distributed import NannyPlugin
from distributed.diagnostics.plugin import Environ, UploadDirectory
class Own(NannyPlugin):
    name = "own"
client.wait_for_workers(1)
for plugin in (Environ({{"COLOUR": "blue"}}), UploadDirectory({str(tmp_path)!r}), Own()):
    try:
        client.register_plugin(plugin)
    except Exception as error:
        print(error)
"""
        found = (await site.python_in("c1", script)).split("\n")
        assert len(found) == 3
        assert all(line.startswith("The workers of this cluster have no nanny") for line in found)


async def test_preloads_on_the_command_line_are_loaded_beside_ours(dask_site, tmp_path):
    (tmp_path / "plain_preload.py").write_text(PLAIN)
    named = {"args": ["--preload", str(tmp_path / "plain_preload.py")]}
    nanny = {"args": [*named["args"], f"--preload-nanny={tmp_path / 'plain_preload.py'}"], "memory": "1Gi"}
    async with dask_site.running(scheduler=named, worker=nanny) as site:
        await site.cluster()
        await site.scale(1)
        loaded = json.loads(await site.python_in("c1", LOADED))
        assert loaded == {role: ["plain"] for role in ("scheduler", "worker", "nanny")}
        await site.scale(0)  # ours answers, too
        await site.until_workers(0)


async def test_single_workers_are_restarted_by_their_nannies(dask_site):
    async with dask_site.running(worker={"memory": "1Gi"}) as site:
        await site.cluster()
        await site.scale(2)
        names = await site.until_workers(2)
        script = """
client.wait_for_workers(2)
pid = lambda: __import__("os").getpid()
before = client.run(pid)
one = list(before)[0]
print(client.restart_workers([one]))
client.wait_for_workers(2)
print(len({*before.values()} & {*client.run(pid).values()}))
"""
        printed = await site.python_in("c1", script)
        assert printed.endswith("'OK'}\n1")
        assert site.workers() == names
