from __future__ import annotations

import shutil
import sys
from pathlib import Path

import aiohttp

PROBE = {"httpGet": {"path": "/api", "port": 8888}, "periodSeconds": 1, "failureThreshold": 60}


async def test_two_real_labs_run_at_once_and_become_ready(site):
    refs = [await site.run(site.container("lab", readinessProbe=PROBE), name=name) for name in ("one", "two")]
    addresses = {(await site.until(ref, site.ready))["status"]["podIP"] for ref in refs}
    assert len(addresses) == 2
    async with aiohttp.ClientSession() as session:
        for address in addresses:
            async with session.get(f"http://{address}:8888/lab?token=secret") as response:
                assert response.status == 200
    await site.cluster.close()


async def test_the_labs_image_runs_a_program_instead_with_its_own_python_and_the_containers_exit_code(site):
    script = "import shutil, sys; print(sys.executable, shutil.which('jupyter')); sys.exit(3)"
    ref = await site.run(site.container("spawnpenny/lab", "python", "-c", script))
    pod = await site.until(ref, site.ended)
    assert site.state_of(pod)["state"]["terminated"]["exitCode"] == 3
    output = await site.log(ref)
    assert output.split() == [sys.executable, shutil.which("jupyter", path=str(Path(sys.executable).parent))]
