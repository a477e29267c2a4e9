"""Names: any becomes a DNS label, as KubeSpawner's does; what cannot be a name is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spawnpenny.domain.names import DEFAULT_LAB, MAX_SLUG, Names, check_lab, check_username, safe_slug
from spawnpenny.errors import InvalidNameError
from spawnpenny.settings.load import make_settings

LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
NEARLY_LABELS = st.text("ab1-", min_size=1, max_size=70)


@given(TEXT | NEARLY_LABELS, st.integers(16, 63))
def test_a_slug_is_a_dns_label_within_its_bound(name, bound):
    slug = safe_slug(name, max_length=bound)
    assert LABEL.fullmatch(slug)
    assert len(slug) <= bound
    assert slug == safe_slug(name, max_length=bound)


@given(st.lists(TEXT | NEARLY_LABELS, unique=True, min_size=2))
def test_other_names_have_other_slugs(names):
    assert len({safe_slug(name) for name in names}) == len(names)


@given(TEXT | NEARLY_LABELS)
def test_only_a_name_that_stays_as_it_is_can_look_like_its_own_slug(name):
    assert safe_slug(name) == name or "---" in safe_slug(name)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("jupyter-alex", "jupyter-alex"),
        ("jupyter-Alex", "jupyter-alex---3a1c285c"),
        ("jupyter-üni", "jupyter-ni---a5aaf5dd"),
        ("user@email.com", "user-email-com---0925f997"),
        ("user-_@_emailß.com", "user-email-com---7e3a7efd"),
        ("has-dash-", "has-dash---b3a1d86e"),
        ("-dash", "dash---b693fbbf"),
        (".start.", "start---661f4876"),
        ("0-9", "x-0-9---db7b9d06"),
        ("a--b", "a-b---90827a2e"),
        ("日本", "x---cf2abf0c"),
    ],
)
def test_slugs_are_kubespawners(name, slug):
    """Made with kubespawner.slugs.safe_slug(name, max_length=48) of jupyterhub-kubespawner 7.1.0."""
    assert safe_slug(name) == slug


def test_the_longest_prefix_and_slug_make_a_namespace_name():
    prefix = make_settings({"namespaces": {"prefix": "a" * 15}}).namespaces.prefix
    names = Names.of("x" * MAX_SLUG, "lab", "y" * MAX_SLUG, prefix=prefix)
    assert (len(names.namespace), len(names.base)) == (63, 52)


@pytest.mark.parametrize(
    "name", ["ada", "Ada@example.org", "Åse Nordström", "日本", "a" * 255, "...", "a.b", "~", "-", " "]
)
def test_a_username_may_be_what_people_are_called(name):
    assert check_username(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "/",
        "a\0b",
        "a\nb",
        "a\x7f",
        "a\x85",
        "a\u200bb",
        "a\u202eb",
        "a\u2028b",
        "a" * 256,
        "\ud800",
    ],
)
def test_what_cannot_be_a_username_is_refused_by_its_field(name):
    with pytest.raises(InvalidNameError) as refused:
        check_username(name)
    assert refused.value.code == "name_invalid"
    assert [error["field"] for error in refused.value.facts["errors"]] == ["username"]


@pytest.mark.parametrize("name", ["", "a" * 64, "a/b", ".."])
def test_what_cannot_be_a_lab_is_refused_by_its_field(name):
    with pytest.raises(InvalidNameError) as refused:
        check_lab(name)
    assert refused.value.facts["errors"][0]["field"] == "lab"


@given(TEXT.filter(bool))
def test_a_name_has_a_slug_or_a_sentence_that_can_be_printed(name):
    try:
        message = f"{safe_slug(check_username(name))}."
    except InvalidNameError as error:
        message = str(error)
    assert message.endswith(".")
    assert message.isprintable()


def test_different_labs_of_a_user_have_different_names():
    labs = (DEFAULT_LAB, "default", "lab", "~lab", "Lab", "lab-", "x")
    names = [Names.of("ada", kind, lab, prefix="lab-") for kind in ("lab", "dask") for lab in labs]
    assert len({name.base for name in names}) == len(names)
    assert {name.namespace for name in names} == {"lab-ada"}


def test_the_default_lab_has_the_shortest_names():
    assert Names.of("ada", "lab", DEFAULT_LAB, prefix="lab-") == Names("lab-ada", "ada", "", "lab")
