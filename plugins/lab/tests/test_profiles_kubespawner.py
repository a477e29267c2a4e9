"""The installed KubeSpawner and we, with the same profiles: what is chosen comes to the same, and what is submitted."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from kubespawner import KubeSpawner
from spawnpenny_lab.choice import choose
from spawnpenny_lab.form import lab_form
from spawnpenny_lab.settings import LabSettingsSchema
from traitlets.config import Config

from spawnpenny.clients.forms import options_from_form
from spawnpenny.testing.plugins import InvalidRequestError, check_options, form_page, form_schema, make_settings
from spawnpenny.testing.spawns import make_spawn

BASE = {
    "image": "quay.io/base:1",
    "mem_limit": "2G",
    "environment": {"A": "a", "B": "b"},
    "node_selector": {"disk": "ssd"},
    "volumes": {"a": {"name": "a", "emptyDir": {}}},
}
PROFILES = {
    "b": {
        "display_name": "It's a “GPU” (A100), 1,000 cores",
        "default": True,
        "kubespawner_override": {
            "mem_limit": "8G",
            "environment": {"A": None, "G": "{username}"},
            "volumes": {"b": {"name": "b", "emptyDir": {}}},
        },
        "profile_options": {
            "image": {
                "display_name": "Image",
                "choices": {
                    "r": {"display_name": "R", "kubespawner_override": {"image": "quay.io/r:1"}},
                    "scipy": {
                        "display_name": "SciPy",
                        "default": True,
                        "kubespawner_override": {"image": "quay.io/s:1", "environment": {"B": "scipy"}},
                    },
                },
                "unlisted_choice": {
                    "enabled": True,
                    "display_name": "Image name",
                    "validation_regex": r"^quay\.io/\w+:\d$",
                    "validation_message": "Of quay.io",
                    "kubespawner_override": {"image": "{value}", "environment": {"{value}": "x{value}"}},
                },
            },
            "pool": {
                "display_name": "Pool",
                "choices": {
                    "fast": {"display_name": "Fast", "kubespawner_override": {"node_selector": {"disk": "nvme"}}},
                    "any": {"display_name": "Any", "kubespawner_override": {"node_selector": {"disk": None}}},
                },
            },
        },
    },
    "a": {
        "display_name": "Café",
        "slug": "small",
        "profile_options": {
            "image": {"display_name": "Image", "choices": {"r": {"display_name": "R"}, "x": {"display_name": "X"}}}
        },
    },
}
COMPARED = ("image", "environment", "node_selector", "volumes")


@pytest.fixture
def theirs(monkeypatch):
    """Make the installed KubeSpawner, but for its connection to a cluster."""
    monkeypatch.setattr("kubespawner.spawner.load_config", lambda **_: None)
    monkeypatch.setattr("kubespawner.spawner.shared_client", lambda _: None)

    def make(options):
        config = Config()
        config.KubeSpawner = Config(copy.deepcopy(BASE))
        spawner = KubeSpawner(
            config=config,
            user=SimpleNamespace(name="ada", id=7, url="/user/x/"),
            hub=SimpleNamespace(public_host="", base_url="/hub/", api_url="http://hub:8081/hub/api"),
            orm_spawner=SimpleNamespace(name="", server=None),
            oauth_client_id="x",
            api_token="t",
            cookie_options={},
            _mock=True,
        )
        spawner.profile_list = copy.deepcopy(PROFILES)
        spawner.user_options = dict(options)
        return spawner

    return make


@pytest.fixture
def ours():
    section = BASE | {"profile_list": copy.deepcopy(PROFILES)}
    return make_settings({"plugins": {"lab": section}}).load("lab", LabSettingsSchema())


GPU = "it-s-a-gpu-a100-1000-cores"
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from([GPU, "small"]),
        "image": st.sampled_from(["r", "scipy", "x", "nothing"]),
        "image--unlisted-choice": st.sampled_from(["quay.io/own:2", "quay.io/own:2x", "docker.io/own:2"]),
        "pool": st.sampled_from(["fast", "any", "slow"]),
    },
)


@given(options=OPTIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_what_we_take_means_what_it_means_there(theirs, ours, options):
    try:
        check_options(lab_form(ours), options)
    except InvalidRequestError:
        return
    template, spawner = choose(make_spawn(options=options), ours), theirs(options)
    await spawner.load_user_options()
    assert {name: getattr(template, name) for name in COMPARED} == {name: getattr(spawner, name) for name in COMPARED}


@given(options=OPTIONS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_the_schema_takes_can_be_chosen(ours, options):
    if Draft202012Validator(form_schema(lab_form(ours))).is_valid(options):
        choose(make_spawn(options=options), ours)
    else:
        with pytest.raises(InvalidRequestError):
            check_options(lab_form(ours), options)


def fields_of(html):
    """Return what a form sends and offers: element control's name with its values, and which of them it begins with."""
    page = BeautifulSoup(html, "html.parser")
    radios = [
        (element["name"], element["value"], element.has_attr("checked")) for element in page.select("input[type=radio]")
    ]
    options = [
        (element.parent["name"], element["value"], element.has_attr("selected"))
        for element in page.select("select > option")
    ]
    texts = [element.get("name") or element["data-name"] for element in page.select("input:not([type=radio])")]
    return radios, options, texts


@pytest.mark.parametrize("options", [{}, {"profile": "small"}])
def test_the_forms_have_the_same_fields(theirs, ours, options):
    spawner = theirs(options)
    html = spawner._render_options_form(spawner._sorted_dict_values(spawner.profile_list))
    assert fields_of(form_page(lab_form(ours), options)) == fields_of(html)


@pytest.mark.parametrize(
    "submitted",
    [
        {"profile": ["small"], "profile-option-small--image": ["r"], f"profile-option-{GPU}--image": ["scipy"]},
        {"profile": [GPU], f"profile-option-{GPU}--image--unlisted-choice": ["quay.io/own:2"]},
        {"profile": [GPU], f"profile-option-{GPU}--image": ["r"], f"profile-option-{GPU}--pool": ["any"]},
        {},
    ],
)
def test_a_submitted_form_means_the_same(theirs, submitted):
    assert options_from_form(submitted) == theirs({})._options_from_form(submitted)
