"""A server's life through the spawner, against a real service."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import suppress

import pytest
import trustme

from spawnpenny.clients.jupyterhub import lab_handle
from spawnpenny.clients.jupyterhub.errors import MisconfiguredError, RefusedError
from spawnpenny.testing.killable_service import KillableService
from spawnpenny.testing.patience import PATIENCE

SLOW = {"image": "slow"}


async def messages(spawner):
    return [entry["message"] async for entry in spawner.progress()]


async def begin(spawner):
    """Have a server start, until the service has accepted it."""
    task = asyncio.create_task(spawner.start())
    await asyncio.sleep(0)  # it is under way: whoever looks now sees it
    async for _ in spawner.progress():
        return task
    raise AssertionError("nothing was told")


async def abandon(task):
    """Leave a start as a Hub that is killed does."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_server_starts_runs_and_stops(spawner_of, client):
    spawner = spawner_of()
    url = await spawner.start()
    lab = await client.lab("ada")
    assert (lab.url, lab.start, await spawner.poll()) == (url, spawner.get_state()["start"], None)
    await spawner.stop()
    assert await spawner.poll() == 0


async def test_named_servers_are_apart(spawner_of, client):
    default, named = spawner_of(), spawner_of(server="gpu")
    await default.start()
    await named.start()
    assert [lab.lab for lab in await client.labs_of("ada")] == ["gpu", "~default"]
    await named.stop()
    assert (await default.poll(), await named.poll()) == (None, 0)


async def test_no_server_passes_for_the_default_one(spawner_of, client):
    await spawner_of().start()
    impostor = spawner_of(server="~default")
    with pytest.raises(RefusedError, match="No server can have the name ~default"):
        await impostor.start()
    await impostor.stop()
    await impostor.delete_forever()
    assert (await client.lab("ada")).running
    assert await impostor.poll() == 0


async def test_a_server_whose_name_the_service_refuses_is_not_there(spawner_of, server_of):
    spawner = spawner_of(server="a" * 64)
    spawner.server = server_of()
    with pytest.raises(RefusedError) as refusal:
        await spawner.start()
    assert (refusal.value.code, await spawner.poll()) == ("name_invalid", 0)
    async with asyncio.timeout(PATIENCE):
        assert await spawner.get_url() == spawner.server.url
        spawner.load_state({"start": "ours"})
        await spawner.stop()


async def test_the_environment_reaches_the_lab_alone(spawner_of, site, monkeypatch):
    monkeypatch.setenv("SPAWNPENNY_TOKEN", "of-the-hub")
    spawner = spawner_of(environment={"GREETING": "hello", "NUMBER": 7}, default_url="/lab", notebook_dir="/work")
    spawner.api_token = "of-the-server"
    await spawner.start()
    (secret,) = (await site.objects("Secret")).values()
    env = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    assert {"JUPYTERHUB_API_TOKEN", "GREETING", "NUMBER", "JUPYTERHUB_DEFAULT_URL", "JUPYTERHUB_ROOT_DIR"} <= set(env)
    assert env["SPAWNPENNY_TOKEN"] != "of-the-hub"  # it is the lab's own
    assert spawner.get_env()["JUPYTERHUB_SERVICE_URL"].startswith("http://0.0.0.0:8888/")


async def test_a_start_takes_the_place_of_what_the_hub_forgot(spawner_of, client):
    await client.start_lab("ada", start="forgotten")
    spawner = spawner_of()
    await spawner.start()
    assert (await client.lab("ada")).start == spawner.get_state()["start"]


async def test_what_replaces_a_start_is_not_stopped_with_it(spawner_of, client):
    spawner = spawner_of(user_options=SLOW)
    task = await begin(spawner)
    await client.start_lab("ada", start="another", replace=True)
    with pytest.raises(RefusedError, match=r"replaced this one|was stopped"):
        await task
    await spawner.stop()
    assert (await client.lab("ada")).start == "another"


