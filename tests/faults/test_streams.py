"""Informers behind a faulty network: whatever happens to a stream, the informer comes to know what is there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
import structlog

from spawnpenny.kubernetes.informer import Informer
from spawnpenny.kubernetes.kinds import resource_of
from spawnpenny.testing.patience import PATIENCE
from tests.kit.fault_proxy import FaultProxy, is_watch
from tests.kit.proxy_faults import CloseEmpty, Cut, Expire, Hush, Lose, Refuse, Reset

FUTURE = "4000000000"
CONFIG_MAP = resource_of("ConfigMap")


def note(site, name):
    metadata = {"name": name, "namespace": site.settings.namespaces.state, "labels": {"mark": "x"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


@asynccontextmanager
async def following(proxied, **options):
    async with proxied.cluster(**options) as cluster:
        informer = Informer(cluster, CONFIG_MAP, labels={"mark": "x"}, namespace=proxied.site.settings.namespaces.state)
        run = asyncio.create_task(informer.run())
        try:
            async with asyncio.timeout(PATIENCE):
                yield informer
        finally:
            run.cancel()
            await asyncio.wait([run])


async def until_known(proxied, informer, name):
    await informer.wait_for(proxied.site.settings.namespaces.state, name, lambda found: found is not None)


@pytest.mark.parametrize(
    "fault",
    [Refuse(410), Expire(), CloseEmpty(), Hush(), Reset(), Lose(), Cut(), Refuse(401), Refuse(429, 1), Refuse(500)],
    ids=str,
)
async def test_a_watch_that_fails_from_its_start_is_made_again(proxied, fault):
    watches = proxied.proxy.arm(fault, on=is_watch, times=2)
    # The watch has something to tell as it begins, so that a fault in the middle of it has a middle.
    async with following(proxied, silence=1, watch_seconds=2, patience=3) as informer:
        await watches.until_struck(2)
        await proxied.site.cluster.create(note(proxied.site, "later"))
        await until_known(proxied, informer, "later")


@pytest.mark.parametrize("end", ["hush", "break_streams"])
async def test_a_stream_that_breaks_or_falls_silent_is_opened_again(proxied, end):
    watches = proxied.proxy.arm(None, on=is_watch)
    async with following(proxied, silence=3) as informer:
        await watches.until_seen()
        await proxied.site.cluster.create(note(proxied.site, "first"))
        await until_known(proxied, informer, "first")
        getattr(proxied.proxy, end)()
        await proxied.site.cluster.create(note(proxied.site, "second"))
        await until_known(proxied, informer, "second")
        assert informer.staleness() < 40


async def test_a_stream_from_a_version_of_the_future_is_doubted_as_after_a_restore(proxied):
    watches = proxied.proxy.arm(None, on=lambda request: request.watch and request.version != FUTURE)
    # As a current API server does; that of these tests ends such a watch.
    ahead = proxied.proxy.arm(Hush(), on=lambda request: request.watch and request.version == FUTURE, times=None)
    async with following(proxied, silence=2) as informer:
        await watches.until_seen()
        await proxied.site.cluster.create(note(proxied.site, "first"))  # or the end of the stream would be doubted
        await until_known(proxied, informer, "first")
        informer._follower._version = FUTURE
        proxied.proxy.break_streams()
        await ahead.until_struck(1)
        await proxied.site.cluster.create(note(proxied.site, "later"))
        await until_known(proxied, informer, "later")
        assert informer._follower._version != FUTURE
        assert len(ahead.seen) == 1


async def test_a_silent_stream_is_left_at_once_where_the_cluster_itself_knows_more(proxied):
    watches = proxied.proxy.arm(None, on=is_watch)
    async with following(proxied) as informer:
        informer._follower._doubtful = 0
        await watches.until_seen()
        await informer.synced.wait()
        proxied.proxy.hush()
        await proxied.site.cluster.create(note(proxied.site, "second"))
        informer.doubt(proxied.site.settings.namespaces.state)
        await until_known(proxied, informer, "second")


async def test_a_doubt_about_a_stream_that_spoke_just_now_changes_nothing(proxied):
    watches = proxied.proxy.arm(None, on=is_watch)
    async with following(proxied) as informer:
        await watches.until_seen()
        informer.doubt(None)
        await proxied.site.cluster.create(note(proxied.site, "first"))
        await until_known(proxied, informer, "first")
        assert len(watches.seen) == 1


async def test_a_resource_on_which_nothing_changes_is_neither_stale_nor_a_warning(proxied):
    watches = proxied.proxy.arm(None, on=is_watch)
    with structlog.testing.capture_logs() as logged:
        async with following(proxied, silence=1) as informer:
            await watches.until_seen(2)
            heard = informer._follower._heard_at
            await watches.until_seen(4)
            assert informer._follower._heard_at > heard
    assert {line["event"] for line in logged if line["log_level"] != "debug"} == set()
    assert len([line for line in logged if line["event"] == "informer_silent"]) >= 3


async def test_staleness_grows_while_the_cluster_is_silent(proxied):
    watches = proxied.proxy.arm(None, on=is_watch)
    async with following(proxied) as informer:
        await watches.until_seen()
        heard = informer._follower._heard_at
        proxied.proxy.hush()
        await proxied.site.cluster.create(note(proxied.site, "unheard"))
        assert informer._follower._heard_at == heard
        before = informer.staleness()
        await proxied.site.cluster.list(CONFIG_MAP, namespace=proxied.site.settings.namespaces.state)
        assert informer.staleness() > before


async def test_a_token_renewed_in_its_file_is_taken_up_by_calls_and_watches(proxied, tmp_path):
    proxy = proxied.proxy
    proxy.token = "first"
    proxy.kubeconfig(tmp_path)
    watches = proxy.arm(None, on=is_watch)
    async with following(proxied) as informer, proxied.cluster() as cluster:
        await watches.until_seen()
        proxy.token = "second"
        (tmp_path / "token").write_text("second")
        proxy.break_streams()
        await cluster.create(note(proxied.site, "with-the-second"))
        await until_known(proxied, informer, "with-the-second")


async def test_it_works_over_tls_too(apiserver, kube_site, tmp_path, proxied):
    async with FaultProxy(
        apiserver.url, apiserver.ssl_context(), listen=apiserver.server_context(), ca=apiserver.ca
    ) as proxy:
        proxied.kubeconfig, proxied.proxy = str(proxy.kubeconfig(tmp_path)), proxy
        resets = proxy.arm(Reset())
        async with following(proxied) as informer:
            await resets.until_struck()
            await kube_site.cluster.create(note(kube_site, "first"))
            await until_known(proxied, informer, "first")
