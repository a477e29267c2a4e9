"""The spawner's certificates for internal SSL, against a real service."""

from __future__ import annotations

import pytest
from certipy import Certipy
from cryptography import x509

from spawnpenny.clients.jupyterhub.certificates import IN_POD
from spawnpenny.clients.jupyterhub.errors import RefusedError
from spawnpenny.kubernetes.kinds import resource_of


@pytest.fixture
def opened(site):
    site.data["plugins"]["lab"]["internal_ssl"] = True


@pytest.fixture
def certified(spawner_of, tmp_path):
    """Make a user's spawner as a Hub with internal SSL does."""
    store = str(tmp_path / "internal-ssl")
    authority = Certipy(store_dir=store)
    authority.create_ca("notebooks-ca")
    bundles = authority.trust_from_graph({"notebooks-ca": ["notebooks-ca"]})

    def make(server="", **traits):
        ssl = {"internal_ssl": True, "internal_certs_location": store, "internal_trust_bundles": bundles}
        return spawner_of("ada", server, **ssl, **traits)

    return make


def names_in(pem):
    found = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    of_kind = {x509.DNSName: "DNS", x509.IPAddress: "IP"}
    return {f"{of_kind[type(entry)]}:{entry.value}" for entry in found.value}


async def paths_in_pod(cluster):
    """Return where the one lab that runs is told to find its key and certificates."""
    (pod,) = (await cluster.list(resource_of("Pod"), labels={"component": "singleuser-server"})).items
    env = {entry["name"]: entry.get("value") for entry in pod["spec"]["containers"][0]["env"]}
    names = {"keyfile": "KEYFILE", "certfile": "CERTFILE", "cafile": "CLIENT_CA"}
    return {part: env[f"JUPYTERHUB_SSL_{name}"] for part, name in names.items()}


async def of_the_site(spawner):
    return [f"DNS:{spawner.user.name}.example"]


@pytest.mark.parametrize("configured", [["DNS:ada.example"], lambda _: ["DNS:ada.example"], of_the_site])
async def test_a_certificate_names_where_the_lab_will_be_and_what_the_site_says(opened, client, certified, configured):
    spawner = certified(ssl_alt_names=configured)
    for _ in range(2):  # a spawner starts its server more than once
        await spawner.create_certs()
        assert names_in(spawner.take_certificates()["cert"]) == {*await client.hostnames("ada"), "DNS:ada.example"}


async def test_two_servers_that_start_at_once_get_each_its_own(opened, client, certified):
    first, second = certified(), certified("second")
    paths = [await item.create_certs() for item in (first, second)]
    assert paths[0] == paths[1]
    assert [await item.move_certs(paths[0]) for item in (first, second)] == [
        {
            "keyfile": "/etc/jupyterhub/ssl/ssl.key",
            "certfile": "/etc/jupyterhub/ssl/ssl.crt",
            "cafile": "/etc/jupyterhub/ssl/notebooks-ca_trust.crt",
        }
    ] * 2
    for spawner, server in ((first, "~default"), (second, "second")):
        certificates = spawner.take_certificates()
        assert names_in(certificates["cert"]) == set(await client.hostnames("ada", server))
        assert spawner.take_certificates() is None


@pytest.mark.parametrize("patience", [0, 30])
async def test_a_server_is_started_with_its_certificate_and_answers_by_tls(opened, client, certified, site, patience):
    spawner = certified(patience=patience)
    spawner.cert_paths = await spawner.move_certs(await spawner.create_certs())
    url = await spawner.start()
    (name,) = await client.hostnames("ada")
    assert url == f"https://{name.removeprefix('IP:')}:8888/"
    assert await paths_in_pod(site.cluster) == IN_POD
    await spawner.stop()


async def test_a_service_that_gives_no_certificates_is_reported_to_the_user(certified):
    with pytest.raises(RefusedError) as refused:
        await certified().create_certs()
    assert refused.value.code == "tls_unsupported"
    assert "plugins.lab.internal_ssl" in refused.value.jupyterhub_message
