"""Two Hubs, one service, one user: neither loses a server to the other without a word."""

from __future__ import annotations

import pytest

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.clients.jupyterhub.errors import RefusedError

A = {"hub_name": "Course Hub"}
B = {"token": "other-token", "hub_name": "Research Hub"}


@pytest.fixture
def site(site):
    scopes = ["read:any", "delete:any", "spawn:any", "purge"]
    site.data["tokens"]["other"] = {"sha256": hash_token("other-token"), "scopes": scopes}
    return site


async def refused(spawner):
    with pytest.raises(RefusedError) as refusal:
        await spawner.start()
    return refusal.value


@pytest.mark.parametrize("other", [B, {"token": "other-token"}, {"hub_name": "Research Hub"}], ids=str)
async def test_a_second_hub_learns_who_has_the_server(spawner_of, client, other):
    first = spawner_of(**A)
    url = await first.start()
    second = spawner_of(**other)
    refusal = await refused(second)
    assert (refusal.code, refusal.status_code) == ("foreign_start", 409)
    assert "token:hub (Course Hub) started it" in refusal.jupyterhub_message
    assert "Stop it where it was started" in refusal.jupyterhub_message
    assert (await first.poll(), await second.poll()) == (None, 0)
    await second.stop()
    assert (await client.lab("ada")).url == url
    await first.stop()
    second.clear_state()
    await second.start()
    assert (await client.lab("ada")).client == other.get("hub_name")


@pytest.mark.parametrize("hub", ["goes on", "restarted"])
async def test_a_hub_whose_server_was_taken_over_says_so_and_stops_nothing(spawner_of, client, hub, caplog, server_of):
    first, second = spawner_of(**A), spawner_of(**B)
    await first.start()
    state = first.get_state()
    await client.stop_lab("ada", wait=120)
    await second.start()
    if hub == "restarted":
        first = spawner_of(**A)
        first.load_state(state)
        first.server = server_of()
        assert await first.get_url() == first.server.url
    assert await first.poll() == 0
    assert "ada was replaced: token:other (Research Hub) started it." in caplog.text
    await first.stop()
    lab = await client.lab("ada")
    assert (lab.running, lab.by, await second.poll()) == (True, "token:other", None)


async def test_deleting_a_server_in_one_hub_keeps_what_another_one_runs(spawner_of, client, caplog):
    await spawner_of(**A).start()
    second = spawner_of(**B)
    await second.delete_forever()
    assert (await client.lab("ada")).running
    assert "The storage of ada is kept: token:hub (Course Hub) started it." in caplog.text


async def test_a_hub_with_a_new_token_of_the_same_name_keeps_its_servers(spawner_of, site, service, client):
    spawner = spawner_of(**A)
    await spawner.start()
    state = spawner.get_state()
    await service.kill()
    site.data["tokens"]["hub"]["sha256"] = hash_token("new-token")
    await service.start()
    again = spawner_of(token="new-token", **A)
    again.load_state(state)
    assert await again.poll() is None
    forgotten = spawner_of(token="new-token", **A)
    assert await forgotten.start()


async def test_the_name_of_a_hub_is_that_of_its_url_where_that_is_set(configured, in_hub):
    assert configured()._program is None
    assert configured(hub_connect_url="http://hub:8081")._program == "JupyterHub http://hub:8081"
    assert configured(hub_connect_url="http://hub:8081", hub_name="Course Hub")._program == "Course Hub"
    in_hub.settings["hub"].connect_ip = "hub.jupyterhub"
    assert configured()._program.startswith("JupyterHub http://hub.jupyterhub:")
