"""What users may choose, and what their choices bring."""

from __future__ import annotations

from decimal import Decimal

import pytest
from spawnpenny_dask.design import choose
from spawnpenny_dask.options import MOST
from spawnpenny_dask.settings import DaskSettingsSchema

from spawnpenny.api import Caller, InvalidOptionError, SettingsError, UnknownOptionError
from spawnpenny.testing.plugins import check_cluster_options, make_settings

GIB = 2**30
LAB = Caller("~default", "mark", "quay.io/lab:7")
SITE = {
    "worker": {"cores": 2},
    "options": {
        "size": {
            "type": "select",
            "choices": {
                "small": {"worker_cores": 1, "worker_memory": 2},
                "large": {"worker_cores": 4, "worker_memory": "12Gi", "environment": {"BIG": "1"}},
            },
        },
        "gpu": {
            "type": "bool",
            "overrides": {"worker_extra_container_config": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}},
        },
        "idle_minutes": {"type": "int", "sets": "idle_timeout", "default": 600, "min": 60, "max": 3600},
        "environment": {"type": "mapping"},
    },
}


def settings_of(section):
    return make_settings({"plugins": {"dask": section}}).load("dask", DaskSettingsSchema())


def design_of(section, caller=LAB, **given):
    settings = settings_of(section)
    return choose(check_cluster_options(settings.offered(), given), settings, caller)


def test_by_default_a_cluster_is_of_the_settings_and_the_image_of_the_lab():
    design = design_of({})
    assert (design.image, design.worker.cores, design.worker.memory) == ("quay.io/lab:7", 1, 2 * GIB)
    assert design_of({"image": "quay.io/dask:1"}).image == "quay.io/dask:1"
    assert design_of({}, caller=None).image == "spawnpenny/lab"


FREE = {name: {"type": kind} for name, kind in [("image", "string"), ("environment", "mapping")]}
FREE |= {"worker_cores": {"type": "float"}, "worker_memory": {"type": "float"}}


def test_no_image_is_free_unless_the_site_says_so():
    with pytest.raises(UnknownOptionError, match="image"):
        design_of({}, image="evil.example/root")
    assert design_of({"options": FREE}, image="quay.io/mine:1").image == "quay.io/mine:1"
    assert design_of({}, environment={"A": "b"}).environment["A"] == "b"


def test_images_are_offered_by_name():
    options = {"image": {"type": "select", "choices": {"this lab's": {}, "2026.9": {"image": "quay.io/dask:2026.9"}}}}
    assert design_of({"options": options}).image == "quay.io/lab:7"
    assert design_of({"options": options}, image="2026.9").image == "quay.io/dask:2026.9"
    with pytest.raises(InvalidOptionError, match="image"):
        design_of({"options": options}, image="evil.example/root")


@pytest.mark.parametrize(
    ("option", "sets", "given", "found"),
    [
        ({"type": "float", "unit": "GiB"}, "worker_memory", 1.5, 1.5 * GIB),
        ({"type": "float", "unit": "GB"}, "worker_memory", 4, 4 * 10**9),
        ({"type": "int", "unit": "MiB"}, "scheduler_memory", 768, 768 * 2**20),
        ({"type": "int", "unit": "B"}, "worker_memory", 3 * 10**9, 3 * 10**9),
        ({"type": "float"}, "worker_memory", 1.5, 1.5 * GIB),
        ({"type": "int", "unit": "millicores"}, "worker_cores", 250, Decimal("0.25")),
        ({"type": "float", "unit": "minutes"}, "idle_timeout", 1.5, 90),
        ({"type": "float", "unit": "hours", "max": 12}, "idle_timeout", 12, 12 * 3600),
    ],
)
def test_a_number_is_in_the_unit_that_the_site_says(option, sets, given, found):
    section = {"options": {"amount": {**option, "sets": sets}}}
    (offered,) = settings_of(section).offered()
    unit = option.get("unit")
    assert offered.label == ("Amount" if unit is None else f"Amount ({unit})")
    design = design_of(section, amount=given)
    role, _, field = sets.partition("_")
    assert (design.idle_timeout if sets == "idle_timeout" else getattr(getattr(design, role), field)) == found
    plain, usual = design_of({}), design_of(section)
    assert (usual.idle_timeout, usual.worker, usual.scheduler) == (plain.idle_timeout, plain.worker, plain.scheduler)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"type": "float", "sets": "worker_memory", "unit": "minutes"}, "no unit 'minutes'. Its units are B, MB"),
        ({"type": "int", "sets": "worker_threads", "unit": "cores"}, "It has none"),
        ({"type": "string", "sets": "image", "unit": "GiB"}, "It has none"),
        ({"type": "float", "sets": "worker_memory", "unit": "MiB", "default": 0}, "default"),
    ],
)
def test_a_unit_that_there_is_not_is_refused(option, message):
    with pytest.raises(SettingsError, match=message):
        settings_of({"options": {"amount": option}})


