"""What the deployment says fits together: names, ports, paths, settings, and how pods are hardened."""

from __future__ import annotations

import ast
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from spawnpenny_namespace.settings import NamespaceSettingsSchema

from spawnpenny.broker.orders import OrdersFile
from spawnpenny.cli.command import command
from spawnpenny.pipeline.pod_hardening import check_pod
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.sources import overrides, put
from spawnpenny.web.routes import routes

ROOT = Path(__file__).parents[2]
WEB, BROKER, PROXY = "spawnpenny", "spawnpenny-broker", "spawnpenny-proxy"
ELSEWHERE = {
    ("Secret", "spawnpenny", "spawnpenny-tls"),
    ("Secret", "spawnpenny", "spawnpenny-hub"),
    ("Secret", "spawnpenny", "spawnpenny-proxy"),
    ("ConfigMap", "spawnpenny", "spawnpenny-plugins"),
    ("Namespace", None, "jupyterhub"),
}
"""Made by cert-manager, by the site or by its Hub's chart, as the components say."""
SECRETS = {("spawnpenny-hub", "sha256"): "0a" * 32, ("spawnpenny-proxy", "sha256"): "0b" * 32}


def of_kind(objects, kind):
    return [manifest for manifest in objects if manifest["kind"] == kind]


def names(objects):
    return {
        (manifest["kind"], manifest["metadata"].get("namespace"), manifest["metadata"]["name"]) for manifest in objects
    }


def deployment(objects, name):
    (found,) = [manifest for manifest in of_kind(objects, "Deployment") if manifest["metadata"]["name"] == name]
    return found


def container(objects, name):
    (found,) = deployment(objects, name)["spec"]["template"]["spec"]["containers"]
    return found


def config(objects, name):
    """Return the data of the ConfigMap with the settings that a Deployment mounts."""
    (volume,) = [
        entry["configMap"]["name"]
        for entry in deployment(objects, name)["spec"]["template"]["spec"]["volumes"]
        if entry["name"] == "settings"
    ]
    (found,) = [manifest for manifest in of_kind(objects, "ConfigMap") if manifest["metadata"]["name"] == volume]
    return found["data"]


def settings(objects, name):
    """Return the settings that a Deployment's process has: its file, and its environment."""
    data = yaml.safe_load(config(objects, name)["settings.yaml"]) if name != PROXY else {}
    pod = {"metadata.name": f"{name}-abc12", "status.podIP": "10.1.2.3"}
    environ = {}
    for variable in container(objects, name)["env"]:
        value = variable["value"] if "value" in variable else elsewhere(pod, **variable["valueFrom"])
        environ[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda found: environ[found[1]], value)
    for keys, value in overrides(environ):
        put(data, keys, value)
    return make_settings(data)


def elsewhere(pod, *, fieldRef=None, secretKeyRef=None):  # noqa: N803 - as Kubernetes writes them
    """Return what a variable has from the pod, or from a Secret."""
    return pod[fieldRef["fieldPath"]] if fieldRef else SECRETS[secretKeyRef["name"], secretKeyRef["key"]]


def test_the_settings_load_and_say_who_a_replica_is(objects):
    web = settings(objects, WEB)
    load_plugins(replace(web, plugins_dir=None))  # a folder of the container
    scheme = "https" if web.web.certificate else "http"
    assert (web.replicas.name, web.replicas.address) == ("spawnpenny-abc12", f"{scheme}://10.1.2.3:{web.web.port}")
    assert settings(objects, BROKER).replicas.name == "spawnpenny-broker-abc12"


def test_service_and_broker_agree_on_what_both_have_to_know(objects):
    web, broker = settings(objects, WEB), settings(objects, BROKER)
    assert web.installation == broker.installation
    mine, other = web.namespaces, broker.namespaces
    assert (mine.prefix, mine.state, mine.broker, mine.provision) == (
        other.prefix,
        other.state,
        other.broker,
        other.provision,
    )


