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


async def test_what_is_no_setting_of_it_is_refused(embedded_site):
    embedded_site.data["plugins"]["namespace"] = {"prefix": "x"}
    with pytest.raises(SettingsError, match=r"plugins\.namespace\.prefix"):
        async with embedded_site.service():
            """It does not start."""


async def test_the_policy_is_there_before_the_first_pod(site):
    async with site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason is None
        done = [event.step for event in run.record.log.since(None) if event.state == "done"]
        assert done.index("network") < done.index("lab.pod")
        policy = await site.read("NetworkPolicy", "spawnpenny")
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


async def test_a_narrower_setting_reaches_the_namespaces_that_are_there(site):
    for internet in (True, False):
        site.data["plugins"]["namespace"] = {"network": {"internet": internet}}
        async with site.service() as service:
            await settled(await start(service, f"internet-{internet}", replace=True))
        policy = await site.read("NetworkPolicy", "spawnpenny")
        peers = [peer for rule in policy["spec"]["egress"] for peer in rule["to"]]
        assert any("ipBlock" in peer for peer in peers) is internet


async def test_a_policy_that_somebody_narrowed_to_some_pods_is_about_all_of_them_again(site):
    async with site.service() as service:
        await settled(await start(service, "first"))
    narrowed = {"spec": {"podSelector": {"matchLabels": {"app": "none"}}}}
    await site.cluster.patch(site.ref("NetworkPolicy", "spawnpenny"), narrowed)
    site.data["plugins"]["namespace"] = {"network": {"internet": False}}
    async with site.service() as service:
        await settled(await start(service, "second", replace=True))
    policy = await site.read("NetworkPolicy", "spawnpenny")
    assert not policy["spec"]["podSelector"].get("matchLabels")


async def test_a_site_may_do_without(embedded_site):
    embedded_site.data["plugins"]["namespace"] = {"network": {"enabled": False}}
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert "network" not in {step.name for step in run.record.steps}
        assert await embedded_site.read("NetworkPolicy", "spawnpenny") is None
