"""The rights in the deployment are those that service and broker declare, no more and no fewer."""

from __future__ import annotations

import pytest
import yaml
from click.testing import CliRunner

from spawnpenny.cli.command import command

KINDS = {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


def rights(objects):
    """Return each role as the set of single rights, and each binding as whom it gives which role."""
    found = {}
    for manifest in objects:
        if manifest["kind"] in KINDS:
            name = (manifest["kind"], manifest["metadata"].get("namespace"), manifest["metadata"]["name"])
            found[name] = granted(manifest) if "rules" in manifest else bound(manifest)
    return found


def granted(role):
    return {
        (group, resource, name, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ["*"])
        for verb in rule["verbs"]
    }


def bound(binding):
    subjects = {(subject["kind"], subject["namespace"], subject["name"]) for subject in binding["subjects"]}
    return binding["roleRef"]["kind"], binding["roleRef"]["name"], subjects


@pytest.mark.parametrize(
    ("name", "environ"),
    [
        ("base", {}),
        ("components/namespace-reads", {"SPAWNPENNY_NAMESPACES__READS": "namespace"}),
        ("components/dask", {"SPAWNPENNY_PLUGINS__DASK": "{}"}),
    ],
)
def test_the_roles_are_what_the_command_prints(rendered, tmp_path, name, environ):
    objects = rendered(name)
    (settings,) = [
        manifest["data"]["settings.yaml"]
        for manifest in objects
        if (manifest["kind"], manifest["metadata"].get("namespace")) == ("ConfigMap", "spawnpenny")
    ]
    file = tmp_path / "settings.yaml"
    file.write_text(settings)
    arguments = ["permissions", "--settings", str(file), "--output", "yaml"]
    printed = CliRunner().invoke(command, arguments, env=environ)
    assert printed.exit_code == 0, printed.output
    assert rights(objects) == rights(yaml.safe_load_all(printed.stdout))
