"""Templates: KubeSpawner's fields and slugs, so that the names of a site that moves stay as they are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubespawner import KubeSpawner

from spawnpenny.domain.names import DEFAULT_LAB, Names
from spawnpenny.domain.templates import FIELDS, SERVER_FIELDS, expand, expand_all, fields_of, template_fields

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)
NAMES = TEXT | st.text("ab1-", min_size=1, max_size=60)
SHARED = [field for field in FIELDS if field not in {"namespace", "pod_name"}]


def fields(username="ada", lab=DEFAULT_LAB):
    return template_fields(username, lab, Names.of(username, "lab", lab, prefix="lab-"))


def kubespawners(template, username, lab, scheme="safe"):
    """Return what KubeSpawner itself makes of a template, without a Hub behind it."""
    spawner = SimpleNamespace(
        name="" if lab == DEFAULT_LAB else lab,
        user=SimpleNamespace(name=username, id=1),
        slug_scheme=scheme,
        _namespace_default=lambda: "hub",
    )
    return KubeSpawner._expand_user_properties(spawner, template)


@pytest.mark.parametrize("field", SHARED)
@given(username=NAMES, lab=NAMES | st.just(DEFAULT_LAB))
def test_each_field_is_what_kubespawner_makes_of_it(field, username, lab):
    ours, theirs = (
        expand(f"claim-{{{field}}}", fields(username, lab)),
        kubespawners(f"claim-{{{field}}}", username, lab),
    )
    assert (ours.rstrip("-") if field.startswith("unescaped") else ours) == theirs


@pytest.mark.parametrize("username", ["ada-", ".-", "..-", "-"])
def test_a_name_as_it_is_written_is_never_another_ones(username):
    assert expand("{unescaped_username}", fields(username)) == username
    assert expand("homes/{unescaped_username}", fields(username)) == f"homes/{username}"
    assert expand("{unescaped_username}-{servername}", fields(username)) == username
    assert expand("{unescaped_username}-{unescaped_servername}", fields("ada", "b-")) == "ada-b-"


def test_a_template_may_be_filled_in_as_it_is():
    assert expand("/home/{username}-{servername}", {"username": "ada-", "servername": ""}, trim=False) == "/home/ada--"


@given(username=NAMES, lab=NAMES | st.just(DEFAULT_LAB))
def test_a_site_with_the_older_slugs_names_the_escaped_fields(username, lab):
    theirs = kubespawners("claim-{user_server}", username, lab, scheme="escape")
    assert expand("claim-{escaped_user_server}", fields(username, lab)) == theirs


def test_namespace_and_pod_are_our_own():
    assert expand("{namespace}/{pod_name}", fields(lab="gpu")) == "lab-ada/lab-gpu"


def test_the_fields_of_a_server_are_those_that_differ_between_labs():
    one, other = fields(lab="one"), fields(lab="other")
    assert {field for field in FIELDS if one[field] != other[field]} == SERVER_FIELDS


def test_texts_are_expanded_wherever_they_are():
    value = {"a-{username}": ["{username}", 1, {"b": ("{servername}", None)}], "c": "{{as it is}}"}
    assert expand_all(value, fields(lab="gpu")) == {"a-{username}": ["ada", 1, {"b": ["gpu", None]}], "c": "{as it is}"}


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("claim-{usernmae}", "there is no field {usernmae}; there are username, "),
        ("claim-{username.__class__}", "a field is a name in braces"),
        ("claim-{username!r}", "a field is a name in braces"),
        ("claim-{}", "a field is a name in braces"),
        ("claim-{username", "'}'"),
        ("claim-username}", "'}'"),
    ],
)
def test_what_is_no_template_is_refused(template, sentence):
    with pytest.raises(ValueError, match=sentence.replace("{", r"\{").replace("}", r"\}")):
        fields_of(template)
