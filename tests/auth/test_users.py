"""Who says the uid: the authenticator, else what was commissioned, else the site. Never anybody else."""

from __future__ import annotations

import re

import pytest
from marshmallow import ValidationError

from spawnpenny.auth.identity import Identity
from spawnpenny.auth.users import resolve_user
from spawnpenny.broker.requests import BrokerRequest, read_request, request_map
from spawnpenny.domain.users import GROUP_PATTERN, MAX_GROUP_NAME, MAX_GROUPS, Group, User
from spawnpenny.errors import ForbiddenError, InvalidRequestError, UserConflictError
from spawnpenny.settings.sections import UserSettings
from spawnpenny.spawns.record import UserRecord
from spawnpenny.web.schemas.users import DossierBody, GroupSchema

SITE = UserSettings(uid=1000, gid=100, min_uid=1000)
PHYSICS = (Group("physics", 3001),)
KNOWN = User("ada", 2001, 2002, PHYSICS)


def resolve(known=None, username="ada", *, by="ada", site=SITE, was_verified=True, **verified):
    record = UserRecord(known, "", uid_verified=was_verified) if known else None
    return resolve_user(username, Identity("x", frozenset(), by, **verified), record, site)


def claim_of(user):
    """Return the ConfigMap by which the broker is asked to commission a user."""
    return request_map(
        BrokerRequest("commission", user.username, "n", dossier=user), namespace="state", installation="x"
    )


def test_of_whom_nobody_says_anything_is_who_the_site_says():
    assert resolve() == User("ada", 1000, 100)


def test_what_was_commissioned_stands_where_the_authenticator_says_nothing():
    assert resolve(KNOWN) == KNOWN


def test_what_the_authenticator_vouches_for_comes_first():
    assert resolve(uid=2001, gid=7, groups=PHYSICS) == User("ada", 2001, 7, PHYSICS)
    assert resolve(KNOWN, uid=2001, gid=7, groups=()) == User("ada", 2001, 7)


def test_the_hubs_own_uid_is_not_the_users():
    assert resolve(by="hub", uid=5000, gid=5000, groups=PHYSICS) == User("ada", 1000, 100)
    assert resolve(by=None, uid=5000) == User("ada", 1000, 100)


def test_a_known_users_uid_does_not_change_by_a_login():
    with pytest.raises(UserConflictError, match="known with uid 2001, and now comes with uid 2009"):
        resolve(KNOWN, uid=2009)


@pytest.mark.parametrize("uid", [0, 999])
def test_a_uid_below_the_smallest_is_refused(uid):
    with pytest.raises(ForbiddenError, match=f"The uid {uid} of ada"):
        resolve(uid=uid)


def test_a_known_user_is_refused_too_when_the_site_raised_the_smallest():
    with pytest.raises(ForbiddenError):
        resolve(KNOWN, site=UserSettings(min_uid=3000))


def test_a_sites_default_uid_gives_way_to_the_first_that_somebody_vouches_for():
    assert resolve(User("ada", 1000, 100), was_verified=False, uid=5001).uid == 5001


@pytest.mark.parametrize("verified", [{"gid": 0}, {"groups": (Group("wheel", 0),)}])
def test_roots_group_is_refused(verified):
    with pytest.raises(ForbiddenError, match="the group of root"):
        resolve(**verified)


def test_more_groups_than_a_record_holds_are_refused():
    with pytest.raises(ForbiddenError, match="at most 256"):
        resolve(groups=tuple(Group(f"g{number}", 3000 + number) for number in range(257)))


@pytest.mark.parametrize(
    "name", ["", " staff", "a:b", "a,b", "/a", "a\nroot", "staff\u202etoor", "a\U000e0041", "a" * 256]
)
def test_a_group_whose_name_fits_into_no_group_file_is_refused_wherever_it_comes_from(name):
    with pytest.raises(ForbiddenError, match="the name of a group is"):
        resolve(groups=(Group(name, 3000),))
    with pytest.raises(InvalidRequestError, match="The name of a group is"):
        read_request(claim_of(User("ada", 2001, 2001, (Group(name, 3000),))))
    with pytest.raises(ValidationError):
        GroupSchema().load({"name": name, "id": 3000})
    if all(ord(character) < 2**16 for character in name) and len(name) <= MAX_GROUP_NAME:
        assert not re.search(GROUP_PATTERN, name)


def test_256_groups_of_any_script_are_taken_wherever_they_come_from():
    groups = tuple(Group(f"Gruppe für Физика {number}", 3000 + number) for number in range(MAX_GROUPS))
    user = User("ada", 2001, 2001, groups)
    assert resolve(uid=2001, gid=2001, groups=groups) == user
    assert read_request(claim_of(user)).dossier == user
    assert DossierBody().load({"uid": 2001, "groups": user.dossier()["groups"]}).groups == groups


@pytest.mark.parametrize("verified", [{"uid": 2**31}, {"gid": 2**31}, {"groups": (Group("g", 2**31),)}])
def test_an_id_that_no_system_has_is_refused(verified):
    with pytest.raises(ForbiddenError, match="the largest allowed one is 2147483647"):
        resolve(**verified)
