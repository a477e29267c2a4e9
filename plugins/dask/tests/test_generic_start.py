"""A Dask cluster started by the route that every kind has."""

from __future__ import annotations

import re

import pytest

from spawnpenny.testing.web_server import serve_site, token_settings


@pytest.fixture
def dask_site(embedded_site):
    embedded_site.data["plugins"]["dask"] = {}
    embedded_site.data["tokens"] = token_settings({"ada": (["spawn:self"], "ada"), "bob": (["spawn:self"], "bob")})
    return embedded_site


async def test_a_name_that_a_user_chooses_is_unique_among_all_users(dask_site):
    async with serve_site(dask_site) as server, server.client("ada") as ada, server.client("bob") as bob:
        body = {"start": "s1", "options": {}}
        started = await ada.put("/v1/users/ada/dask/mine", json=body)
        cluster = await started.json()
        assert (started.status, cluster["kind"], cluster["start"]) == (202, "dask", "s1"), cluster
        assert re.fullmatch(r"mine-[0-9a-f]{8}", cluster["cluster"])
        for name in ("mine", cluster["cluster"]):
            again = await ada.put(f"/v1/users/ada/dask/{name}", json=body)
            assert (again.status, (await again.json())["spawn"]) == (200, cluster["spawn"])
            found = await (await ada.get(f"/v1/users/ada/dask/{name}")).json()
            assert (found["cluster"], found["groups"]["default"]["desired"]) == (cluster["cluster"], 0)
        others = await (await bob.put("/v1/users/bob/dask/mine", json=body)).json()
        assert others["cluster"] != cluster["cluster"]
        refused = await ada.put("/v1/users/ada/dask/Mine!", json=body)
        assert (refused.status, (await refused.json())["code"]) == (422, "name_invalid")
        unknown = await ada.put("/v1/users/ada/dask/yours", json={"start": "s2", "options": {"colour": "red"}})
        assert (unknown.status, (await unknown.json())["code"]) == (422, "option_unknown")
        schema = await (await ada.get("/v1/users/ada/dask/form")).json()
        assert (schema["type"], schema["additionalProperties"]) == ("object", False)
        for user, client in (("ada", ada), ("bob", bob)):
            assert (await client.delete(f"/v1/users/{user}/dask/mine?wait=60")).status == 204
