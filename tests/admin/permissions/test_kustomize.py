"""The component that gives an overlay the rights of its settings, and the comparison of a deployment with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spawnpenny.cli.command import run

KUSTOMIZE = Path(__file__).parents[3] / "kustomize"
STORAGE = {"plugins": {"storage": {}}}
LACKS = "lacks needed rights: create persistentvolumeclaims, get persistentvolumeclaims, patch persistentvolumeclaims."


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """Have the kubectl of the tests' own environment."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def overlay(tmp_path):
    """Copy the overlay that sites copy."""
    shutil.copytree(KUSTOMIZE, tmp_path / "kustomize")
    copied = tmp_path / "kustomize/overlays/production"
    changed(copied / "settings.yaml", tokens={"trial": {"sha256": "0a" * 32, "scopes": ["spawn:any"]}})
    return copied


def changed(file, **sections):
    """Add to the sections of a YAML file."""
    data = yaml.safe_load(file.read_text())
    for name, more in sections.items():
        data[name] = data.get(name, []) + more if isinstance(more, list) else {**data.get(name, {}), **more}
    file.write_text(yaml.safe_dump(data, sort_keys=False))


@pytest.fixture
def check(capsys):
    def run_it(*arguments):
        code = run(["check", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run_it


def write(overlay):
    assert run(["permissions", "--overlay", str(overlay), "--output", "kustomize"]) == 0


@pytest.mark.parametrize("name", ["kind", "production"])
def test_the_overlays_have_what_the_command_writes(name, tmp_path):
    shutil.copytree(KUSTOMIZE, tmp_path / "kustomize")
    written = f"overlays/{name}/permissions/kustomization.yaml"
    (tmp_path / "kustomize" / written).unlink()
    write(tmp_path / "kustomize/overlays" / name)
    assert (tmp_path / "kustomize" / written).read_text() == (KUSTOMIZE / written).read_text()


def test_a_plugin_that_needs_more_is_found_until_the_overlay_gives_it(overlay, check):
    changed(overlay / "settings.yaml", **STORAGE)
    code, _, err = check("--overlay", overlay)
    assert code == 2
    assert f"The ClusterRole spawnpenny-tenant {LACKS}" in err
    assert "spawnpenny permissions --overlay" in err
    write(overlay)
    assert check("--overlay", overlay)[0] == 0


def test_the_fence_is_mentioned_until_the_overlay_opens_what_the_settings_do(overlay, check, capsys):
    pods = {"pods": {"allow": ["nfs"]}, "broker": {"pod_security": "baseline"}}
    lab = {"volumes": [{"name": "shared", "nfs": {"server": "nfs", "path": "/"}}]}
    changed(overlay / "settings.yaml", **pods)
    changed(overlay / "broker-settings.yaml", broker=pods["broker"])
    plugins = yaml.safe_load((overlay / "settings.yaml").read_text())["plugins"]
    changed(overlay / "settings.yaml", plugins={"lab": {**plugins["lab"], **lab}})

    assert check("--overlay", overlay)[0] == 2
    assert run(["try", "--overlay", str(overlay)]) == 0
    assert "have to open nfs" in capsys.readouterr().out
    write(overlay)
    code, out, _ = check("--overlay", overlay)
    assert (code, "have to open" in out) == (0, False)
    assert run(["try", "--overlay", str(overlay)]) == 0
    assert "have to open" not in capsys.readouterr().out


def test_a_right_that_nothing_needs_any_more_is_found(overlay, check):
    settings = (overlay / "settings.yaml").read_text()
    changed(overlay / "settings.yaml", **STORAGE)
    write(overlay)
    (overlay / "settings.yaml").write_text(settings)
    code, _, err = check("--overlay", overlay)
    assert (code, "gives rights that nothing needs: create persistentvolumeclaims" in err) == (2, True)


def test_settings_that_components_bring_in_the_environment_count(overlay, check):
    changed(overlay / "kustomization.yaml", components=["../../components/namespace-reads"])
    code, _, err = check("--overlay", overlay)
    assert (code, "spawnpenny-tenant" in err) == (0, False)  # the component comes last, and has the roles for itself
    data = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    data["components"].remove("permissions")
    data["components"].append("permissions")
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(data))
    assert check("--overlay", overlay)[0] == 2
    write(overlay)
    assert check("--overlay", overlay)[0] == 0


def test_a_binding_of_our_account_that_nothing_needs_is_found(overlay, check):
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "more"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "spawnpenny", "namespace": "spawnpenny"}],
    }
    (overlay / "more.yaml").write_text(yaml.safe_dump(binding))
    changed(overlay / "kustomization.yaml", resources=["more.yaml"])
    code, _, err = check("--overlay", overlay)
    assert code == 2
    assert "The ClusterRoleBinding more gives our account the ClusterRole cluster-admin, which nothing needs." in err


