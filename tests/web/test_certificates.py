"""Labs with a certificate over HTTP: what is taken, what is told, and what never is."""

from __future__ import annotations

import pytest
import trustme

from spawnpenny.clients.http import Client, ProblemError

LAB = "/v1/users/ada/labs/~default"
HOSTNAMES = f"{LAB}/hostnames"


def pem(label, rows=2):
    return f"-----BEGIN {label}-----\n" + "c2VjcmV0LW9mLWFkYQ==\n" * rows + f"-----END {label}-----\n"


KEY, CERT = pem("PRIVATE KEY"), pem("CERTIFICATE")
GOOD = {"key": KEY, "cert": CERT, "ca": CERT * 2}


@pytest.fixture
def opened(site):
    site.data["plugins"]["lab"]["internal_ssl"] = True
    return site


@pytest.fixture
async def secure(opened, serving):
    async with serving(opened) as server:
        yield server


@pytest.fixture
async def ada(secure):
    async with secure.client("ada") as client:
        yield client


async def put(client, tls, **more):
    return await client.put(LAB, json={"start": "s1", "tls": tls, **more})


async def test_a_client_asks_for_the_names_and_starts_a_lab_with_them(secure):
    async with Client(f"http://127.0.0.1:{secure.port}", "ada-token") as client:
        (name,) = await client.hostnames("ada")
        lab = await client.start_lab("ada", start="s1", tls=GOOD)
        async for _ in client.lab_events("ada"):
            """Until it runs."""
        lab = await client.lab("ada")
        assert lab.url == f"https://{name.removeprefix('IP:')}:8888/"


async def test_a_client_reads_that_the_service_has_no_certificates(server):
    async with Client(f"http://127.0.0.1:{server.port}", "ada-token") as client:
        for ask in (client.hostnames("ada"), client.start_lab("ada", start="s1", tls=GOOD)):
            with pytest.raises(ProblemError) as refused:
                await ask
            assert refused.value.code == "tls_unsupported"


@pytest.mark.parametrize("name", ["ada", "ada-lab", "ada-reader", "reader", "admin"])
async def test_who_may_read_a_lab_may_read_its_names(secure, name):
    async with secure.client(name) as client, client.get(HOSTNAMES) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("name", ["bob", "nobody", None])
async def test_others_may_not(secure, name):
    async with secure.client(name) as client, client.get(HOSTNAMES) as answer:
        assert answer.status in {401, 403}


async def test_what_a_real_authority_makes_is_taken(ada):
    authority = trustme.CA()
    made = authority.issue_cert("lab.lab-ada.svc")
    tls = {
        "key": made.private_key_pem.bytes().decode(),
        "cert": "".join(entry.bytes().decode() for entry in made.cert_chain_pems).replace("\n", "\r\n"),
        "ca": authority.cert_pem.bytes().decode(),
    }
    async with await put(ada, tls) as answer:
        assert answer.status == 202


@pytest.mark.parametrize(
    ("tls", "field"),
    [
        ("text", "tls"),
        (None, "tls"),
        ({}, "tls.key"),
        ({**GOOD, "cart": CERT}, "tls.cart"),
        ({**GOOD, "key": CERT}, "tls.key"),
        ({**GOOD, "key": KEY * 2}, "tls.key"),
        ({**GOOD, "key": pem("ENCRYPTED PRIVATE KEY")}, "tls.key"),
        ({**GOOD, "cert": KEY}, "tls.cert"),
        ({**GOOD, "cert": CERT + KEY}, "tls.cert"),
        ({**GOOD, "cert": CERT.replace("END CERT", "END X")}, "tls.cert"),
        ({**GOOD, "cert": f"c2VjcmV0\n{CERT}"}, "tls.cert"),
        ({**GOOD, "ca": ""}, "tls.ca"),
        ({**GOOD, "ca": ["c2VjcmV0"]}, "tls.ca"),
        ({**GOOD, "ca": f"{CERT}\0"}, "tls.ca"),
        ({**GOOD, "ca": pem("CERTIFICATE", rows=1600)}, "tls.ca"),
        ({**GOOD, "ca": pem("CERTIFICATE", rows=1400)}, "tls"),
    ],
)
async def test_what_is_no_certificate_is_refused_and_not_quoted(ada, logged, tls, field):
    response = await put(ada, tls, env={"PADDING": "x" * 2000})
    answer = await response.json()
    assert (response.status, answer["code"]) == (422, "request_invalid")
    assert field in [error["field"] for error in answer["errors"]]
    assert "c2VjcmV0" not in f"{answer}{logged()}"


async def test_neither_answers_nor_events_nor_the_log_carry_the_key(ada, logged):
    answer = await (await put(ada, GOOD)).text()
    reported = await (await ada.get(f"{LAB}/events")).text()
    lab = await (await ada.get(LAB)).text()
    assert '"running"' in lab
    assert "c2VjcmV0" not in f"{answer}{reported}{lab}{logged()}"
