"""The client for spawns of any kind, with kinds that have answers of their own."""

from __future__ import annotations

from spawnpenny.clients.http import Client
from spawnpenny.testing.web_server import serve_site, token_settings


async def test_one_client_is_for_labs_and_for_the_kinds_of_plugins(embedded_site):
    embedded_site.data["plugins"]["dask"] = {}
    embedded_site.data["tokens"] = token_settings({"ada": (["spawn:self"], "ada"), "hub": (["read:any"], None)})
    async with serve_site(embedded_site) as server, Client(server.url, "ada-token") as ada:
        kinds = {kind.name: kind for kind in await ada.kinds()}
        clusters, labs = ada.spawns(kinds["dask"]), ada.spawns(kinds["lab"])
        started = await clusters.start("ada", "mine", start="s1", workers=1)
        assert (started.name[:5], started.scale["count"]) == ("mine-", 1)
        assert [cluster.name for cluster in await clusters.of("ada")] == [started.name]
        assert (await clusters.get("ada", "mine")).spawn == started.spawn
        assert await clusters.scale("ada", "mine", 2) is None
        async with Client(server.url, "hub-token") as hub:
            pages = [page async for page in hub.spawns(kinds["dask"]).pages()]
        assert [(cluster.name, cluster.scale["count"]) for cluster in pages[0].spawns] == [(started.name, 2)]
        assert await clusters.stop("ada", "mine", wait=60) is None
        assert (await labs.start("ada", "~default", start="l1")).start == "l1"
        assert [lab.name for lab in await labs.of("ada")] == ["~default"]
        assert await labs.stop("ada", "~default", start="l1", wait=60) is None