def test_an_option_sets_what_it_names():
    design = design_of(
        {"options": FREE}, worker_cores=1.5, worker_memory=0.5, image="quay.io/mine:1", environment={"A": "b"}
    )
    assert (design.worker.cores, design.worker.memory, design.worker.nthreads) == (Decimal("1.5"), GIB // 2, 1)
    assert (design.image, design.environment) == ("quay.io/mine:1", {"A": "b"})


@pytest.mark.parametrize(
    ("section", "chosen", "threads"),
    [
        ({}, {"worker_threads": 1}, {"default": 1, "big": 8, "own": 3}),  # what a cluster has where nothing is chosen
        ({}, {"worker_threads": 2}, {"default": 2, "big": 2, "own": 3}),
        ({"worker": {"threads": 4}}, {"worker_threads": 4}, {"default": 4, "big": 4, "own": 3}),
    ],
)
def test_a_group_goes_by_its_own_cores_where_no_threads_were_chosen(section, chosen, threads):
    groups = {"big": {"cores": 8}, "own": {"cores": 8, "threads": 3}}
    options = {"worker_threads": {"type": "int"}}
    design = design_of({**section, "worker_groups": groups, "options": options}, **chosen)
    assert {group: design.of(group).worker.nthreads for group in threads} == threads
    assert {group: design.of(group).worker.resources[group] for group in threads} == threads


@pytest.mark.parametrize("option", sorted(MOST))
@pytest.mark.parametrize("number", [1e308, 10**400, -1e308, 2**63])
def test_no_number_is_more_than_a_machine_has(option, number):
    section = {"options": {option: {"type": "int" if isinstance(number, int) else "float"}}}
    if option == "worker_threads":
        section["options"][option]["type"] = "int"
    with pytest.raises(InvalidOptionError, match=f"'{option}' has to be a"):
        design_of(section, **{option: number})


@pytest.mark.parametrize("image", ["\0", "a\0b", "a\nb", "a\x7f", "a\u202e", "é", "-x", "a b", "x" * 1001, "\ud800"])
def test_what_is_no_image_is_refused(image):
    with pytest.raises(InvalidOptionError, match="image"):
        design_of({"options": FREE}, image=image)


def test_a_choice_brings_several_things():
    design = design_of(SITE, size="large", gpu=True, environment={"A": "b"})
    assert (design.worker.cores, design.worker.memory, design.idle_timeout) == (4, 12 * GIB, 600)
    assert design.worker.extra_container_config == {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    assert design.environment == {"BIG": "1", "A": "b"}
    assert design_of(SITE).worker.cores == 1


def test_each_default_is_one_of_its_option_as_the_client_of_dask_gateway_wants_it():
    for section in ({}, SITE):
        for option in settings_of(section).offered():
            assert option.check(option.default) == option.default
            assert option.name.isidentifier()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"environment": {"A B": "c"}}, "'A B' is no name of a variable."),
        ({"environment": {"A": 1}}, "The variable 'A' has to be a text."),
        ({"environment": {"A": "x" * 40_000}}, "The environment has more than 32768 bytes, which is the most allowed."),
        ({"image": "a b"}, "The image has to be the name of an image."),
        ({"worker_cores": 0}, "The option 'worker_cores' has to be a number from 0.1 to 10000."),
        ({"worker_memory": 10**400}, "The option 'worker_memory' has to be a number from 0.1 to 1000000."),
    ],
)
def test_what_cannot_be_chosen_is_reported_without_its_value(given, message):
    with pytest.raises(InvalidOptionError) as refused:
        design_of({"options": FREE}, **given)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ({"workers": {}}, "workers"),
        ({"worker": {"cores": 0}}, "worker.cores"),
        ({"worker": {"memory": "2Q"}}, "worker.memory"),
        ({"worker": {"extra_labels": {"spawnpenny.io/part": "x"}}}, "worker.extra_labels"),
        ({"worker": {"extra_pod_config": {"volumes": [{"name": "{usernam}"}]}}}, "worker.extra_pod_config"),
        ({"image_pull_policy": "always"}, "image_pull_policy"),
        ({"environment": {"A B": "c"}}, "environment"),
        ({"idle_timeout": -1}, "idle_timeout"),
        ({"options": {"worker cores": {"type": "float", "sets": "worker_cores"}}}, "options.worker cores"),
        ({"options": {"cores": {"type": "float"}}}, "options.cores.sets"),
        ({"options": {"worker_cores": {"type": "string"}}}, "options.worker_cores.type"),
        ({"options": {"worker_cores": {"type": "number"}}}, "options.worker_cores.type"),
        ({"options": {"worker_cores": {"type": "int", "min": 2, "max": 1}}}, "options.worker_cores.min"),
        ({"options": {"worker_cores": {"type": "int", "min": 0}}}, "options.worker_cores.min"),
        ({"options": {"worker_cores": {"type": "int", "max": 4, "default": 5}}}, "options.worker_cores.default"),
        ({"worker": {"cores": 8}, "options": {"worker_cores": {"type": "int", "max": 4}}}, "options.worker_cores"),
        ({"options": {"size": {"type": "select"}}}, "options.size.choices"),
        ({"options": {"size": {"type": "select", "choices": {"s": {"cores": 1}}}}}, "options.size.choices.s.cores"),
        ({"options": {"gpu": {"type": "bool"}}}, "options.gpu.overrides"),
        ({"options": {"image": {"type": "string", "min": 1}}}, "options.image.min"),
    ],
)
def test_settings_that_make_no_cluster_are_refused(section, place):
    with pytest.raises(SettingsError) as refused:
        settings_of(section)
    assert f"plugins.dask.{place}: " in str(refused.value)


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ({"worker_cores": 8, "worker_memory": 64}, (8, 64 * GIB)),
        ({"worker_memory": "12Gi"}, (2, 12 * GIB)),
        ({}, (2, 2 * GIB)),
    ],
)
def test_a_plugin_sets_parts_for_a_user_over_what_was_chosen(override, found):
    design = choose({"worker_cores": 2.0}, settings_of({}), LAB, [("site", override)])
    assert (design.worker.cores, design.worker.memory) == found


@pytest.mark.parametrize("override", [{"worker_color": 1}, {"worker_cores": 0}, {"environment": {"A": 1}}])
def test_what_a_plugin_cannot_set_is_said_with_its_name(override):
    with pytest.raises(SettingsError, match="spawnpenny_cluster_overrides of the plugin 'site' has invalid overrides"):
        choose({}, settings_of({}), LAB, [("site", override)])
