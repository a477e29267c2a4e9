"""What is written for other classes of clusters, as the options of a site and as numbers of workers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spawnpenny.clients.dask.arguments import translate
from spawnpenny.clients.dask.create_mode import CreateMode
from spawnpenny.clients.dask.errors import ClusterError
from spawnpenny.clients.dask.gateway import short
from spawnpenny.clients.dask.place import service_of
from spawnpenny.clients.dask.sizes import Amount, WorkerSize, bound, whole_number

SITE = {"worker_cores": {}, "worker_memory": {"spec": {"type": "float"}}, "environment": {}}
GIB = 2**30


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
        ({"env": [{"name": "A", "valueFrom": {}}]}, "set by the site"),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, "nvidia.com/gpu"),
        ({"resources": {"limits": {"cpu": "many"}}}, "many"),
        ({"resources": "2 cores"}, "limits"),
        ({"memory_limit": "lots"}, "lots"),
        ({"worker_memory": "lots"}, "lots"),
    ],
)
def test_a_value_that_cannot_be_translated_is_refused_with_what_would_be_right(written, words):
    with pytest.raises(ClusterError, match=words):
        translate(written, SITE)


def test_an_option_that_the_site_does_not_have_is_named_with_those_that_it_has():
    with pytest.raises(ClusterError, match=r"env is the option environment, which .* It has: worker_cores"):
        translate({"env": {"A": "b"}}, {"worker_cores": {}})


def test_workers_are_counted_by_what_they_have_together():
    running = WorkerSize.of({"tls://1": {"nthreads": 4, "memory_limit": 8 * GIB}}, {"worker_cores": 1})
    assert Amount(cores=9).workers(running) == [3]
    assert Amount(cores=9, memory="17 GiB").workers(running) == [3, 3]
    assert Amount(cores=9).workers(running, at_most=True) == [2]
    chosen = WorkerSize.of({}, {"worker_cores": 2.0, "worker_memory": 4})
    assert Amount(memory=9 * GIB).workers(chosen) == [3]
    assert Amount(cores=1).workers(chosen) == [1]
    assert WorkerSize.of({}, {"worker_memory": "512 MiB"}).memory == GIB / 2
    with pytest.raises(ClusterError, match="memory a worker has"):
        Amount(memory="1 GB").workers(WorkerSize(cores=1))
    with pytest.raises(ValueError, match="worker_group="):
        Amount(memory="highmem").workers(running)


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