@pytest.mark.parametrize("hub", ["goes on", "restarted"])
async def test_what_replaced_a_server_that_ran_is_stopped_as_that_server(spawner_of, client, site, hub):
    spawner = spawner_of()
    await spawner.start()
    state = spawner.get_state()
    await client.start_lab("ada", start="another", replace=True)
    async for _ in client.lab_events("ada"):
        pass
    if hub == "restarted":
        spawner = spawner_of()
        spawner.load_state(state)
    assert ((await client.lab("ada")).running, await spawner.poll()) == (True, None)
    await spawner.stop()
    assert await client.labs_of("ada") == ()
    assert await site.objects("Pod") == {}


async def test_a_start_outlives_the_service(spawner_of, service, client):
    spawner = spawner_of(patience=0)
    spawner.user_options = SLOW
    task = await begin(spawner)
    await service.kill()
    assert await spawner.poll() is None
    await service.start()
    assert await spawner.poll() is None
    assert not task.done()
    await client.stop_lab("ada", wait=120)
    with pytest.raises(RefusedError, match="was stopped while it was starting"):
        await task


async def test_a_stop_is_tried_until_the_service_is_back(spawner_of, service, site):
    spawner = spawner_of(patience=0)
    await spawner.start()
    await service.kill()
    stop = asyncio.create_task(spawner.stop())
    async with asyncio.timeout(PATIENCE):
        while spawner._handle.trouble is None:  # noqa: ASYNC110 - it has come to nothing once
            await asyncio.sleep(0.01)
    await service.start()
    await stop
    assert await site.objects("Pod") == {}


async def test_a_stop_that_comes_to_nothing_says_so_and_keeps_its_key(spawner_of, service, site):
    spawner = spawner_of(patience=0, stop_timeout=0.2)
    await spawner.start()
    await service.kill()
    with pytest.raises(RuntimeError, match=r"ada was not gone after 0.2 seconds: .* cannot be reached"):
        await spawner.stop()
    await service.start()
    spawner.stop_timeout = 10
    await spawner.stop()
    assert await site.objects("Pod") == {}


