"""Plugins of a site that filter and replace profiles, and design a lab for its user."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from spawnpenny_lab.choice import choose
from spawnpenny_lab.settings import LabSettingsSchema

from spawnpenny.api import (
    Checkbox,
    FormField,
    Group,
    InvalidOptionError,
    Number,
    SettingsError,
    SpawnpennyError,
    UnknownOptionError,
    User,
    hookimpl,
)
from spawnpenny.testing.plugins import load_plugins, make_settings
from spawnpenny.testing.site import settled, start
from spawnpenny.testing.spawns import make_spawn

GIB = 2**30
PROFILES = [
    {"display_name": "Small", "kubespawner_override": {"mem_limit": "1G"}},
    {"display_name": "GPU", "kubespawner_override": {"mem_limit": "4G"}},
]
ADA, BOB = User("ada", 2001, 100, (Group("gpu", 3001),)), User("bob", 2002, 100)


def of_group(user, profiles):
    return [profile for profile in profiles if profile["slug"] != "gpu" or user.groups]


def minutes(user, options, kind):
    assert kind == "lab"
    found = {"extra_labels": {"team": user.groups[0].name if user.groups else "guests"}}
    if "minutes" in options:
        found["extra_pod_config"] = {"activeDeadlineSeconds": 60 * options["minutes"]}
    return found | ({"mem_limit": "8G"} if options.get("large") else {})


def hours():
    return [
        FormField("minutes", "Minutes", number=Number(60, 10, 600, step=10)),
        FormField("large", "Large", checkbox=Checkbox()),
    ]


def plugins_with(*, profile_list=PROFILES, **hooks):
    """Load the lab plugin beside plugins with one hook each."""
    extra = {
        name.replace("_", "-"): SimpleNamespace(
            **{f"spawnpenny_{name}": hookimpl(function, specname=f"spawnpenny_{name}")}
        )
        for name, function in hooks.items()
    }
    lab = {"profile_list": profile_list} if profile_list else {}
    return load_plugins(make_settings({"plugins": {"namespace": {}, "lab": lab}}), extra=extra)


def template(plugins, user, **options):
    """Return the template of a lab, as the lab plugin's steps see it."""
    step = next(step for step in plugins.steps if step.name == "lab.pod")
    spawn = make_spawn(
        user=user,
        options=options,
        _profiles=plugins.profiles,
        _overrides=lambda spawn: plugins.overrides(spawn.user, spawn.kind, spawn.options),
    )
    return choose(spawn, step._settings)


def offered(plugins, user):
    return [choice.value for field in plugins.form(user) for choice in field.choices]


def test_a_filter_decides_what_the_form_shows_and_what_a_start_takes():
    plugins = plugins_with(profiles=of_group)
    assert (offered(plugins, ADA), offered(plugins, BOB)) == (["small", "gpu"], ["small"])
    assert template(plugins, ADA, profile="gpu").mem_limit == 4 * GIB
    with pytest.raises(UnknownOptionError, match="There is no profile 'gpu'; there are small"):
        template(plugins, BOB, profile="gpu")
    assert template(plugins, BOB).mem_limit == GIB


@pytest.mark.parametrize("profile_list", [PROFILES, None])
def test_profiles_may_be_replaced_by_those_of_one_user_also_in_place_of_sizes(profile_list):
    def own(user):
        override = {"mem_limit": "2G", "extra_labels": {"owner": user.username}}
        return [{"display_name": f"The lab of {user.username}", "slug": "own", "kubespawner_override": override}]

    plugins = plugins_with(profile_list=profile_list, profiles=own)
    (field,) = plugins.form(BOB)
    assert field.choices[0].label == "The lab of bob"
    assert template(plugins, BOB).extra_labels == {"owner": "bob"}


def test_a_user_without_any_profile_has_no_form_and_no_lab():
    plugins = plugins_with(profiles=lambda user: [] if user.username == "bob" else None)
    assert (plugins.form(BOB), offered(plugins, ADA)) == ((), ["small", "gpu"])
    with pytest.raises(InvalidOptionError, match="No profile is open to you"):
        template(plugins, BOB)
    assert template(plugins_with(profile_list=None, profiles=of_group), BOB).image


