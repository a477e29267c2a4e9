"""Which tokens are taken: those of the issuer, for us, signed with a key that it lists, and now."""

from __future__ import annotations

import base64
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from spawnpenny.api import Credentials, Identity, NotReadyError, SettingsError, UnauthenticatedError
from spawnpenny.testing.plugins import load_plugins, make_settings

ADA = Identity("oidc:ada", frozenset({"spawn:self"}), username="ada")
SECTION = {"issuer": "https://login.example.org", "audience": ["spawnpenny"]}


def bearer(token):
    return Credentials(token, {})


def encoded(part):
    raw = json.dumps(part).encode() if isinstance(part, dict) else part
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unsigned(header, content):
    return f"{encoded(header)}.{encoded(content)}."


async def test_a_token_that_the_provider_signed_for_us_speaks_for_its_user(provider, taking):
    async with taking() as known:
        assert await known.authenticate(bearer(provider.token())) == ADA
        assert await known.authenticate(bearer(provider.token(key=provider.ec, kid="e1", algorithm="ES256"))) == ADA
        assert await known.authenticate(bearer(provider.token(aud=["other", "spawnpenny"]))) == ADA
        assert await known.authenticate(bearer(provider.token(kid=None))) == ADA
    assert provider.requests == 1


@pytest.mark.parametrize("token", [None, "static", "0" * 32, "a.b.c", "ä.b.c", "..", "\udcff.b.c"])
async def test_what_is_no_token_of_the_issuer_is_for_others_to_know(provider, taking, token):
    provider.up = False
    async with taking() as known:
        assert await known.authenticate(bearer(token)) is None
        assert await known.authenticate(bearer(provider.token(iss="https://other.example.org"))) is None
        assert await known.authenticate(bearer(unsigned({"alg": "RS256"}, b"[" * 4000))) is None
    assert provider.requests == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"aud": "another"}, "another audience"),
        ({"leave_out": ["aud"]}, "no claim 'aud'"),
        ({"leave_out": ["exp"]}, "no claim 'exp'"),
        ({"leave_out": ["iat"]}, "no claim 'iat'"),
        ({"exp": 60}, "has expired"),
        ({"nbf": 2**33}, "not valid yet"),
        ({"iat": 2**33}, "not valid yet"),
        ({"kid": "e1"}, "a key that its issuer does not list"),
        ({"kid": "made-up"}, "a key that its issuer does not list"),
        ({"algorithm": "RS512"}, r"signature is not accepted \(RS256, ES256 are\)"),
        ({"key": "RSA"}, "is not valid\\."),
        ({"key": "EC", "kid": "e1", "algorithm": "ES256"}, "is not valid\\."),
    ],
)
async def test_any_other_token_of_the_issuer_is_refused_with_the_reason(provider, taking, new_key, change, message):
    if "key" in change:
        change = change | {"key": new_key(change["key"])}
    token = provider.token(**change)
    async with taking() as known:
        with pytest.raises(UnauthenticatedError, match=message) as caught:
            await known.authenticate(bearer(token))
    assert token not in str(caught.value)


async def test_a_public_key_is_no_secret_to_sign_with_and_no_signature_is_none(provider, taking):
    content = jwt.decode(provider.token(), options={"verify_signature": False})
    pem = provider.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = unsigned({"alg": "HS256", "kid": "r1"}, content).removesuffix(".")
    confused = f"{signed}.{encoded(hmac.digest(pem, signed.encode(), 'sha256'))}"
    swapped = provider.token().rsplit(".", 1)[0] + "." + provider.token(preferred_username="eve").rsplit(".", 1)[1]
    async with taking() as known:
        for token in (confused, unsigned({"alg": "none", "kid": "r1"}, content), swapped):
            with pytest.raises(UnauthenticatedError):
                await known.authenticate(bearer(token))


async def test_clocks_may_differ_by_the_leeway_and_no_more(provider, taking):
    now = int(time.time())
    async with taking(leeway=60) as known:
        for near in ({"exp": now - 40}, {"nbf": now + 40}, {"iat": now + 40}):
            assert await known.authenticate(bearer(provider.token(**near))) == ADA
        for far in ({"exp": now - 61}, {"nbf": now + 80}):
            with pytest.raises(UnauthenticatedError):
                await known.authenticate(bearer(provider.token(**far)))


