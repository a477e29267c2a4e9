"""Loading plugins: whatever is wrong stops the service, with a sentence that names the culprit."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from spawnpenny.api import Event, EventType, FormChoice, FormField, Key, SettingsError, Step, hookimpl
from spawnpenny.errors import PluginError
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.model import Settings


def refusal(settings=None, **extra):
    with pytest.raises(PluginError) as refused:
        load_plugins(settings or Settings(), extra=extra)
    return str(refused.value)


def only(*names, **sections):
    return make_settings({"plugins": {name: {} for name in names} | sections})


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution that provides one plugin."""

    def put(distribution, plugin, module, source=""):
        folder = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[spawnpenny]\n{plugin} = {module}\n")
        (tmp_path / f"{module}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)

    return put


def test_a_plugin_that_is_not_installed_is_reported_with_the_nearest():
    message = refusal(only("namespace", "quotas"))
    assert "'quotas'" in message
    assert "Did you mean 'quota'?" in message


def test_a_misspelt_hook_is_reported_with_its_plugin():
    @hookimpl
    def spawnpenny_stepps(settings):
        return []

    message = refusal(mine=SimpleNamespace(spawnpenny_stepps=spawnpenny_stepps))
    assert message == ("The plugin 'mine' has an unknown hook spawnpenny_stepps. Did you mean spawnpenny_steps?")


def test_a_hook_that_asks_for_what_there_is_not_is_reported_with_its_plugin():
    @hookimpl
    def spawnpenny_steps(setings):
        return []

    message = refusal(mine=SimpleNamespace(spawnpenny_steps=spawnpenny_steps))
    assert "'mine'" in message
    assert "setings" in message


def test_a_section_that_nobody_reads_is_refused(install):
    hook = "from spawnpenny.api import hookimpl\n@hookimpl\ndef spawnpenny_steps(settings):\n    return []\n"
    install("spawnpenny-deaf", "deaf", "deaf_plugin", hook)
    assert "section for deaf, but that plugin reads no settings" in refusal(only("deaf", deaf={"volume": 11}))


def test_a_plugin_without_a_hook_is_refused():
    assert "has no hook: each needs the decorator @hookimpl" in refusal(mine=SimpleNamespace(spawnpenny_steps=print))


def test_a_hook_that_raises_is_reported_with_its_plugin():
    @hookimpl
    def spawnpenny_steps(settings):
        raise KeyError("boom")

    message = refusal(mine=SimpleNamespace(spawnpenny_steps=spawnpenny_steps))
    assert message == "The hook spawnpenny_steps of the plugin 'mine' failed: KeyError: 'boom'"


def test_a_need_that_is_installed_and_not_named_says_where_to_name_it():
    message = refusal(only("quota"))
    assert "The plugin 'namespace' is installed: name it under plugins" in message


def test_a_plugin_that_cannot_be_imported_is_reported_with_the_reason(install):
    install("spawnpenny-broken", "broken", "broken_plugin", "raise OSError('no licence')")
    assert refusal(only("broken")) == "The plugin 'broken' cannot be imported: no licence"


def test_two_distributions_with_one_plugin_are_both_named(install):
    install("spawnpenny-other", "quota", "other_quota")
    assert refusal() == "Two distributions provide a plugin 'quota': spawnpenny-other and spawnpenny-quota."


def test_an_installed_plugin_that_no_setting_names_is_listed_but_not_loaded(install):
    install("spawnpenny-idle", "idle", "idle_plugin", "raise OSError('imported')")
    (info,) = (info for info in load_plugins(Settings()).infos() if info.name == "idle")
    assert (info.distribution, info.version, info.loaded) == ("spawnpenny-idle", "1.0", False)


@pytest.mark.parametrize("nonsense", [None, 1, "ab", [1], ["lab.pod"], {"a": 1}.values()])
def test_steps_that_are_none_are_reported_with_their_plugin(nonsense):
    @hookimpl
    def spawnpenny_steps(settings):
        return nonsense

    message = refusal(mine=SimpleNamespace(spawnpenny_steps=spawnpenny_steps))
    assert message == "The hook spawnpenny_steps of the plugin 'mine' has to return a list of Step objects."


@pytest.mark.parametrize("missing", ["name", "scope"])
def test_a_step_that_lacks_an_attribute_is_reported_with_its_plugin_and_class(missing):
    given = {"name": "vault", "kinds": frozenset({"lab"}), "scope": "user"}
    vault = type("Vault", (Step,), {key: value for key, value in given.items() if key != missing})
    steps = hookimpl(lambda: [vault()], specname="spawnpenny_steps")
    message = refusal(mine=SimpleNamespace(spawnpenny_steps=steps))
    assert "class Vault of" in message
    assert "plugin 'mine'" in message
    assert missing in message


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("needs", {1}), ("permissions", 1), ("deadline", "60"), ("deadline", 0), ("name", 7), ("kinds", {"notebook"})],
)
def test_a_step_with_a_wrong_attribute_is_reported_with_its_plugin_and_class(attribute, value):
    given = {"name": "vault", "kinds": frozenset({"lab"}), "scope": "user", attribute: value}
    vault = type("Vault", (Step,), given)
    steps = hookimpl(lambda: [vault()], specname="spawnpenny_steps")
    message = refusal(mine=SimpleNamespace(spawnpenny_steps=steps))
    assert re.search(rf"class Vault of (the )?plugin 'mine'.*{attribute}", message)


