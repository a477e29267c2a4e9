"""``spawnpenny check``: errors in settings, the settings that result, and unusual settings."""

from __future__ import annotations

import json

import pytest

from spawnpenny.cli.command import run

HASH = "0123456789abcdef" * 4
STANDARD_PLUGINS = ("dask", "lab", "namespace", "quota", "user")
NEEDED_BY = {"namespace": ("quota", "user", "lab", "dask")}


@pytest.fixture
def check(tmp_path, capsys):
    def run_it(text, *arguments):
        file = tmp_path / "settings.yaml"
        file.write_text(text)
        code = run(["check", "--settings", str(file), *arguments])
        return code, *capsys.readouterr()

    return run_it


@pytest.fixture
def report(check):
    """Return a function that returns the JSON report and the exit code."""

    def run_it(text):
        code, out, _ = check(text, "--output", "json")
        return json.loads(out) | {"code": code}

    return run_it


def test_what_will_be_used_is_reported_and_no_hash(report):
    found = report(
        f"tokens: {{hub: {{sha256: {HASH}, scopes: ['spawn:any']}}}}\nplugins: {{namespace: {{}}, lab: {{}}}}"
    )
    assert (found["code"], found["problems"], found["refused"]) == (0, [], [])
    assert found["used"]["plugins"].keys() == {"lab", "namespace"}
    assert found["used"]["steps"]["lab"] >= 3
    assert found["used"]["tokens"] == {"hub": {"scopes": ["spawn:any"], "user": None}}
    assert found["used"]["namespaces"]["state"] == "spawnpenny-state"
    assert HASH not in str(found)


def test_people_get_a_line_for_each(check):
    code, out, err = check(f"tokens: {{ada: {{sha256: {HASH}, scopes: ['spawn:self'], user: ada}}}}")
    assert (code, err) == (0, "")
    assert "tokens        ada: spawn:self for ada" in out
    assert "note: pods.images allows every image." in out


@pytest.mark.parametrize(
    ("text", "unusual"),
    [
        ("{}", "The settings have no tokens"),
        ("{}", "gateway.address is not set"),
        (f"tokens: {{hub: {{sha256: {HASH}, scopes: ['spawn:any']}}}}", "may start labs for every user"),
        (f"tokens: {{hub: {{sha256: {HASH}, scopes: [purge, 'spawn:any']}}}}", "may delete users' storage"),
        ("pods: {images: ['*']}", "allows every image"),
        ("pods: {allow: [nfs, root]}", "pods.allow opens nfs, root, but broker.pod_security is restricted"),
        (
            "pods: {allow: ['capabilities:CHOWN']}",
            "Set broker.pod_security: baseline for the service and for the broker",
        ),
        (
            "{pods: {allow: [root, hostPath, serviceAccountToken]}, broker: {pod_security: baseline}}",
            "pods.allow opens hostPath, but broker.pod_security is baseline",
        ),
        ("pods: {allow: [hostPath]}", "opens the hardening rules for hostPath"),
        ("broker: {separate: false}", "amount to the whole cluster"),
        ("broker: {purge: true}", "volume claims"),
        ("broker: {pod_security: privileged}", "refuses no pod"),
        ("broker: {orders: /no/such/file}", "The orders file /no/such/file does not exist here"),
    ],
)
def test_what_is_unusual_is_reported(report, text, unusual):
    found = report(text)
    assert found["code"] == 0
    assert [note for note in found["unusual"] if unusual in note]


def test_settings_in_which_nothing_is_unusual_are_reported_so(report):
    text = f"tokens: {{hub: {{sha256: {HASH}, scopes: ['read:any', routes]}}}}\npods: {{images: ['example.org/*']}}"
    text += "\ngateway: {address: 'http://spawnpenny:8080', proxy_address: 'spawnpenny:8786'}"
    assert report(text)["unusual"] == []


@pytest.mark.parametrize("name", STANDARD_PLUGINS)
def test_a_standard_plugin_that_a_list_leaves_out_is_reported(report, name):
    listed = ", ".join(
        f"{plugin}: {{}}" for plugin in STANDARD_PLUGINS if plugin not in {name, *NEEDED_BY.get(name, ())}
    )
    found = [note for note in report(f"plugins: {{{listed}}}")["unusual"] if "a section `plugins` replaces" in note]
    assert [note.split()[3] for note in found] == sorted({name, *NEEDED_BY.get(name, ())})


def test_all_problems_are_reported_at_once(check):
    text = "plugins: {quotta: {}}\npods: {allow: [hostPth]}\nbroker: {separate: false, orders: /no/such/file}\n"
    code, _, err = check(text + "web: {certificate: /no/such/cert}")
    assert code == 2
    for message in ("'quotta'", "hostPth", "/no/such/file", "web.certificate and web.key", "/no/such/cert"):
        assert message in err
    assert len(err.splitlines()) == 5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("commission: []\ncommission: []\n", "has the key 'commission' twice"),
        (f"commission: {'[' * 3000}{']' * 3000}\n", "nested too deep"),
        ("commission: [{name: a}]\n", "each container needs a name and an image"),
        (f"commission: [{{name: a, image: b, x: {'9' * 6000}}}]\n", "a number that is too long"),
    ],
)
@pytest.mark.parametrize("separate", ["true", "false"])
def test_an_orders_file_that_is_there_is_read_whoever_runs_it(check, tmp_path, text, problem, separate):
    file = tmp_path / "orders.yaml"
    file.write_text(text)
    code, _, err = check(f"broker: {{separate: {separate}, orders: {file}}}")
    assert (code, problem in err) == (2, True), err


def test_wrong_core_settings_hide_no_wrong_plugin_sections(check):
    code, out, err = check(
        "wbe: {}\nweb: {port: x}\ntokens: {hub: {}}\npods: {allow: [hostPth]}\n"
        "plugins: {namespace: {}, quotta: {}, lab: {image: 3, sizes: {}}, quota: {cpus: 1}, storage: {capacity: a}}"
    )
    assert (code, out) == (2, "")
    for message in (
        "'wbe'",
        "web.port",
        "tokens.hub.sha256",
        "hostPth",
        "'quotta'",
        "plugins.lab.image",
        "plugins.lab.sizes",
    ):
        assert message in err
    for message in ("plugins.quota.cpus", "plugins.storage.capacity"):
        assert err.count(message) == 1


def test_a_rehearsal_names_what_users_could_not_start(report):
    found = report(f"tokens: {{hub: {{sha256: {HASH}, scopes: ['spawn:any']}}}}\npods: {{images: ['quay.io/*']}}")
    assert (found["code"], found["problems"]) == (1, [])
    assert {problem["setting"] for problem in found["refused"]} == {"pods.images"}
    assert "spawnpenny/lab" in found["refused"][0]["message"]
    assert "quay.io/*" in found["refused"][0]["paste"]


def test_settings_that_cannot_be_read_are_the_one_problem(report):
    found = report("wbe: {}\nweb: {port: x}")
    assert (found["code"], found["used"]) == (2, {})
    assert "'wbe'" in found["problems"][0]
    assert "web.port" in found["problems"][0]


def test_where_one_plugin_is_wrong_the_others_are_still_named(report):
    found = report("plugins: {namespace: {}, quota: {cpus: 3}}")
    assert found["used"]["plugins"] == {"namespace": "not loaded", "quota": "not loaded"}
    assert "steps" not in found["used"]
