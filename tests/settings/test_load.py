"""Settings: from a file and the environment, each mistake refused with a right value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Literal

import pytest
from marshmallow import ValidationError

from spawnpenny.errors import SettingsError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import load_settings, make_settings
from spawnpenny.settings.model import PLUGIN_GROUP, Settings
from spawnpenny.settings.schema import StrictSchema, flatten, schema_of
from spawnpenny.settings.sections import TokenSettings
from spawnpenny.settings.types import Seconds

SHA = "0a" * 32
STANDARD_PLUGINS = ("dask", "lab", "namespace", "quota", "user")
NO_SETTINGS = {name: {} for name in STANDARD_PLUGINS}


@pytest.fixture
def file(tmp_path):
    """Write a settings file; return its name."""

    def write(text):
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def refusal(data=None, *, file=None, environ=None):
    with pytest.raises(SettingsError) as refused:
        load_settings(file, environ or {}) if data is None else make_settings(data)
    return str(refused.value)


def test_without_file_and_environment_there_are_the_defaults_and_the_standard_plugins():
    assert load_settings(None, {}) == Settings()
    assert tuple(Settings().plugins) == STANDARD_PLUGINS


def test_a_standard_plugin_that_is_not_installed_is_not_missed(monkeypatch):
    without = [point for point in entry_points(group=PLUGIN_GROUP) if point.name not in {"dask", "quota"}]
    for module in ("settings.load", "plugin.manager"):
        monkeypatch.setattr(f"spawnpenny.{module}.entry_points", lambda group: without)
    settings = load_settings(None, {})
    assert set(settings.plugins) == {"namespace", "user", "lab"}
    load_plugins(settings)


def test_the_environment_adds_to_the_standard_plugins_and_to_a_list(file):
    environ = {"SPAWNPENNY_PLUGINS__STORAGE": "{capacity: 5Gi}", "SPAWNPENNY_PLUGINS__LAB__PORT": "9999"}
    assert load_settings(None, environ).plugins == NO_SETTINGS | {"storage": {"capacity": "5Gi"}, "lab": {"port": 9999}}
    listed = load_settings(file("plugins: {namespace: {}}"), environ)
    assert set(listed.plugins) == {"namespace", "storage", "lab"}


def test_an_empty_file_changes_nothing(file):
    assert load_settings(file("# nothing\n"), {}) == Settings()


def test_the_environment_can_name_the_file(file):
    assert load_settings(None, {"SPAWNPENNY_SETTINGS": file("web: {port: 81}")}).web.port == 81


def test_a_file_that_is_named_outright_wins_over_the_environments(file):
    named = file("installation: mine")
    assert load_settings(named, {"SPAWNPENNY_SETTINGS": "/nothing"}).installation == "mine"


def test_the_environment_overrides_one_key_and_leaves_the_rest(file):
    settings = load_settings(file("web: {port: 81, host: 127.0.0.1}"), {"SPAWNPENNY_WEB__PORT": "82"})
    assert (settings.web.port, settings.web.host) == (82, "127.0.0.1")


def test_an_empty_section_of_the_environment_is_there_and_takes_nothing_away(file):
    environ = {"SPAWNPENNY_PLUGINS__DASK": "{}"}
    assert load_settings(file("plugins: {dask: {max_clusters: 2}}"), environ).plugins == {"dask": {"max_clusters": 2}}
    assert load_settings(file("plugins: {lab: {}}"), environ).plugins == {"lab": {}, "dask": {}}


def test_the_environment_reaches_nested_keys_that_no_file_has():
    environ = {"SPAWNPENNY_TOKENS__HUB__SHA256": SHA, "SPAWNPENNY_TOKENS__HUB__SCOPES": "[read:any, 'spawn:any']"}
    assert load_settings(None, environ).tokens == {"hub": TokenSettings(SHA, ("read:any", "spawn:any"))}


def test_the_environment_sets_what_stands_at_the_top():
    environ = {"SPAWNPENNY_CLUSTER": "embedded", "SPAWNPENNY_INSTALLATION": "mine"}
    settings = load_settings(None, environ)
    assert (settings.cluster, settings.installation) == ("embedded", "mine")


@pytest.mark.parametrize(
    "name",
    ["SPAWNPENNY_PORT", "SPAWNPENNY_SERVICE_HOST", "SPAWNPENNY_PORT_8080_TCP_ADDR", "SPAWNPENNY_BROKER_PORT", "OTHER"],
)
def test_the_variables_that_kubernetes_sets_for_a_service_are_no_settings(name):
    assert load_settings(None, {name: "tcp://10.0.0.1:8080"}) == Settings()


def test_a_misspelt_variable_is_refused():
    assert "'prot' is not known here; did you mean 'port'?" in refusal(environ={"SPAWNPENNY_WEB__PROT": "1"})


def test_a_wrong_value_of_a_variable_is_reported_with_the_variable():
    environ = {"SPAWNPENNY_WEB__PORT": "x", "SPAWNPENNY_TOKENS__HUB__SCOPES": "[root]"}
    message = refusal(environ=environ)
    assert "In $SPAWNPENNY_WEB__PORT: web.port: " in message
    assert "In $SPAWNPENNY_TOKENS__HUB__SCOPES: tokens.hub.scopes.0: " in message
    assert "In the environment: tokens.hub.sha256: " in message


def test_a_variable_that_is_no_yaml_is_refused_by_name_and_not_quoted():
    message = refusal(environ={"SPAWNPENNY_WEB__HOST": "[s3cr3t"})
    assert message == "The value of $SPAWNPENNY_WEB__HOST is not YAML."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"webb": {}}, "webb: 'webb' is not known here; did you mean 'web'?"),
        ({"web": {"prot": 1}}, "web.prot: 'prot' is not known here; did you mean 'port'?"),
        (
            {"broker": {"claims": 9}},
            "'claims' is not known here; known are account, account_namespace, annotations, concu",
        ),
        (
            {"broker": {"patience": 9}},
            "broker.patience: 'patience' is not known here; known are account, account_namesp",
        ),
        ({"broker": {"expire": 9}}, "broker.expire: 'expire' is not known here; did you mean 'expiry'?"),
        ({"replicas": {"certified": "x"}}, "'certified' is not known here; did you mean 'certificate_name'?"),
        (
            {"tokens": {"hub": {"sha256": SHA, "scope": []}}},
            "tokens.hub.scope: 'scope' is not known here; did you mean",
        ),
        ({"embedded": {"zzz": 1}}, "embedded.zzz: 'zzz' is not known here; known are folder, images."),
        ({1: 2}, "1: '1' is not known here;"),
    ],
)
def test_an_unknown_key_is_reported_with_its_place_and_the_nearest(data, message):
    assert message in refusal(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"web": {"port": "8080"}}, "web.port: "),
        ({"web": {"port": True}}, "web.port: "),
        ({"web": {"port": 65536}}, "web.port: "),
        ({"web": []}, "web: "),
        ({"web": None}, "web: "),
        ({"cluster": "docker"}, "cluster: Must be one of: kubernetes, embedded."),
        ({"deadlines": {"spawn": 0}}, "deadlines.spawn: Seconds: above 0"),
        ({"deadlines": {"spawn": float("inf")}}, "deadlines.spawn: "),
        ({"namespaces": {"prefix": "Lab-"}}, "namespaces.prefix: Lower case letters"),
        ({"namespaces": {"prefix": "x" * 16}}, "namespaces.prefix: "),
        ({"namespaces": {"state": "a\n"}}, "namespaces.state: This is not a Kubernetes name"),
        ({"pods": {"images": "lab"}}, "pods.images: "),
        ({"broker": {"pod_security": "none"}}, "broker.pod_security: "),
        ({"tokens": {"hub": {"sha256": "zz", "scopes": []}}}, "tokens.hub.sha256: This is not the SHA-256"),
        ({"tokens": {"hub": {"sha256": SHA, "scopes": ["root"]}}}, "tokens.hub.scopes.0: "),
        ({"tokens": {"hub": {}}}, "tokens.hub.sha256: Missing"),
        ({"plugins": {"quota": 1}}, "plugins.quota: "),
        ({"plugins": {"a.b": {}}}, "plugins.a.b: "),
        ({"users": {"uid": 500}}, "users.uid is 500, below users.min_uid (1000)"),
        ({"users": {"min_uid": 0}}, "users.min_uid: "),
    ],
)
def test_a_wrong_value_is_reported_with_its_place(data, message):
    assert f"In the settings: {message}" in refusal(data) or refusal(data).startswith(message)


def test_a_wrong_token_is_not_quoted():
    assert "s3cr3t" not in refusal({"tokens": {"hub": {"sha256": "s3cr3t", "scopes": []}}})


def test_no_token_is_shown_by_printing_the_settings():
    settings = make_settings({"tokens": {"hub": {"sha256": "a" * 64, "scopes": []}}})
    assert "aaaa" not in repr(settings)


def test_a_missing_file_is_reported_by_name():
    assert refusal(file="/nothing.yaml") == "The settings file /nothing.yaml cannot be read: No such file or directory."


def test_a_file_that_is_no_yaml_is_reported_by_its_line_and_not_quoted(file):
    message = refusal(file=file("tokens:\n  hub: {sha256: s3cr3t\nweb: [\n"))
    assert message.endswith("is not YAML, at line 3, column 4.")


def test_a_file_without_a_mapping_is_refused(file):
    assert "has no mapping" in refusal(file=file("- a\n- b\n"))


def test_a_file_that_is_not_utf8_is_refused(tmp_path):
    (tmp_path / "s").write_bytes(b"web: \xff")
    assert refusal(file=str(tmp_path / "s")).endswith("is not UTF-8.")


@pytest.mark.parametrize("name", STANDARD_PLUGINS)
def test_a_misspelt_key_of_a_plugin_is_reported_with_its_place(name):
    with pytest.raises(SettingsError, match=rf"plugins\.{name}\.homme: 'homme' is not known here"):
        load_plugins(make_settings({"plugins": NO_SETTINGS | {name: {"homme": 1}}}))


def test_a_quantity_of_a_plugin_is_reported_with_its_place():
    plugins = NO_SETTINGS | {"lab": {"sizes": {"small": {"cpu": "1 core", "memory": "-1Gi"}}}}
    with pytest.raises(SettingsError) as refused:
        load_plugins(make_settings({"plugins": plugins}))
    assert "plugins.lab.sizes.small.cpu: '1 core' is not a quantity" in str(refused.value)
    assert "plugins.lab.sizes.small.memory: -1Gi is negative." in str(refused.value)


def schemas(base=StrictSchema):
    for subclass in base.__subclasses__():
        yield from (subclass, *schemas(subclass))


def settings_schemas():
    load_plugins(Settings())  # imports those of the standard plugins
    of_settings = [
        schema for schema in schemas() if schema.__module__.startswith(("spawnpenny.settings.model", "spawnpenny_"))
    ]
    # One that has a `_make` of its own makes another form of its keys.
    return [
        setting
        for setting in of_settings
        if dataclasses.is_dataclass(setting.model) and setting._make is StrictSchema._make
    ]


@pytest.mark.parametrize("schema", settings_schemas(), ids=lambda schema: schema.__name__)
def test_a_schema_has_the_fields_of_its_dataclass(schema):
    fields = {field.name for field in dataclasses.fields(schema.model) if not field.name.startswith("_")}
    assert set(schema().fields) == fields


@dataclasses.dataclass(frozen=True)
class Inner:
    port: int
    host: str | None = "h"


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner
    waits: tuple[Seconds, ...] = ()
    by_name: Mapping[str, Inner] = dataclasses.field(default_factory=dict)
    share: float = 0.5
    on: bool = False
    _own: int = 0
    size: Literal["small", "large"] = "small"
    free: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.on and self.size == "small":
            raise ValidationError("Too small.", "size")


def test_a_schema_is_what_the_types_of_a_dataclass_say():
    schema = schema_of(Outer)()
    data = {"inner": {"port": 1, "host": None}, "waits": [2, 3.5], "by_name": {"a": {"port": 4}}, "on": True}
    data |= {"size": "large", "free": {"a": None, "b": [1]}}
    loaded = Outer(Inner(1, None), (2, 3.5), {"a": Inner(4)}, on=True, size="large", free={"a": None, "b": [1]})
    assert schema.load(data) == loaded
    wrong = {
        "inner": {"port": "1", "hots": "x"},
        "waits": [0],
        "by_name": {"a": {}},
        "share": None,
        "on": "perhaps",
        "_own": 1,
        "size": "middle",
        "free": {1: 2},
    }
    with pytest.raises(ValidationError) as refused:
        schema.load(wrong)
    where = {field for field, _ in flatten(refused.value.messages)}
    assert where == {"inner.port", "inner.hots", "waits.0", "by_name.a.port", "share", "on", "_own", "size", "free.1"}
    with pytest.raises(ValidationError, match="inner"):
        schema.load({})
    with pytest.raises(ValidationError) as refused:
        schema.load({**data, "size": "small"})
    assert refused.value.messages == {"size": ["Too small."]}


@pytest.mark.parametrize("key", ["team", "example.org/team", "scheduler.alpha.kubernetes.io/node-selector", "A_b.c"])
def test_the_broker_takes_labels_and_annotations_that_kubernetes_takes(key):
    broker = make_settings({"broker": {"labels": {key: "x-1"}, "annotations": {key: "any text: ü"}}}).broker
    assert (broker.labels, broker.annotations) == ({key: "x-1"}, {key: "any text: ü"})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"pod-security.kubernetes.io/enforce": "privileged"}, "set this one themselves"),
        ({"spawnpenny.io/user": "ada"}, "set this one themselves"),
        ({"kubernetes.io/metadata.name": "x"}, "set this one themselves"),
        ({"a b": "x"}, "not the key of a label"),
        ({"-a": "x"}, "not the key of a label"),
        ({"team": "two words"}, "not the value of a label"),
        ({"team": "x" * 64}, "not the value of a label"),
    ],
)
def test_labels_of_namespaces_that_are_not_the_sites_to_give_are_refused(labels, message):
    assert message in refusal({"broker": {"labels": labels}})


@pytest.mark.parametrize("path", ["srv", "/srv/", "/srv/../etc", "//srv", "/srv/.", ""])
def test_a_host_path_that_the_fence_could_not_compare_is_refused(path):
    assert "not an absolute path" in refusal({"pods": {"host_paths": [path]}})
