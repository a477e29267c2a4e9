"""What is wrong in a configuration is left out alone: all beside it is carried as if it had never been there."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spawnpenny.admin.migration.carry import carry
from spawnpenny.admin.migration.site import Configured
from spawnpenny.admin.migration.trial import try_settings
from spawnpenny.errors import PluginError

MOUNT = {"name": "data", "mountPath": "/data"}
SOUND = {
    "image": "quay.io/ours/lab:1",
    "cpu_limit": 4,
    "storage_pvc_ensure": True,
    "storage_extra_labels": {"team": "physics"},
    "environment": {"TEAM": "physics", "OF": "{username}"},
    "extra_labels": {"example.org/team": "physics"},
    "extra_annotations": {"example.org/of": "{unescaped_username}"},
    "lifecycle_hooks": {"postStart": {"exec": {"command": ["true"]}}},
    "volumes": [
        {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}},
        {"name": "data", "emptyDir": {}},
    ],
    "volume_mounts": [{"name": "home", "mountPath": "/home/jovyan"}, MOUNT],
    "init_containers": [{"name": "first", "image": "busybox", "volumeMounts": [MOUNT]}],
    "extra_containers": [{"name": "beside", "image": "busybox"}],
    "extra_pod_config": {
        "enableServiceLinks": False,
        "hostAliases": [{"ip": "127.0.0.1", "hostnames": ["a"]}],
        "dnsConfig": {"options": [{"name": "ndots"}]},
    },
    "extra_container_config": {"env": [{"name": "A", "value": "1"}]},
    "extra_resource_limits": {"example.org/gpu": "1"},
    "node_selector": {"pool": "labs"},
    "tolerations": [{"key": "labs", "operator": "Exists"}],
    "node_affinity_required": [{"matchExpressions": [{"key": "pool", "operator": "Exists"}]}],
    "image_pull_secrets": ["registry"],
    "supplemental_gids": [7],
    "profile_list": [
        {
            "display_name": "Normal",
            "kubespawner_override": {"environment": {"SIZE": "small"}, "volume_mounts": [MOUNT]},
            "profile_options": {
                "image": {
                    "display_name": "Image",
                    "choices": {"r": {"display_name": "R", "kubespawner_override": {"image": "quay.io/ours/r:1"}}},
                    "unlisted_choice": {"enabled": True, "kubespawner_override": {"image": "{value}"}},
                }
            },
        },
        {"display_name": "Large", "kubespawner_override": {"cpu_limit": 2, "node_selector": {"pool": "large"}}},
    ],
}
OPTION = ("profile_list", 0, "profile_options", "image")
OVERRIDE = ("profile_list", 0, "kubespawner_override")


def function(spawner):
    return spawner


BAD = [
    (("environment", "BAD"), '{"foo": "bar"}'),
    (("environment", "BAD"), "{nothing}"),
    (("environment", "BAD"), "${HOME}/x"),
    (("environment", "BAD"), ["a"]),
    (("environment", "BAD"), {"value": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
    (("environment", "BAD"), {"valuefrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
    (("extra_labels", "bad"), "{userid}"),
    (("extra_labels", "bad"), 7),
    (("extra_labels", "bad"), "no label"),
    (("extra_labels", "spawnpenny.io/user"), "mine"),
    (("extra_annotations", "bad"), '{"a": 1}'),
    (("extra_annotations", "bad"), function),
    (("storage_extra_labels", "bad"), "{nothing}"),
    (("node_selector", "gpu"), True),
    (("node_selector", "gpu"), function),
    (("lifecycle_hooks", "preStart"), {"exec": {"command": ["true"]}}),
    (("extra_resource_limits", "bad"), "a lot"),
    (("extra_pod_config", "dnsConfg"), {}),
    (("extra_pod_config", "hostAliases", []), {"ip": "127.0.0.1", "hostnames": ["{nothing}"]}),
    (("extra_container_config", "lifecycel"), {}),
    (("volumes", []), {"emptyDir": {}}),
    (("volumes", []), {"name": "x", "nsf": {"server": "a", "path": "/"}}),
    (("volumes", []), {"name": "x", "hostPath": {"path": function}}),
    (("volume_mounts", []), {"name": "nothing", "mountPath": "/x"}),
    (("volume_mounts", []), {"name": "data"}),
    (("init_containers", []), {"name": "x"}),
    (("init_containers", []), {"name": "x", "image": "y", "volumMounts": []}),
    (("init_containers", []), {"name": "x", "image": "y", "command": ["sh", "-c", "awk '{print $1}' /etc/passwd"]}),
    (("init_containers", []), {"name": "x", "image": "y", "command": ["sh", function]}),
    (("init_containers", []), {"name": "x", "image": "y", "volumeMounts": [{"name": "no", "mountPath": "/x"}]}),
    (("extra_containers", []), "gitpuller"),
    (("tolerations", []), {"kee": "labs"}),
    (("node_affinity_required", []), {"matchExpression": []}),
    (("image_pull_secrets", []), {"nam": "x"}),
    (("supplemental_gids", []), "staff"),
    (("profile_list", []), {"display_name": "GPU", "allowed_groups": ["vision"]}),
    (("profile_list", []), {"display_name": "GPU", "allowed_users": function}),
    (("profile_list", []), {"description": "nameless"}),
    (("profile_list", []), {"display_name": "Normal", "description": "of a name that there is"}),
    (("profile_list", 1, "icon"), "gpu.svg"),
    ((*OVERRIDE, "nodeSelector"), {"pool": "gpu"}),
    ((*OVERRIDE, "storage_capacity"), "20Gi"),
    ((*OVERRIDE, "gid"), function),
    (("profile_list", 1, "kubespawner_override", "image"), {"name": "quay.io/ours/lab", "tag": "1"}),
    ((*OVERRIDE, "mem_limit"), "much"),
    ((*OVERRIDE, "environment", "BAD"), "{nothing}"),
    ((*OVERRIDE, "environment", "BAD"), ["a"]),
    ((*OVERRIDE, "volume_mounts", []), {"name": "nothing", "mountPath": "/x"}),
    ((*OPTION, "choices", "bad"), {"kubespawner_override": {"image": "quay.io/ours/other:1"}}),
    ((*OPTION, "choices", "bad"), {"display_name": "Bad", "allowed_groups": ["vision"]}),
    ((*OPTION, "choices", "r", "kubespawner_override", "mem_guarantee"), "much"),
    (("profile_list", 0, "profile_options", "bad"), {"display_name": "Nothing to choose"}),
]


def with_leaves(leaves, *, last):
    """Return the sound configuration with leaves in it; [] in a path is an entry more, the last or the first."""
    config = copy.deepcopy(SOUND)
    for path, value in leaves:
        place = config
        for key in path[:-1]:
            place = place[key]
        if path[-1] == []:
            place.insert(len(place) if last or path[0] == "volume_mounts" else 0, value)
        else:
            place[path[-1]] = value
    return config


def carried(config, *, backwards=False):
    traits = copy.deepcopy(config)
    if backwards:  # what a key needs comes after it
        traits = dict(reversed(traits.items()))
    found = carry(Configured(traits=traits), "jupyterhub")
    try_settings(found)
    return found


@pytest.fixture(scope="module")
def sound():
    found = carried(SOUND)
    assert found.lost == []
    return found


@pytest.mark.parametrize(("path", "value"), BAD)
def test_a_bad_leaf_is_lost_alone_and_is_reported_once(sound, path, value):
    found = carried(with_leaves([(path, value)], last=True))
    assert found.settings == sound.settings
    (lost,) = found.lost
    named = [str(key) for key in path if isinstance(key, str)]
    assert any(key in lost for key in named[-1:] + named[:1])


def apart(leaves):
    """Whether no two leaves are in one place, nor one in another: each is one remark then."""
    paths = [tuple(map(str, path)) for path, _ in leaves]
    return len(set(paths)) == len(paths)


@settings(max_examples=10, deadline=None)
@given(leaves=st.lists(st.sampled_from(BAD), min_size=2, max_size=4).filter(apart), backwards=st.booleans())
def test_so_are_several(sound, leaves, backwards):
    found = carried(with_leaves(leaves, last=True), backwards=backwards)
    assert found.settings == sound.settings
    assert len(found.lost) == len(leaves)


def test_a_secret_in_a_leaf_is_not_repeated():
    found = carried(
        with_leaves([(("environment", "BAD"), "hunter{2}secret"), (("environment", "B"), ["hunter2"])], last=True)
    )
    assert not any("hunter" in sentence or "secret" in sentence for sentence in found.lost)


def test_a_wrong_limit_falls_back_to_what_there_is_without_it():
    without = carried({key: value for key, value in SOUND.items() if key != "cpu_limit"})
    found = carried({**SOUND, "cpu_limit": "two"})
    assert found.settings == without.settings
    assert [sentence.partition(":")[0] for sentence in found.lost] == ["cpu_limit"]


def test_settings_that_were_wrong_before_are_not_blamed_on_what_is_carried():
    found = carry(Configured(traits=copy.deepcopy(SOUND)), "jupyterhub")
    with pytest.raises(PluginError, match="quta"):
        try_settings(found, {"plugins": {"quta": {}}})
