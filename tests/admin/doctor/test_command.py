"""``spawnpenny doctor``: what it prints, and how it exits."""

from __future__ import annotations

import asyncio
import json

import pytest

from spawnpenny.cli.command import run


@pytest.fixture
def doctor(ward, apiserver, tmp_path, capsys):
    """Run the command on a deployment, and return its exit code and what it printed."""

    async def run_it(*arguments):
        file = tmp_path / "settings.json"
        file.write_text(json.dumps(ward.data))  # being YAML, it may as well be JSON
        command = ["doctor", "--settings", str(file), "--kubeconfig", str(apiserver.kubeconfig), *arguments]
        return await asyncio.to_thread(run, command), capsys.readouterr().out

    return run_it


async def test_a_healthy_deployment_exits_0_with_a_line_for_each_check(doctor, ward):
    code, printed = await doctor()
    # Without the orders, which only an overlay has, the fence for the broker cannot be judged in full.
    in_all = ", as far as these rights show." if ward.fenced else "."
    assert (code, printed.splitlines()[-1]) == (0, f"Nothing is wrong{in_all}")
    assert "ok       rights         The accounts have the rights that they need." in printed
    assert f"{'unknown' if ward.fenced else 'warning'}  policy" in printed


async def test_a_fault_exits_1_with_what_to_do(doctor, ward):
    await ward.cluster.delete(ward.ref("ClusterRole", ward.settings.broker.role))
    code, printed = await doctor()
    assert (code, printed.splitlines()[-1]) == (1, "Something is wrong.")
    assert "FAILURE  role" in printed
    assert "spawnpenny permissions --overlay OVERLAY --output kustomize, then kubectl apply -k OVERLAY" in printed


async def test_programs_get_json(doctor, ward):
    code, printed = await doctor("--output", "json")
    found = json.loads(printed)
    assert (code, found["healthy"]) == (0, True)
    assert {finding["level"] for finding in found["findings"]} == {"ok", "unknown" if ward.fenced else "warning"}
    assert {"check", "level", "says", "do"} == found["findings"][0].keys()


async def test_with_few_rights_there_is_still_nothing_but_the_findings(doctor, ward, apiserver):
    account = f"system:serviceaccount:{ward.settings.broker.account_namespace}:{ward.settings.broker.account}"
    few = ("--kubeconfig", str(apiserver.kubeconfig_for(account)))
    _, printed = await doctor("--output", "json", *few)
    assert "unknown" in {finding["level"] for finding in json.loads(printed)["findings"]}
    code, printed = await doctor(*few)
    assert (code, printed.splitlines()[-1]) == (0, "Nothing is wrong, as far as these rights show.")


def test_the_embedded_cluster_is_not_its_business(capsys, monkeypatch):
    monkeypatch.setenv("SPAWNPENNY_CLUSTER", "embedded")
    assert run(["doctor"]) == 2
    assert "another cluster" in capsys.readouterr().err
