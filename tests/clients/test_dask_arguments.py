"""What is written for other classes of clusters, as the options of a site and as numbers of workers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spawnpenny.clients.dask.address import service_of
from spawnpenny.clients.dask.arguments import translate
from spawnpenny.clients.dask.create_mode import CreateMode
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.gateway_client import short
from spawnpenny.clients.dask.sizes import Amount, WorkerSize, bound, bounded, whole_number
from spawnpenny.clients.dask.units import seconds

SITE = {"worker_cores": {}, "worker_memory": {"spec": {"type": "float"}}, "environment": {}}
GIB = 2**30
UNITS = {
    "worker_cores": {"spec": {"type": "int"}, "unit": "cores"},
    "worker_memory": {"spec": {"type": "int"}, "unit": "MiB"},
    "scheduler_cores": {"spec": {"type": "int"}, "unit": "millicores"},
    "scheduler_memory": {"spec": {"type": "float"}, "unit": "GB"},
    "idle_timeout": {"spec": {"type": "int"}, "unit": "minutes"},
    "ram": {"spec": {"type": "float"}, "unit": "GiB"},
    "image": {"spec": {"type": "string"}},
}


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ({"worker_cores": 2, "typo": 1}, {"worker_cores": 2, "typo": 1}),  # the service names what is wrong
        ({"worker_memory": "512 MiB", "other_memory": "2 GiB"}, {"worker_memory": 0.5, "other_memory": "2 GiB"}),
        ({"env": {"A": "b"}}, {"environment": {"A": "b"}}),
        ({"env": [{"name": "A", "value": "b"}]}, {"environment": {"A": "b"}}),
        ({"memory_limit": "4GiB", "threads_per_worker": 2}, {"worker_memory": 4.0, "worker_cores": 2}),
        ({"memory_limit": "auto", "nthreads": None}, {}),
        ({"resources": {"limits": {"cpu": "500m", "memory": "2Gi"}}}, {"worker_cores": 0.5, "worker_memory": 2.0}),
        (
            {"resources": {"requests": {"cpu": 1, "memory": "1G"}, "limits": {"memory": "2G"}}},
            {"worker_cores": 1.0, "worker_memory": 2e9 / GIB},
        ),
        ({"cluster_options": {"worker_cores": 3}, "namespace": None, "jupyter": False}, {"worker_cores": 3}),
    ],
)
def test_arguments_come_to_the_options_of_the_site(written, options):
    assert translate(written, SITE) == (options, [])


def test_what_the_site_decides_is_named_and_an_option_of_that_name_counts():
    written = {"namespace": "x", "scheduler_service_type": "LoadBalancer", "idle_timeout": 60, "processes": True}
    assert translate(written, SITE) == ({}, ["namespace", "scheduler_service_type", "idle_timeout", "processes"])
    assert translate({"idle_timeout": 60}, {**SITE, "idle_timeout": {}}) == ({"idle_timeout": 60}, [])
    assert translate({"threads_per_worker": 2}, {**SITE, "worker_threads": {}}) == ({"worker_threads": 2}, [])


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"env": ["A=b"]}, "variables by name"),
        ({"env": [{"name": "A", "valueFrom": {}}]}, "Only the site sets"),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, "nvidia.com/gpu"),
        ({"resources": {"limits": {"cpu": "many"}}}, "many"),
        ({"resources": "2 cores"}, "limits"),
        ({"resources": {"limits": {"cpu": "inf"}}}, "cpu is 'inf'"),
        ({"memory_limit": "lots"}, "lots"),
        ({"memory_limit": math.inf}, "memory_limit is inf"),
        ({"memory_limit": ["4 GiB"]}, "memory_limit is"),
        ({"threads_per_worker": "many"}, "threads_per_worker is 'many'"),
        ({"worker_memory": "lots"}, "lots"),
        ({"memory_limit": 4}, "memory_limit is 4, which is less than 1 MiB. .* such as '4 GiB'"),
        ({"memory_limit": 0.5}, "memory_limit is 0.5, which is less than 1 MiB"),
        ({"memory_limit": "512 kB"}, "which is less than 1 MiB"),
        ({"memory_limit": "-1 GiB"}, "less than 1 MiB"),
        ({"worker_memory": "4"}, "worker_memory is '4', which is less than 1 MiB"),
        ({"resources": {"limits": {"memory": 16}}}, "memory is 16, which is less than 1 MiB"),
        ({"resources": {"limits": {"cpu": 1e-6}}}, "cpu is 1e-06; it has to be 0.001 cores or more"),
        ({"threads_per_worker": 0}, "threads_per_worker is 0; it has to be 0.001"),
    ],
)
def test_a_value_that_cannot_be_translated_is_refused_with_what_would_be_right(written, words):
    with pytest.raises(ClusterError, match=words):
        translate(written, SITE)


def test_an_option_that_the_site_does_not_have_is_named_with_those_that_it_has():
    with pytest.raises(ClusterError, match=r"env is the option environment, which .* It offers: worker_cores"):
        translate({"env": {"A": "b"}}, {"worker_cores": {}})


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ({"worker_memory": "1.5 GiB"}, {"worker_memory": 1536}),
        ({"worker_memory": 700}, {"worker_memory": 700}),
        ({"memory_limit": 2**30}, {"worker_memory": 1024}),
        ({"resources": {"limits": {"cpu": 2, "memory": "2Gi"}}}, {"worker_cores": 2, "worker_memory": 2048}),
        ({"scheduler_memory": "2GB", "worker_cores": "2"}, {"scheduler_memory": 2.0, "worker_cores": 2}),
        ({"idle_timeout": "1 hour"}, {"idle_timeout": 60}),
        ({"scheduler_cores": "500m"}, {"scheduler_cores": 500}),
        ({"ram": "4 kiB"}, {"ram": 4096 / GIB}),  # a plugin's own option, of something that is no memory of a pod
        ({"ram": "3 GiB", "image": "1st/image"}, {"ram": 3.0, "image": "1st/image"}),
        ({"threads_per_worker": 3}, {"worker_cores": 3}),
    ],
)
def test_amounts_are_translated_into_the_unit_and_type_of_the_sites_option(written, options):
    found, unused = translate(written, UNITS)
    assert (found, unused) == (options, [])
    assert [type(value) for value in found.values()] == [type(value) for value in options.values()]


@pytest.mark.parametrize(
    ("written", "words"),
    [({"idle_timeout": "1 day of"}, "5 minutes"), ({"worker_memory": "1 hour"}, "4 GiB"), ({"ram": "3 apples"}, "GiB")],
)
def test_an_amount_of_something_else_is_refused(written, words):
    with pytest.raises(ClusterError, match=words):
        translate(written, UNITS)


def test_variables_of_several_arguments_are_joined_and_what_is_written_out_counts_more():
    written = {"worker_cores": 2, "env": {"A": "1", "B": "1"}, "environment": {"B": "2"}}
    written["cluster_options"] = {"worker_cores": 3, "environment": {"C": "3", "A": "0"}}
    options = {"worker_cores": 2, "environment": {"A": "1", "B": "2", "C": "3"}}
    assert translate(written, SITE) == (options, [])


def test_workers_are_counted_by_what_they_have_together():
    running = WorkerSize.running([{"nthreads": 4, "memory_limit": 8 * GIB}], grouped=False)
    assert Amount(cores=9).workers(running) == [3]
    assert Amount(cores=9, memory="17 GiB").workers(running) == [3, 3]
    assert Amount(cores=np.float64(9)).workers(running, at_most=True) == [2]
    chosen = WorkerSize(2, 4 * GIB)
    assert Amount(memory=9 * GIB).workers(chosen) == [3]
    assert Amount(cores=1).workers(chosen) == [1]
    with pytest.raises(ClusterError, match=r"size of a worker \(memory\)"):
        Amount(memory="1 GB").workers(WorkerSize(cores=1))


@pytest.mark.parametrize(
    ("amount", "kind", "words"),
    [
        ({"memory": "highmem"}, ValueError, "worker_group="),
        ({"memory": "-1 GiB"}, ValueError, "memory is '-1 GiB'"),
        ({"memory": math.inf}, ValueError, "memory is inf"),
        ({"cores": "2"}, TypeError, "cores is '2'"),
        ({"cores": -2}, ValueError, "cores is -2"),
        ({"cores": math.nan}, ValueError, "cores is nan"),
        ({"cores": [2]}, TypeError, "cores is"),
        ({"memory": 1}, ValueError, "memory is 1, which is less than 1 MiB. .* such as '4 GiB'"),
        ({"memory": "64"}, ValueError, "memory is '64', which is less than 1 MiB"),
        ({"memory": 1e-9}, ValueError, "less than 1 MiB"),
        ({"cores": 1e-6}, ValueError, "cores is 1e-06; it has to be 0, or 0.001 or more"),
    ],
)
def test_what_is_no_amount_is_refused_before_a_worker_is_lost_by_it(amount, kind, words):
    with pytest.raises(kind, match=words):
        Amount(**amount).workers(WorkerSize(2, GIB))
    assert bounded(math.inf) is None
    assert Amount(cores=0, memory=0).workers(WorkerSize(2, GIB)) == [0, 0]


def test_a_worker_of_another_group_says_nothing_about_those_of_the_default_one():
    spot, usual = {"nthreads": 16, "resources": {"spot": 16}}, {"nthreads": 2, "resources": {"default": 2, "GPU": 1}}
    assert WorkerSize.running([spot, usual], grouped=True).cores == 2
    assert WorkerSize.running([spot], grouped=True) is None
    assert WorkerSize.running([spot], grouped=False).cores == 16


def test_the_size_of_workers_to_come_is_that_of_the_options_in_their_units():
    fields = [{"field": name, "default": 512, **field} for name, field in UNITS.items() if name != "ram"]
    assert WorkerSize.chosen(fields, {"worker_cores": 2, "worker_memory": 1024}) == WorkerSize(2, GIB)
    assert WorkerSize.chosen(fields, {"worker_cores": 2}) == WorkerSize(2, GIB / 2)
    text = {"field": "worker_memory", "default": "512 MiB", "spec": {"type": "float"}}
    assert WorkerSize.chosen([text], {}).memory == GIB / 2
    usual, size = WorkerSize(3, GIB), {"field": "size", "default": "small", "spec": {"type": "select"}}
    assert WorkerSize.chosen([], {}, usual) == usual
    assert WorkerSize.chosen([size], {"size": "large"}, usual) == WorkerSize()


def test_a_timeout_is_a_time():
    assert [seconds(given) for given in (None, 5, "2 minutes")] == [None, 5, 120]
    for wrong in ("soon", [], "5 bananas"):
        with pytest.raises(ValueError, match="timeout is"):
            seconds(wrong)


def test_numbers_of_workers_are_whole_whatever_their_type():
    assert [whole_number(number, "n") for number in (3, 3.0, np.int64(3))] == [3, 3, 3]
    assert bound(math.inf, "maximum") is None
    for wrong, kind in ((2.5, TypeError), ("2", TypeError), (-1, ValueError)):
        with pytest.raises(kind, match="n is"):
            whole_number(wrong, "n")


def test_modes_are_those_of_other_libraries():
    class Foreign:
        value = "CONNECT_ONLY"

    assert CreateMode.of(Foreign()) is CreateMode.CONNECT_ONLY
    assert CreateMode.of("create_only") is CreateMode.CREATE_ONLY
    with pytest.raises(ValueError, match="CREATE_OR_CONNECT"):
        CreateMode.of("maybe")


def test_names_and_addresses_are_as_their_user_has_them():
    assert [short(name) for name in ("mine-0a1b2c3d", "c0a1b2c3d", "my-own-0a1b2c3d")] == [
        "mine",
        "c0a1b2c3d",
        "my-own",
    ]
    assert service_of("https://penny.example.org/gateway/") == "https://penny.example.org"
    assert service_of(None) is None
