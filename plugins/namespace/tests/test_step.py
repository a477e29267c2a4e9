"""The namespace plugin, on a whole site."""

from __future__ import annotations

import pytest

from spawnpenny.api import SettingsError
from spawnpenny.testing.site import settled, start, stop


async def test_a_user_has_a_namespace_of_their_own(embedded_site):
    async with embedded_site.service() as service:
        await settled(await start(service))
        namespace = await embedded_site.read("Namespace", embedded_site.namespace("ada"))
        assert namespace["metadata"]["annotations"]["spawnpenny.io/username"] == "ada"
        assert await embedded_site.read("Namespace", embedded_site.namespace("bob")) is None


async def test_the_namespace_stays_when_the_lab_goes_and_is_not_claimed_again(embedded_site):
    async with embedded_site.service() as service:
        await settled(await start(service, "first"))
        await stop(service)
        run = await settled(await start(service, "second"))
        assert {step.name: step.state for step in run.record.steps}["namespace"] == "skipped"


async def test_a_namespace_that_is_not_ours_is_left_alone(embedded_site):
    foreign = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": embedded_site.namespace("ada")}}
    await embedded_site.cluster.create(foreign)
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason.code == "not_ours"


async def test_it_has_no_settings(embedded_site):
    embedded_site.data["plugins"]["namespace"] = {"prefix": "x"}
    with pytest.raises(SettingsError, match=r"plugins\.namespace\.prefix"):
        async with embedded_site.service():
            """It does not start."""
