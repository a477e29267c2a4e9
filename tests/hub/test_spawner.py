"""A server's life through the spawner, against a real service."""

from __future__ import annotations


async def test_a_server_starts_runs_and_stops(spawner_of, client):
    spawner = spawner_of()
    url = await spawner.start()
    lab = await client.lab("ada")
    assert (lab.url, lab.start, await spawner.poll()) == (url, spawner.get_state()["start"], None)
    await spawner.stop()
    assert await spawner.poll() == 0
