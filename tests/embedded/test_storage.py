"""Storage in a folder: the next lab finds the files of the one before."""

from __future__ import annotations

from spawnpenny.domain.spawns import Phase
from spawnpenny.embedded.cluster import EmbeddedCluster
from spawnpenny.testing.site import SMALL_LAB, make_site, settled, start, stop


async def test_what_a_lab_wrote_is_there_for_the_next(tmp_path):
    program = f"import os\nopen(os.environ['DATA'] + '/starts', 'a').write('x')\n{SMALL_LAB[2]}"
    async with EmbeddedCluster(tmp_path / "cluster", {"spawnpenny/lab": (*SMALL_LAB[:2], program)}) as cluster:
        site = await make_site(cluster)
        site.data["plugins"]["lab"] = {"environment": {"DATA": "/home/ada"}}
        site.data["plugins"]["storage"] = {"mount_path": "/home/{username}", "sub_path": "home"}
        async with site.service() as service:
            for start_id in ("one", "two"):
                run = await settled(await start(service, start_id))
                assert run.record.phase is Phase.RUNNING, run.record.reason
                await stop(service)
    (written,) = tmp_path.rglob("claims/*/claim-ada/home/starts")
    assert written.read_text() == "xx"