async def test_new_keys_are_found_when_a_token_has_one_and_old_ones_go(provider, taking, clock, new_key):
    new = new_key("RSA")
    old, rotated = provider.token(), provider.token(key=new, kid="r2")
    async with taking(refresh=600) as known:
        await known.authenticate(bearer(old))
        provider.keys = [provider.public(new, "r2")]
        for _ in range(3):  # too soon after the last fetch
            with pytest.raises(UnauthenticatedError):
                await known.authenticate(bearer(rotated))
        assert provider.requests == 1
        clock.now += 10
        assert await known.authenticate(bearer(rotated)) == ADA
        with pytest.raises(UnauthenticatedError, match="does not list"):
            await known.authenticate(bearer(old))
        assert provider.requests == 2


async def test_keys_that_cannot_be_had_make_no_token_unknown(provider, taking, clock):
    provider.up = False
    async with taking(refresh=600) as known:
        for _ in range(3):
            with pytest.raises(NotReadyError):
                await known.authenticate(bearer(provider.token()))
        provider.up = True
        clock.now += 10
        assert await known.authenticate(bearer(provider.token())) == ADA
        provider.up = False
        clock.now += 600  # those that are there are taken for as long again
        assert await known.authenticate(bearer(provider.token())) == ADA
        clock.now += 10
        with pytest.raises(NotReadyError):
            await known.authenticate(bearer(provider.token(kid="r2")))
        clock.now += 590
        with pytest.raises(NotReadyError):
            await known.authenticate(bearer(provider.token()))


@pytest.mark.parametrize(
    "described", [{"issuer": "https://other.example.org"}, {"jwks_uri": "http://127.0.0.1/keys"}, {"jwks_uri": None}]
)
async def test_a_description_of_another_issuer_or_with_keys_in_the_clear_is_not_believed(provider, taking, described):
    provider.described = described
    async with taking() as known:
        with pytest.raises(NotReadyError):
            await known.authenticate(bearer(provider.token()))


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
async def test_keys_that_are_weak_or_for_something_else_sign_nothing(provider, taking, new_key):
    weak = new_key("RSA", 1024)
    provider.keys = [
        provider.public(weak, "weak"),
        provider.public(provider.rsa, "enc") | {"use": "enc"},
        {"kty": "oct", "k": "c2VjcmV0"},
    ]
    provider.keys += [{"kty": "RSA", "kid": "broken", "n": "?"}, provider.public(provider.rsa, "r1", alg="PS256")]
    async with taking() as known:
        for key, kid in ((weak, "weak"), (provider.rsa, "enc"), (provider.rsa, "broken"), (provider.rsa, "r1")):
            with pytest.raises(UnauthenticatedError, match="does not list"):
                await known.authenticate(bearer(provider.token(key=key, kid=kid)))


async def test_keys_may_come_from_an_address_or_a_file(provider, taking, tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": provider.keys}))
    async with taking(jwks_uri=f"{provider.issuer}/keys") as known:
        assert await known.authenticate(bearer(provider.token())) == ADA
    async with taking(jwks_file=str(file)) as known:
        provider.up = False
        assert await known.authenticate(bearer(provider.token())) == ADA
    file.write_text("[]")
    with pytest.raises(SettingsError, match=r"plugins\.oidc\.jwks_file"):
        async with taking(jwks_file=str(file)):
            pass


async def test_an_authority_that_cannot_be_read_stops_the_service(taking, tmp_path):
    with pytest.raises(SettingsError, match=r"plugins\.oidc\.authority"):
        async with taking(authority=str(tmp_path / "none.crt")):
            pass


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"audience": ["spawnpenny"]}, "issuer"),
        ({"issuer": "https://login.example.org"}, "audience"),
        (SECTION | {"audience": []}, "at least one audience"),
        (SECTION | {"algorithms": ["HS256"]}, "public key"),
        (SECTION | {"algorithms": ["none"]}, "public key"),
        (SECTION | {"algorithms": []}, "at least one algorithm"),
        (SECTION | {"issuer": "http://login.example.org"}, "https"),
        (SECTION | {"jwks_uri": "http://login.example.org/keys"}, "https"),
        (SECTION | {"jwks_uri": "https://login.example.org/keys", "jwks_file": "keys.json"}, "not both"),
        (SECTION | {"scopes": ["everything"]}, "scopes"),
    ],
)
def test_settings_that_would_take_too_much_are_refused(section, message):
    with pytest.raises(SettingsError, match=message):
        load_plugins(make_settings({"plugins": {"oidc": section}}))
