"""Amounts that nobody can mean, such as a memory of one byte, are refused with what would be right."""

from __future__ import annotations

import pytest
from spawnpenny_dask.settings import DaskSettingsSchema
from spawnpenny_lab.settings import LabSettingsSchema
from spawnpenny_quota import QuotaSettings

from spawnpenny.api import schema_of
from spawnpenny.domain.cluster_options import check_cluster_options
from spawnpenny.errors import InvalidOptionError, SettingsError
from spawnpenny.settings.load import make_settings

SCHEMAS = {"dask": DaskSettingsSchema, "lab": LabSettingsSchema, "quota": schema_of(QuotaSettings)}


def load(plugin, section):
    return make_settings({"plugins": {plugin: section}}).load(plugin, SCHEMAS[plugin]())


def choices(**brings):
    return {"options": {"size": {"type": "select", "choices": {"small": brings}}}}


@pytest.mark.parametrize(
    ("plugin", "section", "place", "words"),
    [
        ("dask", {"worker": {"memory": 1}}, "worker.memory", "1 is 1 byte, less than any program needs. Write it with"),
        ("dask", {"worker": {"memory": "512m"}}, "worker.memory", "512m is 0.512 bytes"),
        ("dask", {"scheduler": {"memory": 2048}}, "scheduler.memory", "2048 is 2048 bytes"),
        ("dask", {"worker_groups": {"big": {"memory": 16}}}, "worker_groups.big", "16 is 16 bytes"),
        ("dask", {"worker": {"cores": 0.0000001}}, "worker.cores", "is less than 0.001 cores"),
        ("dask", {"worker_groups": {"big": {"cores": "1n"}}}, "worker_groups.big", "1n is less than 0.001 cores"),
        ("dask", choices(worker_memory="2000"), "worker_memory", "2000 is less than 1 MiB"),
        ("dask", choices(worker_memory=1e-9), "worker_memory", "less than 1 MiB. A number is in GiB"),
        ("dask", choices(scheduler_cores="1u"), "scheduler_cores", "less than 0.001 cores"),
        (
            "dask",
            {"options": {"worker_memory": {"type": "int", "unit": "B", "min": 1, "default": 2**30}}},
            "min",
            "1 B is too little to be meant: write 1048576 or more",
        ),
        (
            "dask",
            {"options": {"worker_cores": {"type": "float", "min": 1e-7, "default": 1}}},
            "min",
            "write 0.001 or more",
        ),
        ("lab", {"sizes": {"small": {"cpu": 1, "memory": 2}}}, "sizes.small.memory", "2 is 2 bytes"),
        ("lab", {"sizes": {"small": {"cpu": "1n", "memory": "2Gi"}}}, "sizes.small.cpu", "less than 0.001 cores"),
        ("lab", {"mem_limit": "1K"}, "mem_limit", "1024 bytes"),
        ("lab", {"mem_guarantee": 4}, "mem_guarantee", "4 is 4 bytes"),
        ("quota", {"memory": 16}, "quota.memory", "16 is 16 bytes"),
        ("quota", {"container": {"memory": 1}}, "container.memory", "1 is 1 byte"),
        ("quota", {"cpu": 1e-6}, "quota.cpu", "less than 0.001 cores"),
    ],
)
def test_what_nobody_can_mean_is_refused(plugin, section, place, words):
    with pytest.raises(SettingsError) as refused:
        load(plugin, section)
    assert place in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("plugin", "section"),
    [
        ("dask", {"worker": {"memory": "1Mi", "cores": "1m"}, "options": {}}),
        ("dask", {"worker": {"memory": 2**30}}),
        ("dask", choices(worker_memory=0.5, worker_cores="250m")),
        ("dask", {"options": {"worker_memory": {"type": "int", "unit": "MiB", "min": 1, "default": 512}}}),
        ("lab", {"sizes": {"small": {"cpu": 0.1, "memory": "64Mi"}}}),
        ("lab", {"mem_limit": "512M", "mem_guarantee": 0}),
        ("quota", {"memory": 0, "cpu": None}),
    ],
)
def test_what_is_little_and_meant_is_taken(plugin, section):
    assert load(plugin, section)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ({}, {"worker_memory": 1e-9}),
        ({}, {"worker_cores": 1e-4}),
        ({"options": {"ram": {"type": "int", "sets": "worker_memory", "unit": "B"}}}, {"ram": 4}),
        ({"options": {"ram": {"type": "float", "sets": "scheduler_memory", "unit": "MiB"}}}, {"ram": 0.5}),
        ({"options": {"cpu": {"type": "int", "sets": "scheduler_cores", "unit": "millicores"}}}, {"cpu": 0}),
    ],
)
def test_a_user_can_choose_no_less(offered, chosen):
    (name,) = chosen
    with pytest.raises(InvalidOptionError, match=f"'{name}' has to be a .*number from "):
        check_cluster_options(load("dask", offered).offered(), chosen)
