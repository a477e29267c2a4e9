"""The kind of the tutorial: its code is a plugin of one file, which runs and keeps its contracts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spawnpenny.testing.web_server import serve_site, token_settings

PAGE = Path(__file__).parents[2] / "docs" / "tutorials" / "first-kind.md"


@pytest.fixture
def blocks(tmp_path, monkeypatch):
    """Write the plugin of the page into the present folder; return the page's blocks of Python."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "own").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "own")
    Path("countdown.py").write_text("\n\n".join(blocks[:-1]), encoding="utf-8")
    return blocks


@pytest.mark.parametrize("name", ["test_its_step_keeps_the_contract", "test_the_kind_keeps_the_contract"])
async def test_the_contracts_of_the_page_hold(blocks, store_cluster, name):
    namespace = {}
    exec(blocks[-1], namespace)
    await namespace[name](store_cluster)


async def test_it_runs_as_the_page_starts_it(blocks, embedded_site):
    assert len(blocks) == 4
    embedded_site.data |= {
        "plugins_dir": ".",
        "plugins": {"namespace": {}, "quota": {}, "countdown": {}},
        "tokens": token_settings({"ada": (["spawn:self"], "ada")}),
    }
    path = "/v1/users/ada/countdowns/first"
    async with serve_site(embedded_site) as server, server.client("ada") as client:
        refused = await client.put(path, json={"start": "one", "options": {"seconds": 0}})
        assert refused.status == 422
        started = await client.put(path, json={"start": "one", "options": {"seconds": 1}})
        assert started.status == 202, await started.text()
        async with client.get(f"{path}/events", params={"follow": "true"}) as answer:
            assert '"succeeded"' in (await answer.text()).rpartition("phase")[2]
