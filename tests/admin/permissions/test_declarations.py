"""The permissions that ``spawnpenny permissions`` prints, out of what the parts and steps declare.

``SPAWNPENNY_GOLDEN=write`` writes the golden files anew.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import spawnpenny
from spawnpenny.admin.permissions.grants import gather
from spawnpenny.admin.permissions.manifests import make_manifests
from spawnpenny.admin.permissions.parts import parts
from spawnpenny.admin.permissions.rules import Rule, make_rules
from spawnpenny.api import Resource, Step, allow, hookimpl
from spawnpenny.cli.command import run
from spawnpenny.domain.spawns import Phase
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.model import Settings
from spawnpenny.settings.sections import BrokerSettings, NamespaceSettings
from spawnpenny.testing.site import settled, start

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(("output", "name"), [("table", "table.txt"), ("yaml", "manifests.yaml")])
def test_the_permissions_of_the_standard_settings_are_as_the_golden_files_say(capsys, output, name):
    assert run(["permissions", "--output", output]) == 0
    printed, path = capsys.readouterr().out, GOLDEN / name
    if os.environ.get("SPAWNPENNY_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(printed)
    assert printed == path.read_text(), "if this is right, SPAWNPENNY_GOLDEN=write writes the file anew"


def test_the_json_says_what_the_yaml_does(capsys):
    assert run(["permissions", "--output", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["items"] == list(yaml.safe_load_all((GOLDEN / "manifests.yaml").read_text()))


def test_each_part_that_declares_permissions_is_asked_for_them():
    found = set()
    for module in pkgutil.walk_packages(spawnpenny.__path__, "spawnpenny."):
        if not module.name.endswith("__main__"):
            found.add(id(getattr(importlib.import_module(module.name), "PERMISSIONS", None)))
    assert found - {id(None)} == {id(part.declared) for part in parts()}


@pytest.mark.parametrize(
    ("section", "verbs", "pods"),
    [
        ({}, {"create", "get", "patch"}, False),
        ({"expand": False}, {"create", "get"}, False),
        ({"retain": False}, {"create", "get", "patch", "delete"}, True),
    ],
)
def test_storage_may_be_deleted_where_a_setting_says_so(section, verbs, pods):
    found = roles(Settings(plugins={"namespace": {}, "storage": section}))[None, "spawnpenny-tenant"]
    assert {verb for rule in found if "persistentvolumeclaims" in rule["resources"] for verb in rule["verbs"]} == verbs
    assert any("pods" in rule["resources"] and "list" in rule["verbs"] for rule in found) == pods


def roles(settings=None, **extra):
    """Return the rules of each role, by kind and name."""
    settings = settings or Settings()
    made = make_manifests(gather(settings, load_plugins(settings, extra=extra)), settings)
    return {
        (manifest["metadata"].get("namespace"), manifest["metadata"]["name"]): manifest["rules"]
        for manifest in made
        if "rules" in manifest
    }


def vault(*permissions):
    """Return a site's plugin with a step that declares these permissions."""

    class Vault(Step):
        name, kinds, scope, needs = "vault", frozenset({"lab"}), "user", frozenset({"namespace"})

        async def apply(self, spawn):
            await spawn.cluster.read("ConfigMap", "other")

    Vault.permissions = permissions
    return SimpleNamespace(spawnpenny_steps=hookimpl(lambda: [Vault()], specname="spawnpenny_steps"))


def test_a_kind_of_a_sites_own_is_in_the_tenant_role_and_nowhere_else():
    secrets = Resource("ricoberger.de/v1alpha1", "VaultSecret", "vaultsecrets")
    made = roles(vault=vault(allow("create", "patch", on=secrets)))
    desired = {"apiGroups": ["ricoberger.de"], "resources": ["vaultsecrets"], "verbs": ["create", "patch"]}
    assert [place for place, rules in made.items() if desired in rules] == [(None, "spawnpenny-tenant")]


def test_a_plugin_that_is_left_out_asks_for_nothing():
    plugins = {"namespace": {}, "user": {}, "lab": {}}
    assert "resourcequotas" not in str(roles(Settings(plugins=plugins))[None, "spawnpenny-tenant"])


def test_a_kind_that_keeps_a_namespace_is_the_brokers_to_list_where_it_deletes_and_nowhere_else():
    made = roles(replace(Settings(), broker=BrokerSettings(keep_for=("widgets.acme.example/v1",))))
    desired = {"apiGroups": ["acme.example"], "resources": ["widgets"], "verbs": ["list"]}
    assert [place for place, rules in made.items() if desired in rules] == [(None, "spawnpenny-tenant-release")]


def test_dask_needs_no_right_that_labs_do_not_need():
    plugins = {name: {} for name in ("namespace", "quota", "user", "lab")}
    assert roles(Settings(plugins=plugins)) == roles(Settings(plugins={**plugins, "dask": {}}))


def test_per_namespace_reads_leave_no_right_to_read_other_pods():
    made = roles(Settings(namespaces=NamespaceSettings(reads="namespace")))
    assert "pods" not in str(made[None, "spawnpenny"])
    pods = next(rule["verbs"] for rule in made[None, "spawnpenny-tenant"] if "pods" in rule["resources"])
    assert {"list", "watch"} <= set(pods)


def test_without_a_broker_of_its_own_the_service_has_the_brokers_rights(capsys, tmp_path):
    apart = Settings()
    together = roles(replace(apart, broker=replace(apart.broker, separate=False)))
    assert {name for _, name in together} == {"spawnpenny", "spawnpenny-tenant"}
    (bind,) = [rule for rule in together[None, "spawnpenny"] if "bind" in rule["verbs"]]
    assert bind["resourceNames"] == ["spawnpenny-tenant"]
    file = tmp_path / "settings.yaml"
    file.write_text("broker: {separate: false}")
    assert run(["permissions", "--settings", str(file)]) == 0
    assert "the service has the broker's rights, too" in capsys.readouterr().out


def test_permissions_are_merged_into_the_fewest_rules():
    permissions = [
        allow("create", on="secrets"),
        allow("get", "create", on="pods"),
        allow("get", "create", on="secrets"),
        allow("get", "patch", on="configmaps", names=("b", "a")),
        allow("get", on="configmaps"),
        allow("claim", on="broker"),
    ]
    expected = (
        Rule("", ("configmaps",), ("get",)),
        Rule("", ("configmaps",), ("patch",), ("a", "b")),
        Rule("", ("pods", "secrets"), ("get", "create")),
    )
    assert make_rules(permissions) == expected == make_rules(reversed(permissions))


def test_what_kubernetes_cannot_hold_to_names_is_refused():
    with pytest.raises(ValueError, match="create, list"):
        allow("get", "create", "list", on="secrets", names=("a",))


@pytest.mark.parametrize(("name", "phase"), [("other", Phase.RUNNING), ("mine", Phase.FAILED)])
async def test_a_step_is_held_to_the_names_that_it_declares(embedded_site, name, phase):
    embedded_site.plugins = {"vault": vault(allow("get", on="configmaps", names=(name,)))}
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert run.record.phase is phase, run.record.reason