@pytest.mark.parametrize(
    ("section", "key", "ours", "theirs"),
    [("namespaces", "prefix", "lab-", "other-"), ("broker", "pod_security", "restricted", "baseline")],
)
def test_service_and_broker_that_disagree_are_found(overlay, check, section, key, ours, theirs):
    changed(overlay / "broker-settings.yaml", **{section: {key: theirs}})
    code, _, err = check("--overlay", overlay)
    assert (code, f"{section}.{key} is {ours!r} for the service but {theirs!r} for the broker" in err) == (2, True)


def test_a_fence_of_other_settings_is_found_until_the_overlay_has_its_own(overlay, check):
    for name in ("settings.yaml", "broker-settings.yaml"):
        changed(overlay / name, broker={"pod_security": "baseline", "labels": {"team": "physics"}})
    changed(overlay / "settings.yaml", pods={"allow": ["nfs"]})
    orders = {"commission": [{"name": "c", "image": "i", "securityContext": {"capabilities": {"add": ["CHOWN"]}}}]}
    changed(overlay / "orders.yaml", **orders)
    code, _, err = check("--overlay", overlay)
    assert code == 2
    for variable in ("opened, but the settings need ['nfs']", "levels", "labels", "need ['capabilities']"):
        assert variable in err
    write(overlay)
    assert check("--overlay", overlay)[0] == 0


def test_a_deployment_without_a_fence_is_noted(overlay, check):
    gone = [
        {"target": {"kind": kind}, "patch": f"{{$patch: delete, kind: {kind}, metadata: {{name: all}}}}"}
        for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    ]
    changed(overlay / "kustomization.yaml", patches=gone)
    code, out, _ = check("--overlay", overlay)
    assert (code, "note: The deployment has no admission policies" in out) == (0, True)


def test_orders_that_are_none_are_found(overlay, check):
    (overlay / "orders.yaml").write_text("comission: []\n")
    code, _, err = check("--overlay", overlay)
    assert (code, "did you mean 'commission'?" in err) == (2, True)


def test_what_was_rendered_elsewhere_is_judged_alike(overlay, check, tmp_path):
    changed(overlay / "settings.yaml", **STORAGE)
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, check=True, text=True)
    (tmp_path / "rendered.yaml").write_text(done.stdout)
    assert LACKS in check("--rendered", tmp_path / "rendered.yaml")[2]


@pytest.mark.parametrize("text", ["{", "[]", "a: 1"])
def test_what_is_no_deployment_is_refused(check, tmp_path, text):
    (tmp_path / "rendered.yaml").write_text(text)
    assert check("--rendered", tmp_path / "rendered.yaml")[0] == 2


def test_a_file_of_somebody_else_is_not_written_over(overlay, capsys):
    file = overlay / "permissions/kustomization.yaml"
    file.write_text("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nlabels: [{pairs: {}}]\n")
    assert run(["permissions", "--overlay", str(overlay), "--output", "kustomize"]) == 2
    assert "was not written by spawnpenny" in capsys.readouterr().err


def test_an_overlay_that_cannot_be_rendered_is_left_as_it_was(overlay, capsys):
    (overlay / "permissions/kustomization.yaml").unlink()
    (overlay / "resources.yaml").unlink()
    assert run(["permissions", "--overlay", str(overlay), "--output", "kustomize"]) == 2
    assert "resources.yaml" in capsys.readouterr().err
    assert not (overlay / "permissions").exists()


def test_settings_alone_say_that_the_bases_role_does_not_do(check, tmp_path):
    (tmp_path / "settings.yaml").write_text("plugins: {namespace: {}, lab: {}, storage: {}}\n")
    code, out, _ = check("--settings", tmp_path / "settings.yaml")
    assert (code, "note: The plugins need more rights than the base's role gives: create persist" in out) == (0, True)
