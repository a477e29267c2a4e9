"""The page about Dask is run from its first cell to its last, and its settings are loaded."""

from __future__ import annotations

import re
from pathlib import Path

import dask_gateway
import yaml
from dask_gateway_server.backends.base import ClusterConfig
from dask_gateway_server.backends.kubernetes.backend import KubeClusterConfig

from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.testing.dask import dask_site

PAGE = (Path(__file__).parents[2] / "docs/how-to/dask.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


async def test_the_cells_run_in_their_order(tmp_path):
    first, *further, last = blocks("python")
    async with dask_site(tmp_path) as site, site.notebook("ada") as notebook:
        assert await notebook.run(first) == 4950
        for cell in further:
            await notebook.run(cell)
        assert await notebook.run(last) is None
        assert notebook.warnings == []
        name = await notebook.run("cluster.name")
        await notebook.run("cluster.shutdown()")
        assert (await site.ask("GET", f"/v1/users/ada/dask/{name}"))[1]["phase"] in ("stopping", "exited")


def test_the_settings_load():
    data = yaml.safe_load(blocks("yaml")[0])
    data["tokens"]["proxy"]["sha256"] = "0" * 64
    settings = make_settings(data)
    load_plugins(settings)
    assert settings.gateway.public_address == "https://dashboards.example.org"


def test_the_clients_own_settings_are_those_that_it_reads():
    (shown,) = (block for block in blocks("text") if block.startswith("gateway:"))
    known = yaml.safe_load((Path(dask_gateway.__file__).parent / "gateway.yaml").read_text())["gateway"]
    given = yaml.safe_load(shown)["gateway"]
    assert set(given) <= set(known)
    assert set(given["auth"]) <= set(known["auth"])


def test_what_is_called_the_originals_is_the_originals():
    rows = re.findall(
        r"^\| (`.*?) \| ", PAGE.partition("## From dask-gateway")[2].partition("\n\n## ")[0], re.MULTILINE
    )
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} - {"dask-gateway-server"}
    traits = {*ClusterConfig.class_traits(config=True), *KubeClusterConfig.class_traits(config=True)}
    limits = {"max_clusters", "max_cores", "max_memory", "cluster_options", "authenticator_class"}
    assert named - traits - limits == set()
    assert len(named) > 10
