"""The lab plugin, on a whole site: on the embedded cluster, and on a real API server where there is one."""

from __future__ import annotations

import base64

import pytest

from spawnpenny.api import InvalidOptionError, SettingsError, UnknownOptionError
from spawnpenny.testing.site import lab, settled, start, stop


async def test_a_lab_runs_and_says_where(site):
    async with site.service() as service:
        run = await settled(await start(service, env={"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}))
        assert run.record.reason is None
        assert run.record.url.endswith(":8888/user/ada/")


async def test_the_environment_is_in_the_labs_own_secret(site):
    async with site.service() as service:
        run = await settled(await start(service, env={"TOKEN": "Grüße"}))
        found = await site.objects("Secret", spawn=run.record.id)
        assert set(found) == {"Secret/lab"}
        assert base64.b64decode(found["Secret/lab"]["data"]["TOKEN"]).decode() == "Grüße"


async def test_pod_and_secret_go_with_the_lab(site):
    async with site.service() as service:
        await settled(await start(service))
        await settled(await start(service, name="other"))
        await stop(service)
        assert set(await site.objects("Pod", "Secret")) == {"Pod/lab-other", "Secret/lab-other"}


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"options": {"size": "huge"}}, UnknownOptionError),
        ({"options": {"pod": {}}}, UnknownOptionError),
        ({"env": {"JUPYTERHUB_SERVICE_PREFIX": "nowhere"}}, InvalidOptionError),
    ],
)
async def test_a_request_that_cannot_be_met_is_refused_before_anything_is_made(embedded_site, more, error):
    async with embedded_site.service() as service:
        with pytest.raises(error):
            await start(service, **more)
        assert service.spawns.find("ada", lab()) is None
        assert await embedded_site.objects() == {}


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ({"sizes": {}}, "sizes"),
        ({"images": {}}, "images"),
        ({"sizes": {"small": {"cpu": 1}}}, "sizes.small.memory"),
        ({"port": 0}, "port"),
        ({"grace": -1}, "grace"),
    ],
)
async def test_settings_that_make_no_lab_are_refused(embedded_site, section, place):
    embedded_site.data["plugins"]["lab"] = section
    with pytest.raises(SettingsError) as refused:
        async with embedded_site.service():
            """It does not start."""
    assert f"plugins.lab.{place}: " in str(refused.value)
