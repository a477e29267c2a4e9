"""A Hub's check of its own configuration, before anybody starts a server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest


@pytest.fixture
def checked(in_hub, spawner_of, caplog):
    """Make the first spawners of a Hub, and return what its check has logged."""

    async def check(**traits):
        in_hub.settings["spawner_class"] = object
        caplog.set_level("INFO")
        for server in ("", "gpu"):
            spawner_of(server=server, patience=0, **traits)
        await in_hub.settings["spawnpenny_check"]
        return [record.message for record in caplog.records if "spawnpenny" in record.message]

    return check


@pytest.mark.parametrize(
    ("traits", "problem"),
    [
        ({"token": "wrong"}, "does not accept the Hub's token"),
        ({"token": ""}, "set SpawnpennySpawner.token_file"),
        ({"url": ""}, "SpawnpennySpawner.url is not set"),
        ({"token": "careful-token"}, "does not have the scope spawn:any: it cannot start servers"),
        ({"token": "ada-token"}, "does not have the scope read:any"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_logged_once(checked, traits, problem):
    found = [line for line in await checked(**traits) if problem in line]
    assert len(found) == 1
    assert found[0].startswith("This Hub cannot use spawnpenny as it is configured: ")


async def test_a_right_hub_reads_as_whom_it_is_known(checked, service):
    assert await checked() == [f"spawnpenny at {service.url} accepts this Hub as token:hub"]


async def test_users_credentials_need_auth_state_and_no_right_to_spawn(checked, in_hub, service):
    in_hub.settings["authenticator"] = SimpleNamespace(enable_auth_state=False)
    (found,) = await checked(token="careful-token", auth_state_field="access_token")
    assert "c.Authenticator.enable_auth_state = True" in found


async def test_a_service_that_is_away_is_no_wrong_configuration(checked, service):
    await service.kill()
    (found,) = await checked()
    assert found.startswith("Whether this Hub can use spawnpenny is unknown: ")
    assert "cannot be reached" in found