def test_plugins_see_what_those_before_them_left_as_the_settings_have_it_and_may_change_it():
    seen = []

    def first(profiles):
        profiles[0]["kubespawner_override"]["mem_limit"] = "3G"
        return profiles[:1]

    def look(profiles):
        seen.append(profiles)

    plugins = load_plugins(
        make_settings({"plugins": {"namespace": {}, "lab": {"profile_list": PROFILES}}}),
        extra={
            "a": SimpleNamespace(spawnpenny_profiles=hookimpl(first, specname="spawnpenny_profiles")),
            "b": SimpleNamespace(spawnpenny_profiles=hookimpl(look, specname="spawnpenny_profiles")),
        },
    )
    assert template(plugins, ADA).mem_limit == template(plugins, BOB).mem_limit == 3 * GIB
    assert seen[0] == [{"display_name": "Small", "slug": "small", "kubespawner_override": {"mem_limit": "3G"}}]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ("gpu", "has to return a list of profiles"),
        ([{"slug": "x"}], "display_name"),
        ([{"display_name": "X", "kubespawner_override": {"mem_limit": "much"}}], "mem_limit"),
        ([{"display_name": "X"}, {"display_name": "X"}], "is also the slug of"),
    ],
)
def test_wrong_profiles_are_refused_with_the_name_of_the_plugin(found, message):
    with pytest.raises(SpawnpennyError, match=f"spawnpenny_profiles of the plugin 'profiles' .*{message}"):
        plugins_with(profiles=lambda: found)


def test_a_design_follows_the_user_the_group_and_the_answers_with_their_defaults():
    plugins = plugins_with(form=hours, overrides=minutes)
    ada, bob = template(plugins, ADA), template(plugins, BOB, minutes="30", large="true", profile="gpu")
    assert (ada.extra_labels, ada.extra_pod_config, ada.mem_limit) == (
        {"team": "gpu"},
        {"activeDeadlineSeconds": 3600},
        GIB,
    )
    assert (bob.extra_labels, bob.extra_pod_config, bob.mem_limit) == (
        {"team": "guests"},
        {"activeDeadlineSeconds": 1800},
        8 * GIB,
    )


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], None),
        ("x", "has to return a mapping or None"),
        ({"mem_limt": "1G"}, "of the plugin 'overrides' has invalid overrides of a lab: mem_limt"),
        ({"mem_limit": "much"}, "of the plugin 'overrides' has invalid overrides of a lab: mem_limit"),
    ],
)
def test_wrong_overrides_are_refused_with_the_name_of_the_plugin(found, message):
    plugins = plugins_with(overrides=lambda: found)
    if message is not None:
        with pytest.raises(SpawnpennyError, match=message):
            template(plugins, ADA)


def test_the_settings_stay_as_they_are_without_such_hooks():
    settings = LabSettingsSchema().load({"profile_list": PROFILES})
    assert choose(make_spawn(), settings).mem_limit == GIB
    assert settings._offers == {}


async def test_a_lab_is_made_as_designed_and_counts_against_the_quota(embedded_site):
    embedded_site.data["plugins"] |= {"lab": {"profile_list": PROFILES}, "quota": {"memory": "6Gi"}}
    embedded_site.plugins = {
        name: SimpleNamespace(**{f"spawnpenny_{name}": hookimpl(function, specname=f"spawnpenny_{name}")})
        for name, function in {"form": hours, "overrides": minutes}.items()
    }
    async with embedded_site.service() as service:
        with pytest.raises(SpawnpennyError, match="memory"):
            await start(service, options={"large": True})
        run = await settled(await start(service, options={"minutes": 20}))
        assert run.record.reason is None
        pod = await embedded_site.read("Pod", "lab")
        assert pod["spec"]["activeDeadlineSeconds"] == 1200
        assert pod["metadata"]["labels"]["team"] == "guests"


def test_a_mistake_in_overrides_is_a_fault_of_the_settings():
    with pytest.raises(SettingsError):
        template(plugins_with(overrides=lambda: {"image": 1}), ADA)