async def test_a_stop_waits_for_the_grace_period_without_a_word(spawner_of, service, site, caplog):
    site.data["plugins"]["lab"] |= {"grace": 60, "extra_containers": [{"name": "beside", "image": "slow-to-end"}]}
    await service.kill()
    await service.start()
    spawner = spawner_of(stop_timeout=2)
    spawner.log.propagate = True
    await spawner.start()
    await spawner.stop()
    assert await site.objects("Pod") == {}
    assert [record.message for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


async def test_what_a_killed_hub_was_starting_is_adopted(spawner_of, client, server_of):
    task = await begin(spawner_of())
    await abandon(task)
    spawner = spawner_of()
    spawner.server = server_of()
    assert await spawner.poll() is None
    url = await spawner.get_url()
    lab = await client.lab("ada")
    assert (url, lab.running) == (f"{lab.url.rstrip('/')}/user/ada/", True)
    assert spawner.orm_spawner.state == {"start": lab.start, "user": "ada", "by": "token:hub"}
    await spawner.stop()
    assert await client.labs_of("ada") == ()


@pytest.mark.parametrize("hub", ["goes on", "restarted", "restarted from an old one"])
async def test_a_server_outlives_its_users_name(spawner_of, in_hub, client, site, server_of, hub):
    spawner = spawner_of()
    url = await spawner.start()
    state = spawner.get_state()
    if hub == "restarted from an old one":
        del state["user"]
        spawner = spawner_of()
        spawner.load_state(state)
        state = spawner.get_state()
    in_hub.user().orm_user.name = "eve"
    if hub == "restarted":
        spawner = spawner_of()
        spawner.load_state(state)
    spawner.server = server_of()
    assert await spawner.poll() is None
    assert (await spawner.get_url()).startswith(url)
    assert spawner.get_state()["user"] == "ada"
    await spawner.stop()
    assert await site.objects("Pod") == {}
    spawner.clear_state()
    await spawner.start()
    assert (spawner.get_state()["user"], (await client.lab("eve")).running) == ("eve", True)


async def test_where_a_server_runs_is_known_without_the_service(spawner_of, service, server_of):
    spawner = spawner_of()
    spawner.server = server_of()
    url = await spawner.start()
    spawner._follow(url)
    state, known = spawner.get_state(), spawner.server.url
    await service.kill()
    after = spawner_of(patience=0)
    after.load_state(state)
    assert await after.poll() is None
    assert await after.get_url() == known


@pytest.mark.parametrize("moment", ["before", "on its way", "accepted", "unanswered"])
async def test_a_cancelled_start_leaves_nothing(spawner_of, client, gate, site, moment):
    spawner = spawner_of(url=gate.url, user_options=SLOW)
    gate.holds = "PUT" if moment == "on its way" else None
    gate.holds_answer = "PUT" if moment == "unanswered" else None
    task = asyncio.create_task(spawner.start())
    if moment == "accepted":
        await asyncio.sleep(0)
        async for _ in spawner.progress():
            break
    elif moment != "before":
        await gate.held.wait()
    await abandon(task)
    status = await spawner.poll()
    if moment != "before":
        assert status is None
    stop = asyncio.create_task(spawner.stop())
    await asyncio.sleep(0)
    gate.open.set()
    await stop
    assert await client.labs_of("ada") == ()
    assert await site.objects("Pod", "Secret") == {}


async def test_a_cancelled_start_that_never_got_away_needs_no_service(spawner_of, service):
    spawner = spawner_of(patience=0)
    await service.kill()
    with pytest.raises(RefusedError, match="does not answer"):
        await spawner.start()
    assert await spawner.poll() is None
    async with asyncio.timeout(PATIENCE):
        await spawner.stop()


async def test_all_who_watch_share_one_stream(spawner_of, gate):
    spawner = spawner_of(url=gate.url)
    task = asyncio.create_task(spawner.start())
    await asyncio.sleep(0)
    first, second = await asyncio.gather(messages(spawner), messages(spawner))
    await task
    assert first == second
    assert any("Waiting for the lab" in entry for entry in first)
    streams = [path for _, path, _ in gate.requests if path.endswith("/events")]
    assert len(streams) == 2  # the second request hears that nothing follows


async def test_a_server_that_runs_is_there_also_where_its_events_are_refused(spawner_of, site, service):
    await service.kill()
    site.data["limits"] = {"user_streams": 1}
    await service.start()
    slow = await begin(spawner_of(server="slow", user_options=SLOW))  # it has the one stream
    assert (await spawner_of(start_timeout=100).start()).startswith("http://")
    await abandon(slow)


async def test_a_server_that_runs_is_there_also_where_its_events_fall_silent(spawner_of, gate, monkeypatch):
    monkeypatch.setattr(lab_handle, "_SILENCE", 0.1)
    gate.holds_path = "/events"
    assert (await spawner_of(url=gate.url, start_timeout=100).start()).startswith("http://")


async def test_progress_goes_up_and_leaves_the_end_to_the_hub(spawner_of):
    spawner = spawner_of()
    task = asyncio.create_task(spawner.start())
    await asyncio.sleep(0)
    reported = [entry["progress"] async for entry in spawner.progress()]
    await task
    assert reported == sorted(reported)
    assert reported[-1] == 95
    assert await messages(spawner) == []


async def test_an_outage_is_reported_to_a_watching_user(spawner_of, service):
    spawner = spawner_of(patience=0, user_options=SLOW)
    task = await begin(spawner)
    await service.kill()
    async for entry in spawner.progress():
        if "does not answer now" in entry["message"]:
            break
    await service.start()
    await abandon(task)
    await spawner.stop()


async def test_a_lab_that_is_elsewhere_now_is_followed(spawner_of, server_of):
    spawner = spawner_of()
    spawner.server = server_of()
    await spawner.start()
    spawner.server.ip, spawner.server.port = "127.0.0.99", 1
    assert await spawner.poll() is None
    assert (spawner.server.ip, spawner.server.port) != ("127.0.0.99", 1)
    assert spawner.server.port == 8888


async def test_the_form_is_that_of_the_service(spawner_of):
    form = await spawner_of().get_options_form()
    assert 'name="image"' in form


async def test_a_form_that_cannot_be_had_says_so(spawner_of, service):
    spawner = spawner_of(patience=0)
    await service.kill()
    assert "The service that starts servers does not answer." in await spawner.get_options_form()


async def test_what_the_form_says_starts_that(spawner_of):
    spawner = spawner_of()
    spawner.user_options = spawner.run_options_from_form({"image": ["none"]})
    with pytest.raises(RefusedError, match=r"no/such") as refusal:
        await spawner.start()
    assert refusal.value.code == "image_unavailable"


def test_a_link_chooses_and_writes_no_text(spawner_of):
    link = {
        "profile": ["gpu"],
        "profile-option-gpu--image": ["unlisted-choice"],
        "profile-option-gpu--image--unlisted-choice": ["evil.example/root"],
        "image--unlisted-choice": ["evil.example/root"],
        "size": ["small"],
    }
    spawner = spawner_of()
    assert spawner.options_from_query(link) == {"profile": "gpu", "size": "small"}
    assert spawner.run_options_from_form(link)["image--unlisted-choice"] == "evil.example/root"


async def test_a_file_is_refused(spawner_of, gate):
    spawner = spawner_of(url=gate.url)
    upload = {"filename": "a.txt", "body": b"a", "content_type": "text/plain"}
    spawner.user_options = spawner.run_options_from_form({"notes_file": [upload]})
    with pytest.raises(RefusedError, match="notes_file is a file"):
        await spawner.start()
    assert gate.requests == []


@pytest.mark.parametrize(
    ("options", "code", "advice"),
    [
        ({"image": "nothing"}, "option_unknown", "Choose another value"),
        ({"image": 7}, "option_invalid", "Choose another value"),
        ({"colour": "red"}, "option_unknown", "Choose another value"),
        ({"size": "huge"}, "quota_exceeded", "something smaller"),
        ({"image": "none"}, "image_unavailable", "another image"),
        ({"image": "broken"}, "pod_crashed", "Start it again"),
    ],
)
async def test_a_refusal_tells_why_and_what_to_do(spawner_of, client, options, code, advice):
    spawner = spawner_of(user_options=options)
    with pytest.raises(RefusedError) as refusal:
        await spawner.start()
    reported = refusal.value
    assert (reported.code, reported.reason) == (code, code)
    assert advice in reported.jupyterhub_message
    assert reported.jupyterhub_message.startswith(reported.jupyterhub_html_message.partition("<br>")[0][:10])
    assert reported.status_code < 500
    await spawner.stop()


async def test_a_reason_does_not_wait_for_what_is_still_being_deleted(spawner_of, site, service, client):
    await service.kill()
    site.data["plugins"]["lab"]["grace"] = 300
    await service.start()
    spawner = spawner_of(user_options={"image": "stubborn"}, start_timeout=11)
    with pytest.raises(RefusedError, match="It was not ready within") as refusal:
        await spawner.start()
    assert refusal.value.code == "deadline_exceeded"
    assert (await client.lab("ada")).phase == "undoing"
    assert await spawner.poll() is None
    await spawner.stop()
    assert (await client.lab("ada")).phase == "undoing"
    for pod in (await site.objects("Pod")).values():
        await site.cluster.delete(site.ref("Pod", pod["metadata"]["name"]), uid=pod["metadata"]["uid"], grace=0)
    async for _ in client.lab_events("ada"):
        pass
    assert (await client.lab("ada")).phase == "failed"


class TestAuthority:
    @staticmethod
    def credential(spawner, state):
        async def get_auth_state():
            return state

        object.__setattr__(spawner.user, "get_auth_state", get_auth_state)

    async def test_a_server_is_made_with_the_users_own_credential_and_all_else_with_the_hubs(self, spawner_of, gate):
        spawner = spawner_of(url=gate.url, token="careful-token", auth_state_field="tokens.access")
        self.credential(spawner, {"tokens": {"access": "ada-token"}})
        await spawner.start()
        await spawner.poll()
        await spawner.stop()
        assert gate.tokens == {("PUT", "ada"), ("GET", "careful"), ("DELETE", "careful")}

    @pytest.mark.parametrize(
        "state",
        [None, {}, {"tokens": None}, {"tokens": {"access": ""}}, {"tokens": {"access": "a b"}}, {"tokens": "access"}],
    )
    async def test_without_one_nothing_is_asked_for(self, spawner_of, gate, state):
        spawner = spawner_of(url=gate.url, auth_state_field="tokens.access")
        self.credential(spawner, state)
        with pytest.raises(RefusedError, match="log in again") as refusal:
            await spawner.start()
        assert refusal.value.code == "credential_missing"
        assert gate.requests == []

    async def test_anothers_credential_starts_nothing(self, spawner_of):
        spawner = spawner_of(auth_state_field="token")
        self.credential(spawner, {"token": "bob-token"})
        with pytest.raises(RefusedError) as refusal:
            await spawner.start()
        assert refusal.value.code == "forbidden"

    async def test_one_that_has_expired_is_the_users_matter(self, spawner_of):
        spawner = spawner_of(auth_state_field="token")
        self.credential(spawner, {"token": "expired"})
        with pytest.raises(RefusedError, match="Log in again") as refusal:
            await spawner.start()
        assert (refusal.value.code, refusal.value.status_code) == ("unauthenticated", 403)

    async def test_the_hubs_token_is_read_from_its_file_each_time(self, spawner_of, tmp_path):
        file = tmp_path / "token"
        file.write_text("wrong\n")
        spawner = spawner_of(token="", token_file=str(file))
        with pytest.raises(MisconfiguredError):
            await spawner.start()
        file.write_text("hub-token\n")
        await spawner.start()
        file.unlink()
        assert await spawner.poll() is None


async def test_a_service_with_a_certificate_is_trusted_by_its_authority(configured, site, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    async with KillableService(site, tls=serving) as service:
        with pytest.raises(MisconfiguredError) as refusal:
            await configured(url=service.url, patience=0).start()
        assert "is not trusted" in refusal.value.cause
        assert "ca_file" in refusal.value.cause
        spawner = configured(url=service.url, ca_file=str(tmp_path / "ca.pem"))
        assert await spawner.start()


async def test_no_secret_is_logged(spawner_of, service, caplog):
    spawner = spawner_of(environment={"PASSWORD": "of-the-lab"}, patience=0, stop_timeout=0.1)
    spawner.log.propagate = True
    spawner.api_token = "of-the-server"
    await spawner.start()
    await service.kill()
    await spawner.poll()
    with suppress(RuntimeError):
        await spawner.stop()
    with suppress(RefusedError):
        await spawner.start()
    assert "is unknown" in caplog.text
    for secret in ("of-the-lab", "of-the-server", "hub-token"):
        assert secret not in caplog.text


async def test_the_default_server_goes_only_with_its_user(spawner_of, gate, caplog):
    for server in ("gpu", ""):
        spawner = spawner_of(server=server, url=gate.url, token="purger-token", retire_users=True)
        await spawner.delete_forever()
    deleted = [path for method, path, _ in gate.requests if method == "DELETE"]
    assert deleted == ["/v1/users/ada/labs/gpu", "/v1/users/ada/labs/~default", "/v1/users/ada"]


async def test_nothing_goes_with_a_user_of_whom_a_server_runs(spawner_of, gate, server_of, caplog):
    other = spawner_of(server="gpu")
    await other.start()
    other.server = server_of()
    spawner = spawner_of(url=gate.url, token="purger-token", retire_users=True)
    assert (other.active, spawner.active) == (True, False)
    await spawner.delete_forever()
    assert gate.requests == []
    assert "Storage and user ada are kept, as these servers are not stopped: gpu" in caplog.text
    await other.stop()
    other.server = None
    await spawner.delete_forever()
    deleted = [path for method, path, _ in gate.requests if method == "DELETE"]
    assert deleted == ["/v1/users/ada/labs/~default", "/v1/users/ada"]


async def test_storage_is_kept_without_the_scope(spawner_of, caplog):
    await spawner_of().delete_forever()
    assert "The storage of ada's lab ~default is kept: the Hub's token does not have the scope `purge`." in caplog.text


async def test_a_server_keeps_its_name_unless_it_may_change(spawner_of):
    with pytest.raises(RefusedError, match="old cannot be renamed"):
        await spawner_of(server="old").rename("old", "new")
    await spawner_of(server="old", allow_rename=True).rename("old", "new")
