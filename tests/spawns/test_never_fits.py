"""What nobody could ever start is found before anybody tries."""

from __future__ import annotations

import pytest

from spawnpenny.domain.pod_resources import resources_fault
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.spawns.never_fits import never_fits

GPU = "nvidia.com/gpu"


def found(**plugins):
    everything = {"namespace": {}, "quota": {}, "user": {}, "lab": {}, "dask": {}, **plugins}
    settings = make_settings({"plugins": everything})
    return list(never_fits(settings, load_plugins(settings)))


@pytest.mark.parametrize(
    ("plugins", "sentences"),
    [
        ({}, []),
        (
            {"dask": {"worker": {"memory": "40Gi"}}},
            ["a Dask cluster with one worker: it asks for 41Gi memory of at most 16Gi"],
        ),
        ({"dask": {"scheduler": {"cores": 8}}}, ["a Dask cluster with one worker: it asks for 9 cpu of at most 8"]),
        ({"lab": {"cpu_limit": 9}}, ["a lab with the default choices: it asks for 9 cpu of at most 8"]),
        ({"quota": {"cpu": None, "memory": None}, "dask": {"worker": {"memory": "1Ti"}}}, []),
    ],
)
def test_defaults_over_the_quota_are_said_with_the_numbers(plugins, sentences):
    assert found(**plugins) == [f"Nobody can start {sentence}." for sentence in sentences]


@pytest.mark.parametrize(
    ("resources", "fault"),
    [
        ({"limits": {GPU: "0.5"}}, "resources.limits.nvidia.com/gpu: 0.5, and Kubernetes gives only whole ones"),
        ({"limits": {GPU: "500m"}}, "gives only whole ones"),
        ({"limits": {GPU: 1}, "requests": {GPU: "1.5"}}, "resources.requests.nvidia.com/gpu: 1.5"),
        ({"limits": {GPU: "1"}}, None),
        ({"limits": {GPU: "1k"}}, None),
        ({"limits": {"cpu": "0.5"}, "requests": {"cpu": "250m"}}, None),
    ],
)
def test_half_a_device_is_refused(resources, fault):
    reported = resources_fault({"resources": resources})
    assert reported is None if fault is None else fault in reported
