"""Configurations as sites publish them: what migrate makes of them is settings that a service starts with."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from spawnpenny.admin.migration.quota import suggested_quota
from spawnpenny.admin.migration.samples import Samples
from spawnpenny.settings.load import load_settings
from spawnpenny.spawns.container_limits import verify_steps

SITES = Path(__file__).parent / "sites"
NAMES = sorted(path.stem for path in SITES.glob("*.yaml"))
LOST = {
    "campus": ["singleuser.extraFiles", "custom", "hub.extraConfig.01", "hub.extraConfig.02"],
    "federation": [
        "extraConfig.limits",
        "cores.request",
        "memory.request",
        "OPTIONS__IMAGE",
        "LINK",
    ],
    "fleet": [
        *("singleuser.extraFiles", "custom", "singleuser.cmd", "hub.extraConfig.05-profile-groups", "scipy, slug"),
        *("profileList[0] (profile 'python').profile_options.image.choices.r: allowed_groups limits",),
        "profileList[1] (profile 'gpu'): allowed_groups limits",
    ],
    "fleet-dask": [
        *("custom", "egressAllowRules.cloudMetadataServer", "extraConfig.optionHandler"),
        *("scheduler.cores.request", "scheduler.memory.request"),
    ],
    "guide": ["hub.extraConfig.options_form"],
}


def lost(printed):
    section = printed.partition("Not carried over:")[2].partition("Notes:")[0]
    return [line[4:] for line in section.splitlines() if line.startswith("  - ")]


@pytest.mark.parametrize("name", NAMES)
def test_a_site_is_carried_but_for_what_is_said(migrate, name):
    code, printed, _ = migrate(SITES / f"{name}.yaml")
    assert code == 1
    found = lost(printed)
    assert len(found) == len(LOST[name]), found
    assert all(any(place in line.partition(". ")[0] for line in found) for place in LOST[name]), found


@pytest.mark.parametrize("name", NAMES)
def test_a_service_starts_with_it_and_with_the_quota_that_is_suggested(migrate, name):
    _, _, output = migrate(SITES / f"{name}.yaml")
    data = yaml.safe_load(output.read_text())
    quota = suggested_quota(data)
    assert quota in output.read_text().splitlines()[2]
    for more in ({}, {"quota": yaml.safe_load(quota)}):
        output.write_text(yaml.safe_dump({**data, "plugins": {**data["plugins"], **more}}))
        samples = Samples(load_settings(str(output)))
        verify_steps(samples.settings, samples.plugins)
        assert list(samples.pods())


def test_a_quota_that_there_is_bounds_nothing_that_labs_have_no_limit_of(migrate, tmp_path):
    base = tmp_path / "base.yaml"
    base.write_text(yaml.safe_dump({"plugins": {"quota": {"labs": 2, "cpu": 8, "memory": "300Gi"}}}))
    _, printed, output = migrate(SITES / "fleet-dask.yaml", "--base", str(base))
    assert yaml.safe_load(output.read_text())["plugins"]["quota"] == {"labs": 2, "cpu": None, "memory": "300Gi"}
    assert "plugins.quota.cpu: labs have no limit of it" in printed
    samples = Samples(load_settings(str(output)))
    verify_steps(samples.settings, samples.plugins)


def test_an_init_container_that_changes_owners_is_not_the_only_way(migrate):
    _, printed, _ = migrate(SITES / "guide.yaml")
    assert (
        "The init container nfs-fixer changes the owner of files as root. For a volume claim, fs_gid does that"
        in printed
    )


@pytest.mark.parametrize(("override", "says"), [({"mem_limit": "16G"}, "mem_limit is"), ({"http_timeout": 9}, None)])
def test_what_groups_override_of_the_pod_is_the_services(migrate, override, says):
    groups = {"01": {"groups": ["vision"], "spawner_override": override}}
    _, printed, _ = migrate(f"c.KubeSpawner.image = 'x'\nc.KubeSpawner.group_overrides = {groups!r}")
    assert "c.SpawnpennySpawner.group_overrides = " in printed
    assert (f"group_overrides.01: {says} the service's to set" in printed) == (says is not None)


@pytest.mark.parametrize("wrong", [[{"groups": ["vision"]}], "vision", 1])
def test_group_overrides_of_another_kind_do_not_reach_the_hub(migrate, wrong):
    _, printed, _ = migrate(f"c.KubeSpawner.image = 'x'\nc.KubeSpawner.group_overrides = {wrong!r}")
    assert "c.SpawnpennySpawner.group_overrides = " not in printed
    assert "group_overrides: this is a" in printed
