"""Profiles in KubeSpawner's format: what each choice makes of the template, and what is refused, and when."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import pytest
import slugify as python_slugify
from hypothesis import example, given
from hypothesis import strategies as st
from spawnpenny_lab.choice import choose
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.settings import LabSettingsSchema
from spawnpenny_lab.slugs import slugify

from spawnpenny.api import FormChoice, FormField, FreeText, InvalidOptionError, SettingsError, UnknownOptionError
from spawnpenny.testing.plugins import load_plugins, make_settings
from spawnpenny.testing.spawns import make_spawn

GIB = 2**30
IMAGE = {
    "display_name": "Image",
    "choices": {
        "scipy": {"display_name": "SciPy", "kubespawner_override": {"image": "quay.io/scipy:1"}},
        "r": {"display_name": "R", "default": True, "kubespawner_override": {"image": "quay.io/r:1"}},
    },
    "unlisted_choice": {
        "enabled": True,
        "display_name": "Your own image",
        "validation_regex": r"quay\.io/.+:.+",
        "validation_message": "An image of quay.io with a tag",
        "kubespawner_override": {"image": "{value}", "environment": {"CHOSEN": "{value}, by {username}"}},
    },
}
PROFILES = [
    {"display_name": "Small", "description": "The usual"},
    {
        "display_name": "Large (GPU)",
        "slug": "gpu",
        "kubespawner_override": {
            "cpu_limit": 8,
            "mem_limit": "16G",
            "environment": {"SITE": None, "GPU": "yes"},
            "extra_resource_limits": {"nvidia.com/gpu": "1"},
        },
        "profile_options": {
            "image": IMAGE,
            "memory": {
                "display_name": "Memory",
                "choices": {
                    "16": {"display_name": "16 GiB"},
                    "32": {"display_name": "32 GiB", "kubespawner_override": {"mem_limit": "32G"}},
                },
            },
        },
    },
]


def loaded(profiles, **more):
    section = {"image": "quay.io/base:1", "environment": {"SITE": "physics", "A": "1"}, "profile_list": profiles}
    return make_settings({"plugins": {"namespace": {}, "lab": section | more}}).load("lab", LabSettingsSchema())


def refusal(profiles, **more):
    with pytest.raises(SettingsError) as refused:
        loaded(profiles, **more)
    return str(refused.value)


def with_option(**option):
    return [{"display_name": "P", "profile_options": {"o": {"display_name": "O"} | option}}]


def with_override(**override):
    return with_option(choices={"c": {"display_name": "C", "kubespawner_override": override}})


@pytest.mark.parametrize(
    ("options", "image", "memory", "environment"),
    [
        ({}, "quay.io/base:1", 2, {"SITE": "physics", "A": "1"}),
        ({"profile": "small"}, "quay.io/base:1", 2, {"SITE": "physics", "A": "1"}),
        ({"profile": "gpu"}, "quay.io/r:1", 16, {"A": "1", "GPU": "yes"}),
        ({"profile": "gpu", "image": "scipy"}, "quay.io/scipy:1", 16, {"A": "1", "GPU": "yes"}),
        ({"profile": "gpu", "image": "scipy", "memory": "32"}, "quay.io/scipy:1", 32, {"A": "1", "GPU": "yes"}),
        (
            {"profile": "gpu", "image--unlisted-choice": "quay.io/my/own:2"},
            "quay.io/my/own:2",
            16,
            {"A": "1", "GPU": "yes", "CHOSEN": "quay.io/my/own:2, by {username}"},
        ),
    ],
)
def test_a_choice_changes_the_template(options, image, memory, environment):
    template = choose(make_spawn(options=options), loaded(PROFILES))
    assert (template.image, template.mem_limit, template.environment) == (image, Decimal(memory * GIB), environment)


def test_a_choice_leaves_the_settings_as_they_are():
    settings = loaded(PROFILES)
    before = repr(settings)
    choose(make_spawn(options={"profile": "gpu", "image--unlisted-choice": "quay.io/my/own:2"}), settings)
    assert repr(settings) == before


def test_the_default_profile_counts_where_none_is_named():
    profiles = [{"display_name": "One"}, {"display_name": "Two", "default": True, "kubespawner_override": {"uid": 7}}]
    assert choose(make_spawn(options={}), loaded(profiles)).uid == 7


def test_profiles_by_key_come_in_the_order_of_the_keys():
    settings = loaded({"b": {"display_name": "Second"}, "a": {"display_name": "First"}})
    assert [profile.slug for profile in settings.profile_list] == ["first", "second"]


@pytest.mark.parametrize(
    ("options", "error", "field", "message"),
    [
        ({"profile": "gpus"}, UnknownOptionError, "profile", "there are small, gpu. Did you mean 'gpu'?"),
        ({"profile": "Large (GPU)"}, UnknownOptionError, "profile", "Did you mean 'gpu'?"),
        ({"profile": "gpu", "image": "scypi"}, UnknownOptionError, "image", "Did you mean 'scipy'?"),
        (
            {"profile": "gpu", "image--unlisted-choice": "quay.io/x\n:1"},
            InvalidOptionError,
            "image--unlisted-choice",
            "control character",
        ),
        (
            {"profile": "gpu", "image--unlisted-choice": "evil.io/quay.io/x:1"},
            InvalidOptionError,
            "image--unlisted-choice",
            "An image of quay.io with a tag.",
        ),
        (
            {"profile": "gpu", "image--unlisted-choice": "quay.io/{uid}:1"},
            InvalidOptionError,
            "image--unlisted-choice",
            "none of them { }",
        ),
        ({"profile": "gpu", "image": "r", "image--unlisted-choice": "x"}, InvalidOptionError, "image", "not both"),
    ],
)
def test_what_cannot_be_chosen_is_refused_beside_its_field(options, error, field, message):
    with pytest.raises(error) as refused:
        choose(make_spawn(options=options), loaded(PROFILES))
    assert refused.value.facts["errors"][0]["field"] == f"options.{field}"
    assert message in str(refused.value)


def test_a_text_that_makes_no_value_is_refused_beside_its_field():
    unlisted = {"enabled": True, "display_name": "GiB", "kubespawner_override": {"mem_limit": "{value}G"}}
    settings = loaded(with_option(unlisted_choice=unlisted))
    assert choose(make_spawn(options={"o--unlisted-choice": "3"}), settings).mem_limit == 3 * GIB
    with pytest.raises(InvalidOptionError) as refused:
        choose(make_spawn(options={"o--unlisted-choice": "much"}), settings)
    assert refused.value.facts["errors"][0]["field"] == "options.o--unlisted-choice"
    assert "'much' does not fit: mem_limit: " in str(refused.value)


def test_two_choices_that_do_not_go_together_are_refused():
    option = {
        "limit": {
            "display_name": "L",
            "choices": {
                "8": {"display_name": "8", "kubespawner_override": {"mem_limit": "8G"}},
                "4": {"display_name": "4", "kubespawner_override": {"mem_limit": "4G"}},
            },
        },
        "kept": {
            "display_name": "K",
            "choices": {
                "0": {"display_name": "0"},
                "6": {"display_name": "6", "kubespawner_override": {"mem_guarantee": "6G"}},
            },
        },
    }
    settings = loaded([{"display_name": "P", "profile_options": option}])
    assert choose(make_spawn(options={"kept": "6"}), settings).mem_guarantee == 6 * GIB
    with pytest.raises(InvalidOptionError) as refused:
        choose(make_spawn(options={"kept": "6", "limit": "4"}), settings)
    assert refused.value.facts["errors"][0]["field"] == "options.kept"


def test_the_form_says_what_kubespawners_would():
    (small, gpu) = lab_form(loaded(PROFILES))[0].choices
    assert small == FormChoice("small", "Small", "The usual")
    assert gpu.fields[0] == FormField(
        "image",
        "Image",
        (FormChoice("scipy", "SciPy"), FormChoice("r", "R", default=True)),
        free_text=FreeText("Your own image", "Other...", r"quay\.io/.+:.+", "An image of quay.io with a tag"),
    )


def test_without_profiles_there_are_sizes_and_images_to_choose():
    section = {"sizes": {"small": {"cpu": "0.5", "memory": "2Gi"}}, "images": {"a": "quay.io/a:1", "b": "quay.io/b:1"}}
    settings = make_settings({"plugins": {"namespace": {}, "lab": section}}).load("lab", LabSettingsSchema())
    assert lab_form(settings) == (
        FormField("size", "Size", (FormChoice("small", "small", "0.5 CPU, 2Gi of memory"),)),
        FormField("image", "Image", (FormChoice("a", "a"), FormChoice("b", "b"))),
    )


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        ("small", "plugins.lab.profile_list: Write a list of profiles, or a map with such values."),
        ([{}], "profile_list.0.display_name: "),
        ([{"display_name": "P", "descripton": "x"}], "profile_list.0.descripton: 'descripton' is not known here; did"),
        ([{"display_name": "P"}, {"display_name": "p"}], "profile_list.1.slug: 'p' is also the slug of 0."),
        ([{"display_name": "Профиль"}], "profile_list.0.slug: 'Профиль' gives no slug. Write one."),
        ([{"display_name": "P", "slug": "a\nb"}], r"profile_list: a choice of profile cannot have the value 'a\nb'"),
        (with_option(), "profile_list: the field profile.p.o has neither choices nor a text"),
        (with_option(unlisted_choice={"enabled": True, "validation_regex": "("}), "is no regular expression"),
        (
            [{"display_name": "P", "kubespawner_override": {"imag": "x"}}],
            "profile_list.p.kubespawner_override.imag: 'imag' is not known here; did you mean 'image'?",
        ),
        (
            with_override(cpu_limit="many"),
            "profile_list.p.profile_options.o.choices.c.kubespawner_override.cpu_limit: 'many' is not a quantity",
        ),
        (
            with_override(environment={"X": "{usernam}"}),
            "profile_list.p.profile_options.o.choices.c.kubespawner_override.environment.X: ",
        ),
        (
            with_option(unlisted_choice={"enabled": True, "kubespawner_override": {"imag": "{value}"}}),
            "profile_list.p.profile_options.o.unlisted_choice.kubespawner_override.imag: 'imag' is not known here",
        ),
        (
            with_option(
                unlisted_choice={
                    "enabled": True,
                    "kubespawner_override": {"volumes": [{"name": "v", "emptydir": {"medium": "{value}"}}]},
                }
            ),
            "profile_list.p.profile_options.o.unlisted_choice.kubespawner_override.volumes.0: 'emptydir' is no field",
        ),
    ],
)
def test_a_mistake_in_a_profile_stops_the_service_from_starting(profiles, message):
    assert message in refusal(profiles)


@pytest.mark.parametrize("key", ["sizes", "images"])
def test_sizes_and_images_are_not_beside_profiles(key):
    more = {"sizes": {"s": {"cpu": 1, "memory": "1Gi"}}, "images": {"a": "quay.io/a:1"}}
    settings = make_settings({"plugins": {"lab": {"profile_list": PROFILES, key: more[key]}}})
    with pytest.raises(SettingsError, match=f"plugins.lab.{key}: profile_list says the same: set one of them."):
        settings.load("lab", LabSettingsSchema())


def test_the_forms_of_all_plugins_hold_with_profiles():
    section = {"profile_list": PROFILES}
    plugins = load_plugins(make_settings({"plugins": {"namespace": {}, "lab": section}}))
    assert plugins.infos()


@given(st.text(st.characters(max_codepoint=0x36F), max_size=30))
@example("1,000 CPUs, it's 2,5")
@example("Große Maschine")
@example("a &amp; b")
def test_a_slug_is_kubespawners_or_has_to_be_written(text):
    try:
        slug = slugify(text)
    except ValueError:
        assert "&" in text or not text.isascii() or not python_slugify.slugify(text)
    else:
        assert slug == python_slugify.slugify(text)


def test_letters_with_accents_make_the_slug_that_kubespawner_makes():
    latin = [chr(point) for point in range(0xC0, 0x250) if _decomposes(chr(point))] + [*"‘’“”–—…"]  # noqa: RUF001
    assert len(latin) > 200
    assert [slugify(f"a{letter}b") for letter in latin] == [python_slugify.slugify(f"a{letter}b") for letter in latin]


def _decomposes(letter):
    return len(unicodedata.normalize("NFD", letter)) > 1 and unicodedata.normalize("NFD", letter)[0].isascii()
