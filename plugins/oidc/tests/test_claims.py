"""What claims say of a user, and which are not believed."""

from __future__ import annotations

import pytest
from spawnpenny_oidc.claims import identity_of
from spawnpenny_oidc.settings import OidcSettingsSchema

from spawnpenny.api import ForbiddenError, Group
from spawnpenny.testing.plugins import make_settings

NUMBERS = {"claims": {"uid": "uid_number", "gid": "gid_number", "groups": "posix.groups"}}
ADA = {"preferred_username": "ada", "uid_number": 2001, "gid_number": "2002"}


def identity(claims, /, **more):
    data = {"issuer": "https://login.example.org", "audience": ["spawnpenny"], **more}
    return identity_of(claims, make_settings({"plugins": {"oidc": data}}).load("oidc", OidcSettingsSchema()))


def test_claims_vouch_for_uid_gid_and_groups():
    groups = [{"name": "physics", "id": 3001}, "staff", "chess"]
    found = identity(ADA | {"posix": {"groups": groups}}, **NUMBERS, gids={"staff": 50})
    assert (found.username, found.uid, found.gid) == ("ada", 2001, 2002)
    assert found.groups == (Group("physics", 3001), Group("staff", 50))


def test_nothing_is_said_of_what_no_claim_is_named_for():
    found = identity(ADA)
    assert (found.uid, found.gid, found.groups) == (None, None, None)


def test_no_groups_is_what_a_token_without_that_claim_says():
    assert identity(ADA, **NUMBERS).groups == ()


@pytest.mark.parametrize("uid", [None, True, 2001.0, -1, 2**31, "2001x", "", [2001]])
def test_nobody_comes_to_the_sites_uid_by_leaving_out_their_own(uid):
    with pytest.raises(ForbiddenError, match="uid_number"):
        identity(ADA | {"uid_number": uid}, **NUMBERS)


@pytest.mark.parametrize("name", [None, 7, "", "a/b", "..", "a\nb", "x" * 256])
def test_a_username_is_a_name_that_may_be_used(name):
    with pytest.raises(ForbiddenError, match="preferred_username"):
        identity(ADA | {"preferred_username": name})


def test_usernames_are_as_they_come_unless_lower_case_is_asked_for():
    claims = {"email": "Ada@example.org"}
    assert identity(claims, claims={"username": "email"}).username == "Ada@example.org"
    assert identity(claims, claims={"username": "email"}, lowercase=True).username == "ada@example.org"


def test_no_other_letter_becomes_an_ascii_one_in_lower_case():
    with pytest.raises(ForbiddenError, match="becomes another one in lower case"):
        identity({"preferred_username": "\u212aate"}, lowercase=True)
    assert identity({"preferred_username": "\u212aate"}).username == "\u212aate"


@pytest.mark.parametrize(
    ("required", "claims", "taken"),
    [
        ({"scope": "labs"}, {"scope": "openid labs"}, True),
        ({"scope": "labs"}, {"scope": "openid labsalot"}, False),
        ({"realm_access.roles": "lab-user"}, {"realm_access": {"roles": ["a", "lab-user"]}}, True),
        ({"realm_access.roles": "lab-user"}, {"realm_access": "lab-user"}, False),
        ({"https://example.org/lab.user": True}, {"https://example.org/lab.user": True}, True),
        ({"email_verified": True}, {"email_verified": 1}, False),
        ({"email_verified": True}, {"email_verified": "true"}, False),
        ({"email_verified": True}, {}, False),
        ({"department": "lab user"}, {"department": "lab"}, False),
    ],
)
def test_required_claims_are_there_as_they_have_to_be(required, claims, taken):
    if taken:
        assert identity(ADA | claims, required=required).username == "ada"
    else:
        with pytest.raises(ForbiddenError, match="not what this site requires"):
            identity(ADA | claims, required=required)


@pytest.mark.parametrize("groups", ["staff", [7], [{"id": 5}], [{"name": "staff", "id": "many"}]])
def test_groups_that_make_no_sense_are_refused(groups):
    with pytest.raises(ForbiddenError, match="posix"):
        identity(ADA | {"posix": {"groups": groups}}, **NUMBERS)