def test_the_settings_name_namespaces_accounts_and_role_of_the_deployment(objects):
    existing = names(objects)
    for loaded in (settings(objects, WEB), settings(objects, BROKER)):
        for namespace in (loaded.namespaces.state, loaded.namespaces.broker, loaded.namespaces.provision):
            assert ("Namespace", None, namespace) in existing
        assert ("ServiceAccount", loaded.broker.account_namespace, loaded.broker.account) in existing
        assert ("ClusterRole", None, loaded.broker.role) in existing


def test_the_fence_has_the_accounts_and_names_of_the_settings(objects):
    web, broker = settings(objects, WEB), settings(objects, BROKER)
    fences = {
        manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind(objects, "ValidatingAdmissionPolicy")
    }
    policies = {WEB: fences["spawnpenny-service"], BROKER: fences["spawnpenny-broker"]}
    for name, policy in policies.items():
        account = deployment(objects, name)["spec"]["template"]["spec"]["serviceAccountName"]
        user = f"system:serviceaccount:{deployment(objects, name)['metadata']['namespace']}:{account}"
        assert [condition["expression"] for condition in policy["matchConditions"]] == [
            f"request.userInfo.username == '{user}'"
        ]
    names = {"installation": web.installation, "prefix": web.namespaces.prefix, "state": web.namespaces.state}
    more = {"provision": broker.namespaces.provision, "broker": broker.namespaces.broker, "role": broker.broker.role}
    account = {"account": broker.broker.account, "accountNamespace": broker.broker.account_namespace}
    assert names.items() <= given(policies[WEB]).items()
    assert (names | more | account).items() <= given(policies[BROKER]).items()
    assert broker.broker.pod_security in given(policies[BROKER])["levels"]
    assert set(web.pods.allow) - {"hostPath"} <= set(given(policies[WEB])["opened"])


def given(policy):
    """Return the variables of an admission policy that are plain text or a list of it."""
    plain = {}
    for variable in policy["variables"]:
        with suppress(ValueError, SyntaxError):
            plain[variable["name"]] = ast.literal_eval(variable["expression"])
    return plain


def test_the_brokers_orders_load(objects, tmp_path):
    path = settings(objects, BROKER).broker.orders
    (mount,) = [entry for entry in container(objects, BROKER)["volumeMounts"] if entry["name"] == "settings"]
    file = tmp_path / path.removeprefix(f"{mount['mountPath']}/")
    file.write_text(config(objects, BROKER)[file.name])
    OrdersFile(str(file)).read()


def test_the_service_cannot_read_the_brokers_settings_and_the_other_way_round(objects):
    assert {manifest["metadata"]["namespace"] for manifest in of_kind(objects, "ConfigMap")} == {WEB, BROKER}
    assert {deployment(objects, name)["metadata"]["namespace"] for name in (WEB, BROKER)} == {WEB, BROKER}