@pytest.mark.parametrize("hook", ["spawnpenny_steps", "spawnpenny_form", "spawnpenny_observe"])
def test_an_async_hook_is_refused_and_leaves_no_coroutine_behind(hook):
    async def implementation():
        raise AssertionError

    message = refusal(mine=SimpleNamespace(**{hook: hookimpl(implementation, specname=hook)}))
    assert message.startswith(f"The hook {hook} of the plugin 'mine' is async.")


def test_a_step_that_two_plugins_bring_is_refused(make_step, plugin_of):
    message = refusal(one=plugin_of(make_step("same")), two=plugin_of(make_step("same")))
    assert message == "Two steps are called 'same'; the second is from plugin 'two'."


def test_without_a_plugin_that_another_needs_the_service_does_not_start():
    assert "needs 'namespace', which no loaded plugin provides" in refusal(only("quota"))


def test_an_observer_that_raises_harms_no_other():
    seen = []

    def observer(receive):
        @hookimpl
        def spawnpenny_observe(event):
            receive(event.message)

        return SimpleNamespace(spawnpenny_observe=spawnpenny_observe)

    plugins = load_plugins(
        Settings(), extra={"a": observer(seen.append), "b": observer(int), "c": observer(seen.append)}
    )
    plugins.observe("ada", Key("lab", "x"), Event("1-1", EventType.INFO, 0.0, "hello"))
    assert seen == ["hello", "hello"]


def patching(plugin):
    @hookimpl
    def spawnpenny_pod_patch(pod):
        return pod and {"metadata": {}}

    plugin.spawnpenny_pod_patch = spawnpenny_pod_patch
    return plugin


def test_pod_patches_come_in_the_order_of_the_steps(spawn, make_step, plugin_of):
    extra = {
        "a-last": patching(SimpleNamespace()),
        "b-late": patching(plugin_of(make_step("late", needs=["early"]))),
        "c-early": patching(plugin_of(make_step("early"))),
    }
    patches = load_plugins(only(), extra=extra).pod_patches(spawn, {"metadata": {}})
    assert [name for name, _ in patches] == ["c-early", "b-late", "a-last"]


def test_a_patch_of_nothing_is_left_out(spawn):
    assert load_plugins(only(), extra={"mine": patching(SimpleNamespace())}).pod_patches(spawn, {}) == []


def form_of(*fields):
    @hookimpl
    def spawnpenny_form(settings):
        return list(fields)

    return SimpleNamespace(spawnpenny_form=spawnpenny_form)


QUEUE = FormField("queue", "Queue", (FormChoice("day", "Day"),))


@pytest.mark.parametrize(
    ("plugins", "message"),
    [
        (
            {"one": form_of(QUEUE), "two": form_of(QUEUE)},
            "The plugins 'one' and 'two' both have a form field 'queue'",
        ),
        (
            {"own": form_of(FormField("size", "Size", QUEUE.choices))},
            "The plugins 'lab' and 'own' both have a form field 'size'",
        ),
        (
            {"one": form_of("queue")},
            "The hook spawnpenny_form of the plugin 'one' has to return a list of FormField objects.",
        ),
        (
            {"one": form_of(FormField("a", "A"))},
            "'one' cannot be shown: the field a has neither choices nor a text, a number or a checkbox.",
        ),
    ],
)
def test_a_form_that_cannot_be_shown_is_reported_with_its_plugin(plugins, message):
    assert message in refusal(**plugins)


def test_a_plugin_with_nothing_but_a_form_reads_its_settings(install):
    source = (
        "from spawnpenny.api import StrictSchema, hookimpl\n"
        "class Schema(StrictSchema):\n    model = dict\n"
        "@hookimpl\ndef spawnpenny_form(settings):\n    settings.load('shy', Schema())\n    return []\n"
    )
    install("spawnpenny-shy", "shy", "shy_plugin", source)
    with pytest.raises(SettingsError, match=r"plugins\.shy\.colour: 'colour' is not known here"):
        load_plugins(only("shy", shy={"colour": "red"}))
