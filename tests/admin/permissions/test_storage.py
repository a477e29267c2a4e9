"""Storage under the accounts that a deployment has: what the plugin declares is all that it needs."""

from __future__ import annotations

import pytest

from spawnpenny.domain.spawns import Phase
from spawnpenny.testing.site import HUB, lab, settled, start, stop

CLAIM = "persistentvolumeclaims"
STORAGE = {"plugins": {"storage": {"retain": False}}}


def calls(apiserver, installation, since, until=None):
    """Return the verbs of the service's requests about claims between two marks."""
    later = len(apiserver.audit(until)) if until else 0
    entries = apiserver.audit(since)
    mine = installation.user_of("service")
    return [entry.verb for entry in entries[: len(entries) - later] if (entry.user, entry.resource) == (mine, CLAIM)]


@pytest.mark.parametrize("installation", [STORAGE], indirect=True)
async def test_claims_come_and_go_with_the_rights_that_are_printed(installation, apiserver):
    before = apiserver.audit_position()
    async with installation.running() as service:
        for name in ("~default", "gpu"):
            run = await settled(await start(service, name=name))
            assert run.record.phase is Phase.RUNNING, run.record.reason
        await stop(service)
        again = apiserver.audit_position()
        await settled(await start(service, "again"))
        assert calls(apiserver, installation, before, again) == ["get", "create"] * 2
        assert calls(apiserver, installation, again) == ["get"]
        await stop(service)
        installation.site.data["plugins"]["storage"]["capacity"] = "20Gi"
    async with installation.running() as service:
        run = await settled(await start(service, "grown"))
        assert run.record.phase is Phase.RUNNING, run.record.reason
        run = await service.spawns.purge("ada", lab(), identity=HUB)
        await run.until_gone()
        assert run.kept == ""
    entries = [entry for entry in apiserver.audit(before) if entry.user == installation.user_of("service")]
    used = {entry.verb for entry in entries if entry.resource == CLAIM and entry.authorized}
    assert used == {"create", "get", "patch", "delete"}
    assert ("list", "pods") in {
        (entry.verb, entry.resource) for entry in entries if entry.authorized and entry.namespace
    }