def test_every_probe_asks_a_route_that_there_is_on_the_port_that_is_served(objects):
    served = {route.path for route in routes() if route.method == "GET"}
    web = settings(objects, WEB).web
    for name in (WEB, BROKER):
        (port,) = container(objects, name)["ports"]
        probes = [container(objects, name)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
        assert [probe["path"] for probe in probes] == ["/healthz", "/healthz", "/readyz"]
        assert {probe["path"] for probe in probes} <= served
        assert {probe["port"] for probe in probes} == {port["name"]}
        scheme = "HTTPS" if name == WEB and web.certificate else "HTTP"
        assert {probe["scheme"] for probe in probes} == {scheme}


def test_service_and_network_policy_lead_to_the_port_of_the_settings(objects):
    port = settings(objects, WEB).web.port
    (named,) = container(objects, WEB)["ports"]
    (service,) = [manifest for manifest in of_kind(objects, "Service") if manifest["metadata"]["name"] == WEB]
    (policy,) = [manifest for manifest in of_kind(objects, "NetworkPolicy") if manifest["metadata"]["name"] == "web"]
    (way_in,) = policy["spec"]["ingress"]
    assert named["containerPort"] == port
    (web, *_) = service["spec"]["ports"]
    assert (web["port"], web["targetPort"]) == (port, named["name"])
    assert [entry["port"] for entry in way_in["ports"]] == [port]


def test_every_command_of_a_pod_is_one_that_there_is(objects):
    for name in (WEB, BROKER):
        done = CliRunner().invoke(command, [*container(objects, name)["args"], "--help"])
        assert done.exit_code == 0, done.output


def test_selectors_select_the_pods_of_the_deployments(objects):
    pods = {manifest["metadata"]["name"]: manifest["spec"]["template"] for manifest in of_kind(objects, "Deployment")}
    for manifest in (*of_kind(objects, "Deployment"), *of_kind(objects, "PodDisruptionBudget")):
        selected = manifest["spec"]["selector"]["matchLabels"]
        assert [name for name, pod in pods.items() if selected.items() <= pod["metadata"]["labels"].items()] == [
            manifest["metadata"]["name"]
        ]
    (service,) = [manifest for manifest in of_kind(objects, "Service") if manifest["metadata"]["name"] == WEB]
    served = {
        (port["name"], port["containerPort"])
        for name, pod in pods.items()
        if name != BROKER and service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        for port in pod["spec"]["containers"][0]["ports"]
    }
    assert {(entry["targetPort"], entry["port"]) for entry in service["spec"]["ports"]} == served


def test_whatever_an_object_names_is_there(objects):
    existing = names(objects)
    desired = set()
    for manifest in of_kind(objects, "Deployment"):
        namespace, spec = manifest["metadata"]["namespace"], manifest["spec"]["template"]["spec"]
        desired.add(("ServiceAccount", namespace, spec["serviceAccountName"]))
        desired |= {("PriorityClass", None, spec["priorityClassName"])} if "priorityClassName" in spec else set()
        for volume in spec["volumes"]:
            if "configMap" in volume:
                desired.add(("ConfigMap", namespace, volume["configMap"]["name"]))
            if "secret" in volume:
                desired.add(("Secret", namespace, volume["secret"]["secretName"]))
        refs = [variable.get("valueFrom", {}) for part in spec["containers"] for variable in part["env"]]
        desired |= {("Secret", namespace, ref["secretKeyRef"]["name"]) for ref in refs if "secretKeyRef" in ref}
    for binding in (*of_kind(objects, "RoleBinding"), *of_kind(objects, "ClusterRoleBinding")):
        role = binding["roleRef"]
        namespace = binding["metadata"].get("namespace") if role["kind"] == "Role" else None
        desired.add((role["kind"], namespace, role["name"]))
        desired |= {("ServiceAccount", subject["namespace"], subject["name"]) for subject in binding["subjects"]}
    desired |= {("Namespace", None, namespace) for _, namespace, _ in existing if namespace}
    assert desired - existing <= ELSEWHERE
    for certificate in of_kind(objects, "Certificate"):
        assert ("Secret", certificate["metadata"]["namespace"], certificate["spec"]["secretName"]) in ELSEWHERE


def test_pods_keep_the_restricted_standard_and_write_nowhere_but_in_tmp(objects):
    for manifest in of_kind(objects, "Deployment"):
        pod = manifest["spec"]["template"]
        check_pod(pod, allowed=["serviceAccountToken", "serviceAccount"], images=["*"])
        for part in pod["spec"]["containers"]:
            assert part["securityContext"]["readOnlyRootFilesystem"] is True
            assert {mount["mountPath"] for mount in part["volumeMounts"] if not mount.get("readOnly")} == {"/tmp"}
            assert {"cpu", "memory"} <= part["resources"]["requests"].keys()
            assert "memory" in part["resources"]["limits"]


def test_only_the_two_deployments_have_a_token_mounted(objects):
    assert {account["automountServiceAccountToken"] for account in of_kind(objects, "ServiceAccount")} == {False}
    mounted = {
        manifest["metadata"]["name"]: manifest["spec"]["template"]["spec"]["automountServiceAccountToken"]
        for manifest in of_kind(objects, "Deployment")
    }
    assert mounted.pop(PROXY, False) is False
    assert mounted == {WEB: True, BROKER: True}


def test_each_namespace_is_closed_and_has_a_pod_security_level(objects):
    levels = {
        manifest["metadata"]["name"]: manifest["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for manifest in of_kind(objects, "Namespace")
    }
    provision = levels.pop("spawnpenny-provision")
    assert provision in {"baseline", "restricted", "privileged"}
    assert levels == dict.fromkeys(("spawnpenny", "spawnpenny-state", "spawnpenny-broker"), "restricted")
    closed = {
        manifest["metadata"]["namespace"]
        for manifest in of_kind(objects, "NetworkPolicy")
        if manifest["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    }
    assert closed == {*levels, "spawnpenny-provision"}


def test_nothing_but_the_webs_own_pods_hub_labs_and_prometheus_is_let_in(rendered):
    policies = of_kind(rendered("base"), "NetworkPolicy")
    ways = [(policy["metadata"]["namespace"], way) for policy in policies for way in policy["spec"].get("ingress", ())]
    ((namespace, way),) = ways
    assert (namespace, len(way["from"])) == (WEB, 4)
    assert all(peer.keys() & {"podSelector", "namespaceSelector"} for peer in way["from"])


def test_pods_are_named_by_what_no_overlay_leaves_out(objects):
    for name in (WEB, BROKER):
        image = container(objects, name)["image"]
        assert re.fullmatch(r"([a-z.]+/)?spawnpenny(:latest|@sha256:[0-9a-f]{64})?", image), image


@pytest.mark.parametrize("name", ["components/namespace-reads"])
def test_with_reads_by_namespace_nobody_reads_the_pods_of_all(rendered, name):
    objects = rendered(name)
    assert settings(objects, WEB).namespaces.reads == "namespace"
    roles = {role["metadata"]["name"]: role["rules"] for role in of_kind(objects, "ClusterRole")}
    assert [rule for rule in roles["spawnpenny"] if "pods" in rule["resources"]] == []
    (pods,) = [rule for rule in roles["spawnpenny-tenant"] if "pods" in rule["resources"]]
    assert {"list", "watch"} <= set(pods["verbs"])


def test_beside_a_hub_spawnpenny_knows_its_token_and_asks_it_whose_others_are(rendered):
    web = settings(rendered("components/jupyterhub"), WEB)
    assert web.tokens["hub"].sha256 == SECRETS["spawnpenny-hub", "sha256"]
    assert (web.tokens["hub"].scopes, web.tokens["hub"].user) == (("read:any", "delete:any"), None)
    expected = {"api_url": "http://hub.jupyterhub.svc:8081/hub/api", "scopes": ["read:self"]}
    assert web.plugins["jupyterhub"] == expected
    assert web.plugins.keys() == {*settings(rendered("base"), WEB).plugins, "jupyterhub"}


def test_beside_a_hub_nobody_gets_more_rights(rendered):
    more = names(rendered("components/jupyterhub")) - names(rendered("base"))
    assert more == {
        ("NetworkPolicy", WEB, "web-to-hub"),
        ("NetworkPolicy", "jupyterhub", "spawnpenny-hub"),
        ("NetworkPolicy", "jupyterhub", "spawnpenny-proxy"),
    }


def test_hub_proxy_labs_and_spawnpenny_reach_each_other_and_no_more(rendered):
    policies = of_kind(rendered("components/jupyterhub"), "NetworkPolicy")
    hub, proxy, web, lab = (("jupyterhub", "hub"), ("jupyterhub", "proxy"), (WEB, "web"), ("lab-ada", "lab"))
    pods = {
        hub: {"app": "jupyterhub", "component": "hub", "release": "jupyterhub"},
        proxy: {"app": "jupyterhub", "component": "proxy", "release": "jupyterhub"},
        web: deployment(rendered("base"), WEB)["spec"]["template"]["metadata"]["labels"],
        lab: {"app.kubernetes.io/managed-by": "spawnpenny"},
    }
    ports = {hub: 8081, web: 8080, lab: 8888, proxy: 8000}
    ways = {(one, other) for one in pods for other in pods if one != other}
    out = {(a, b) for a, b in ways if lets(policies, "egress", a, b, pods, ports[b])}
    into = {(a, b) for a, b in ways if lets(policies, "ingress", b, a, pods, ports[b])}
    # What leaves a lab, and what comes into it, is for the policy in its own namespace; the rest is the chart's.
    assert out - into - {(hub, lab), (proxy, lab)} == set()
    assert out == {(hub, web), (hub, lab), (proxy, lab), (web, hub)}
    assert into == {(hub, web), (lab, web), (web, hub), (lab, hub)}


def lets(policies, direction, pod, peer, pods, port):
    """Whether a policy for a pod lets through what goes to, or comes from, another one."""
    labels = {"kubernetes.io/metadata.name": peer[0]}
    labels |= {"spawnpenny.io/managed-by": "spawnpenny"} if peer[0].startswith("lab-") else {}
    rules = [
        rule
        for policy in policies
        if policy["metadata"]["namespace"] == pod[0]
        and policy["spec"]["podSelector"].get("matchLabels", {}).items() <= pods[pod].items()
        for rule in policy["spec"].get(direction, ())
    ]
    return any(
        port in [entry["port"] for entry in rule["ports"]]
        and ("namespaceSelector" in found or peer[0] == pod[0])
        and "ipBlock" not in found
        and found.get("namespaceSelector", {}).get("matchLabels", {}).items() <= labels.items()
        and found.get("podSelector", {}).get("matchLabels", {}).items() <= pods[peer].items()
        for rule in rules
        for found in rule[{"ingress": "from", "egress": "to"}[direction]]
    )


def test_the_components_policies_are_for_the_pods_that_the_namespace_plugin_expects(rendered):
    network = NamespaceSettingsSchema().load({}).network
    policies = {
        manifest["metadata"]["name"]: manifest["spec"]
        for manifest in of_kind(rendered("components/jupyterhub"), "NetworkPolicy")
    }
    assert policies["spawnpenny-hub"]["podSelector"]["matchLabels"] == network.hub.labels
    assert policies["spawnpenny-proxy"]["podSelector"]["matchLabels"] == network.proxy.labels
    assert [port["port"] for port in policies["spawnpenny-hub"]["ingress"][0]["ports"]] == list(network.hub.ports)


def test_labs_reach_schedulers_by_the_proxy_which_has_no_rights(rendered):
    objects, base = rendered("components/dask"), rendered("base")
    web, proxy = settings(objects, WEB), settings(objects, PROXY)
    assert web.gateway.address == proxy.gateway.service
    (service,) = of_kind(objects, "Service")
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    where = f"{service['metadata']['name']}.{service['metadata']['namespace']}"
    assert (web.gateway.address, web.gateway.proxy_address) == (f"http://{where}:{ports['web']}", f"{where}:8786")
    assert (ports["tls"], ports["dashboard"]) == (proxy.gateway.port, proxy.gateway.dashboard_port)
    assert (web.tokens["proxy"].sha256, web.tokens["proxy"].scopes) == (SECRETS[PROXY, "sha256"], ("routes",))
    assert "dask" in web.plugins
    bindings = [*of_kind(objects, "RoleBinding"), *of_kind(objects, "ClusterRoleBinding")]
    assert PROXY not in {subject["name"] for binding in bindings for subject in binding["subjects"]}
    assert {name for name in names(objects) - names(base) if name[0] != "NetworkPolicy"} == {
        ("Deployment", WEB, PROXY),
        ("PodDisruptionBudget", WEB, PROXY),
        ("ServiceAccount", WEB, PROXY),
    }


def test_the_proxys_command_and_probes_are_what_there_is(rendered):
    objects = rendered("components/dask")
    main, pod = container(objects, PROXY), deployment(objects, PROXY)["spec"]["template"]["spec"]
    done = CliRunner().invoke(command, [*main["args"], "--help"])
    assert done.exit_code == 0, done.output
    waits = float(main["args"][main["args"].index("--drain") + 1])
    assert pod["terminationGracePeriodSeconds"] > waits + float(main["lifecycle"]["preStop"]["exec"]["command"][1])
    (token,) = (volume["secret"] for volume in pod["volumes"] if "secret" in volume)
    assert token["items"] == [{"key": "token", "path": "token"}]
    for kind, path in (("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")):
        assert main[f"{kind}Probe"]["httpGet"] == {"path": path, "port": "dashboard", "scheme": "HTTP"}


def test_labs_proxy_service_and_schedulers_reach_each_other_and_no_more(rendered):
    objects = rendered("components/dask")
    policies = of_kind(objects, "NetworkPolicy")
    network = NamespaceSettingsSchema().load({}).network
    web, proxy, lab, scheduler = (WEB, "web"), (WEB, "proxy"), ("lab-ada", "lab"), ("lab-ada", "scheduler")
    browser = ("ingress-nginx", "ingress")
    pods = {
        web: deployment(objects, WEB)["spec"]["template"]["metadata"]["labels"],
        proxy: deployment(objects, PROXY)["spec"]["template"]["metadata"]["labels"],
        lab: {"spawnpenny.io/kind": "lab"},
        scheduler: {"spawnpenny.io/kind": "dask"},
        browser: {"app.kubernetes.io/name": "ingress-nginx"},
    }
    assert (network.service.labels.items() <= pods[web].items(), network.service.ports) == (True, (8080,))
    assert (network.dask_proxy.labels.items() <= pods[proxy].items(), network.dask_proxy.ports) == (True, (8786,))
    ports = (8080, 8786, 8787, 8788)
    ways = [(one, other, port) for one in pods for other in pods for port in ports if one != other]
    out = {(a, b, port) for a, b, port in ways if lets(policies, "egress", a, b, pods, port)}
    into = {(a, b, port) for a, b, port in ways if lets(policies, "ingress", b, a, pods, port)}
    assert out == {(proxy, web, 8080), (proxy, scheduler, 8786), (proxy, scheduler, 8787), (web, scheduler, 8788)}
    assert into == {
        *((pod, web, 8080) for pod in (proxy, lab, scheduler)),
        *((pod, proxy, 8786) for pod in (lab, scheduler)),
        (browser, proxy, 8787),
    }


def test_no_role_grants_by_a_wildcard(objects):
    for role in (*of_kind(objects, "ClusterRole"), *of_kind(objects, "Role")):
        for rule in role["rules"]:
            assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


def test_prometheus_reaches_the_metrics_of_the_broker_and_nothing_else_does(rendered):
    existing = rendered("components/servicemonitor")
    pod = deployment(rendered("base"), BROKER)["spec"]["template"]
    (port,) = pod["spec"]["containers"][0]["ports"]
    (service,) = [manifest for manifest in of_kind(existing, "Service") if manifest["metadata"]["name"] == BROKER]
    monitors = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind(existing, "ServiceMonitor")}
    (policy,) = [
        manifest for manifest in of_kind(existing, "NetworkPolicy") if manifest["metadata"]["name"] == "broker-metrics"
    ]
    (way,) = policy["spec"]["ingress"]
    labels = pod["metadata"]["labels"]
    for selector in (service["spec"]["selector"], policy["spec"]["podSelector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    assert monitors[BROKER]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {manifest["metadata"]["namespace"] for manifest in (service, policy)} == {BROKER}
    assert [entry["port"] for entry in way["ports"]] == [port["containerPort"]]
    assert [entry["targetPort"] for entry in service["spec"]["ports"]] == [port["name"]]
    assert len(way["from"]) == 1


def test_the_alerts_of_the_page_are_in_the_component(rendered):
    (block,) = re.findall(
        r"## Alerts.*?```yaml\n(.*?)```", (ROOT / "docs" / "reference" / "metrics.md").read_text(), re.DOTALL
    )
    (documented,) = yaml.safe_load(block)["groups"]
    (existing,) = of_kind(rendered("components/servicemonitor"), "PrometheusRule")
    (group,) = existing["spec"]["groups"]
    assert [rule for rule in documented["rules"] if rule not in group["rules"]] == []


def test_an_overlay_for_an_older_cluster_leaves_the_fence_out_as_the_docs_say(tmp_path, rendered, kustomize):
    (block,) = re.findall(
        r"```yaml\n(patches:.*?)```", (ROOT / "docs" / "how-to" / "install.md").read_text(), re.DOTALL
    )
    base = os.path.relpath(ROOT / "kustomize" / "base", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": [base]} | yaml.safe_load(block)))
    left_out = names(rendered("base")) - names(kustomize(tmp_path))
    assert left_out == {name for name in names(rendered("base")) if name[0].startswith("ValidatingAdmissionPolicy")}
    assert len(left_out) == 4


WELCOME = """
from spawnpenny.api import Step, allow, hookimpl

class Welcome(Step):
    name, kinds, scope, needs = "welcome", frozenset({"lab"}), "user", frozenset({"namespace"})
    permissions = (allow("create", "patch", on="persistentvolumeclaims"),)

@hookimpl
def spawnpenny_steps():
    return [Welcome()]
"""


def test_the_documented_overlay_mounts_plugins_that_check_and_permissions_load(tmp_path, kustomize):
    page = (ROOT / "docs" / "how-to" / "plugins.md").read_text()
    snippet = yaml.safe_load(re.search(r"^```yaml\n(components: .*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    up = os.path.relpath(ROOT / "kustomize", tmp_path)
    snippet["components"] = [path.replace("../..", up) for path in snippet["components"]]
    variable = {"name": "SPAWNPENNY_PLUGINS__WELCOME", "value": "{}"}
    pod = {"spec": {"containers": [{"name": "spawnpenny", "env": [variable]}]}}
    metadata = {"name": WEB, "namespace": "spawnpenny"}
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": pod}}
    overlay = {"resources": [f"{up}/base"], **snippet, "patches": [{"patch": yaml.safe_dump(patch)}]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    (tmp_path / "welcome.py").write_text(WELCOME)
    objects = kustomize(tmp_path)
    mount = next(entry for entry in container(objects, WEB)["volumeMounts"] if entry["name"] == "plugins")
    assert mount == {"name": "plugins", "mountPath": "/etc/spawnpenny-plugins", "readOnly": True}
    rendered = tmp_path / "rendered.yaml"
    rendered.write_text(yaml.safe_dump_all(objects))
    done = CliRunner().invoke(command, ["check", "--rendered", str(rendered)], standalone_mode=False)
    assert re.search(r"^plugins .*welcome: [0-9a-f]{12}", done.stdout, re.MULTILINE), done.output
    assert "persistentvolumeclaims" in done.stderr  # the role of the base lacks what the plugin declares
    rendered.write_text(yaml.safe_dump_all(objects).replace("class Welcome(Step):", "class Welcome(Step)"))
    done = CliRunner().invoke(command, ["check", "--rendered", str(rendered)], standalone_mode=False)
    assert "welcome.py, line 4: expected ':'." in done.stderr
