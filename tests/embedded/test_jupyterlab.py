from __future__ import annotations

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
