"""Labs that serve TLS: their manifests, and what is there of them on a whole site."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from spawnpenny_lab.choice import choose
from spawnpenny_lab.objects import lab_pod, lab_url
from spawnpenny_lab.service import lab_service
from spawnpenny_lab.settings import LabSettings
from spawnpenny_lab.tls import serving_tls, tls_secret

from spawnpenny.api import Names, Phase, Tls
from spawnpenny.testing.behaviours import Crash, Hold, Ready
from spawnpenny.testing.plugins import TlsUnsupportedError
from spawnpenny.testing.site import lab, settled, start, stop
from spawnpenny.testing.spawns import make_spawn

SETTINGS = LabSettings()
TLS = Tls(key="the key", cert="the certificate", ca="the authorities")
OWN = {"Pod/lab", "Secret/lab", "Secret/lab.tls", "Service/lab"}
PREFIX = {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}


@pytest.fixture
def secure(spawn):
    return replace(spawn, tls=TLS, _service_host=lambda name: f"{name}.lab-ada.svc")


@pytest.fixture
def opened(site):
    site.data["plugins"]["lab"] = {"internal_ssl": True}
    return site


def test_the_key_has_a_secret_that_becomes_no_environment(secure):
    assert tls_secret(secure, TLS) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": "lab.tls"},
        "stringData": {"ssl.key": "the key", "ssl.crt": "the certificate", "notebooks-ca_trust.crt": "the authorities"},
    }


def test_the_service_leads_to_the_pod_of_this_spawn_alone(secure):
    assert lab_service(secure, 8888) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "lab"},
        "spec": {
            "type": "ClusterIP",
            "selector": {"spawnpenny.io/spawn": "mark", "spawnpenny.io/service": "lab"},
            "ports": [{"name": "notebook", "port": 8888, "targetPort": 8888}],
            "publishNotReadyAddresses": True,
        },
    }


def test_the_pod_is_another_only_by_what_tls_needs(secure):
    plain = lab_pod(secure, choose(make_spawn(), SETTINGS))
    pod = serving_tls(plain, secure)
    (before,), (notebook,) = plain["spec"]["containers"], pod["spec"]["containers"]
    folder = "/etc/jupyterhub/ssl"
    assert notebook == {
        **before,
        "env": [
            *before["env"],
            {"name": "JUPYTERHUB_SSL_KEYFILE", "value": f"{folder}/ssl.key"},
            {"name": "JUPYTERHUB_SSL_CERTFILE", "value": f"{folder}/ssl.crt"},
            {"name": "JUPYTERHUB_SSL_CLIENT_CA", "value": f"{folder}/notebooks-ca_trust.crt"},
        ],
        "volumeMounts": [{"name": "jupyterhub-internal-certs", "mountPath": folder, "readOnly": True}],
        "readinessProbe": {"tcpSocket": {"port": "notebook-port"}, "periodSeconds": 1, "timeoutSeconds": 5},
    }
    assert pod["spec"] == {
        **plain["spec"],
        "containers": [notebook],
        "volumes": [{"name": "jupyterhub-internal-certs", "secret": {"secretName": "lab.tls", "defaultMode": 0o440}}],
    }
    assert pod["metadata"]["labels"] == {**plain["metadata"]["labels"], "spawnpenny.io/service": "lab"}
    assert lab_url({**pod, "status": {"podIP": "10.0.0.1"}}) == "https://lab.lab-ada.svc:8888/user/ada/"


def test_a_pod_without_a_certificate_is_as_it_was(spawn):
    plain = lab_pod(spawn, choose(make_spawn(), SETTINGS))
    assert serving_tls(plain, spawn) is plain


@pytest.mark.parametrize("name", ["x" * 63, "Größe", "1st", "a.b", "a--b"])
def test_each_labs_service_has_a_name_that_is_a_dns_label(secure, name):
    service = lab_service(replace(secure, names=Names.of("ada", "lab", name, prefix="lab-")), 8888)["metadata"]["name"]
    assert len(service) <= 63
    assert service.replace("-", "").isalnum()
    assert service.isascii()


async def test_a_lab_with_a_certificate_is_reached_under_the_name_that_was_given_before(opened):
    async with opened.service() as service:
        (name,) = service.spawns.hostnames("ada", lab())
        assert await opened.objects() == {}
        run = await settled(await start(service, tls=TLS, env=PREFIX))
        assert run.record.reason is None
        assert run.record.url == f"https://{name.partition(':')[2]}:8888/user/ada/"
        found = await opened.objects("Pod", "Secret", "Service", spawn=run.record.id)
        assert set(found) == OWN
        stored = found["Secret/lab.tls"]["data"]
        assert {key: base64.b64decode(value).decode() for key, value in stored.items()} == {
            "ssl.key": TLS.key,
            "ssl.crt": TLS.cert,
            "notebooks-ca_trust.crt": TLS.ca,
        }
        pod, selector = found["Pod/lab"], found["Service/lab"]["spec"]["selector"]
        assert selector.items() <= pod["metadata"]["labels"].items()


async def test_stopping_takes_away_what_the_certificate_brought_and_no_other_labs(opened):
    async with opened.service() as service:
        await settled(await start(service, tls=TLS))
        await settled(await start(service, name="other", tls=TLS))
        await stop(service)
        left = set(await opened.objects("Pod", "Secret", "Service"))
    assert left == {"Pod/lab-other", "Secret/lab-other", "Secret/lab-other.tls", "Service/lab-other"}


async def test_a_lab_without_a_certificate_is_as_ever_also_where_others_may_have_one(opened):
    async with opened.service() as service:
        run = await settled(await start(service))
        assert run.record.url.startswith("http://")
        assert set(await opened.objects("Pod", "Secret", "Service")) == {"Pod/lab", "Secret/lab"}


async def test_the_key_is_forgotten_when_the_lab_runs(opened):
    async with opened.service() as service:
        run = await settled(await start(service, tls=Tls("-----\nthe-secret-key\n-----", "c", "a")))
        found = await opened.objects()
        assert "the-secret-key" not in str(run.record.to_json())
        assert "the-secret-key" not in str({name: manifest for name, manifest in found.items() if "Secret" not in name})


async def test_a_lab_whose_record_is_lost_is_found_where_it_answers(opened):
    async with opened.service() as service:
        url = (await settled(await start(service, tls=TLS))).record.url
    state = opened.settings.namespaces.state
    await opened.cluster.delete(opened.ref("Secret", "user-ada", state))
    async with opened.service() as service:
        assert service.spawns.find("ada", lab()).record.url == url
        await stop(service)
    assert await opened.objects("Pod", "Secret", "Service") == {}


async def test_a_service_that_is_restarted_while_a_lab_begins_still_has_its_certificate(kube_site, hollow_node):
    kube_site.data["plugins"]["lab"] = {"internal_ssl": True}
    mine = {"spawnpenny.io/installation": kube_site.settings.installation}
    hollow_node.behave(mine, Hold())
    async with kube_site.service() as service:
        async for event in (await start(service, tls=TLS)).events():
            if event.message == "Waiting for the lab to answer.":
                break
    for kind, name in (("Pod", "lab"), ("Secret", "lab.tls"), ("Service", "lab")):
        assert await kube_site.cluster.delete(kube_site.ref(kind, name), grace=0)
    hollow_node.behave(mine, Ready())
    async with kube_site.service() as service:
        run = await settled(service.spawns.find("ada", lab()))
        assert run.record.reason is None
        assert set(await kube_site.objects("Pod", "Secret", "Service", spawn=run.record.id)) == OWN


async def test_what_a_lab_prints_of_its_key_is_not_reported(kube_site, hollow_node):
    kube_site.data["plugins"]["lab"] = {"internal_ssl": True}
    key = "-----BEGIN PRIVATE KEY-----\nTheFirstLine\nTheSecondLine\n-----END PRIVATE KEY-----\n"
    hollow_node.behave(
        {"spawnpenny.io/installation": kube_site.settings.installation}, Crash(3, message=f"cannot read {key}")
    )
    async with kube_site.service() as service:
        run = await settled(await start(service, tls=Tls(key, "c", "a")))
        assert run.record.phase is Phase.FAILED
        assert "cannot read" in run.record.reason.message
        assert "[secret]" in run.record.reason.message
        assert not [line for line in ("TheFirst", "TheSecond") if line in str(run.record.to_json())]


async def test_a_certificate_is_refused_where_it_is_not_opened(embedded_site):
    async with embedded_site.service() as service:
        for ask in (start(service, tls=TLS), _hostnames(service)):
            with pytest.raises(TlsUnsupportedError, match=r"plugins\.lab\.internal_ssl"):
                await ask
        assert service.spawns.user_state("ada") is None


async def _hostnames(service):
    return service.spawns.hostnames("ada", lab())
