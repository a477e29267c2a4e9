"""The example of each hook runs as it stands, and contributes what it says."""

from __future__ import annotations

import inspect
import json
import textwrap
from types import ModuleType, SimpleNamespace

import pytest

from spawnpenny.api import Credentials, Event, EventType, Group, Key, User
from spawnpenny.plugin import spec as plugin_spec
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings.model import Settings
from spawnpenny.web.routes import routes

HOOKS = {name: hook for name, hook in vars(plugin_spec).items() if name.startswith("spawnpenny_")}


@pytest.fixture
def example():
    """Load the standard plugins, and the example of a hook."""

    def load(hook):
        module = ModuleType("example")
        source = textwrap.dedent(inspect.getdoc(HOOKS[hook]).partition("Example::\n")[2])
        exec(source, module.__dict__)
        return load_plugins(Settings(), extra={"example": module})

    return load


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_when_it_is_called_and_has_an_example(hook):
    assert "Called " in HOOKS[hook].__doc__
    assert "@hookimpl" in HOOKS[hook].__doc__


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_type_for_all_that_it_takes_and_returns(hook):
    signature = inspect.signature(HOOKS[hook])
    annotations = [parameter.annotation for parameter in signature.parameters.values()] + [signature.return_annotation]
    assert inspect.Signature.empty not in annotations


def test_the_example_of_steps_makes_what_it_shows(example, spawn):
    (step,) = (step for step in example("spawnpenny_steps").steps if step.name == "welcome")
    assert [make["data"] for make in step.manifests(spawn)] == [{"welcome.txt": "Hello ada"}]


def test_the_example_of_steps_stands_between_namespace_and_lab(example):
    pipeline = example("spawnpenny_steps").pipelines["lab"]
    assert pipeline.depends("welcome", "namespace")
    assert pipeline.depends("lab.secret", "welcome")


def test_the_example_of_kinds_declares_one_that_no_step_provides_yet(example):
    plugins = example("spawnpenny_kinds")
    assert plugins.kinds.describe(Key("render", "r1")) == "rendering 'r1'"
    assert [step.name for step in plugins.pipelines["render"].steps] == [
        "namespace",
        "user.provision",
        "network",
        "quota",
        "user.files",
    ]
    assert not plugins.provides("render")


def test_the_example_of_a_pod_patch_is_merged(example, spawn):
    pod = {"spec": {"containers": []}}
    patches = dict(example("spawnpenny_pod_patch").pod_patches(spawn, pod))
    assert patches["example"] == {"metadata": {"labels": {"example.org/team": "blue"}}}


async def test_the_example_of_routes_adds_one(example):
    (route,) = (route for route in routes(example("spawnpenny_routes")) if route.name.startswith("example."))
    assert (route.method, route.path, route.name) == ("GET", "/v1/motto", "example.motto")
    assert json.loads((await route.handler(None)).text) == {"motto": "Spawn, and let spawn."}


def test_the_example_of_commands_has_one_that_runs_and_one_that_is_imported_later(capsys):
    module = {}
    exec(textwrap.dedent(inspect.getdoc(HOOKS["spawnpenny_commands"]).partition("Example::\n")[2]), module)
    motto, ray = module["spawnpenny_commands"]()
    motto.main([], standalone_mode=False)
    assert capsys.readouterr().out == "Spawn, and let spawn.\n"
    assert (ray.name, ray.get_short_help_str(), ray.target) == (
        *("render", "Inspect renderings."),
        "example_render.command:render",
    )


def test_the_example_of_gauges_counts_spawns_without_work(example):
    idle, busy = SimpleNamespace(idle_since=1.0), SimpleNamespace(idle_since=None)
    here = SimpleNamespace(of_users=lambda: [("ada", [idle, busy]), ("bob", [idle])])
    ((_, (gauge,)),) = (found for found in example("spawnpenny_gauges").gauges(lambda _: here) if found[0] == "example")
    assert (gauge.name, gauge.value) == ("spawnpenny_example_idle", 2)


async def test_the_example_of_an_authenticator_knows_everybody(example):
    (everybody,) = example("spawnpenny_authenticators").authenticators
    identity = await everybody.authenticate(Credentials(token=None, headers={}))
    assert (identity.name, identity.scopes) == ("guest", {"read:any"})


def test_the_example_of_a_form_is_for_the_user(example):
    plugins = example("spawnpenny_form")
    values = {
        groups: [choice.value for field in plugins.form(User("ada", 1, 1, groups)) for choice in field.choices][:2]
        for groups in ((), (Group("genome", 2),))
    }
    assert values == {(): ["none", "small"], (Group("genome", 2),): ["none", "hg38"]}


def test_the_example_of_an_observer_tells_of_a_failure(example, capsys):
    failed = Event("1-1", EventType.PHASE, 0.0, "no room", phase="failed")
    example("spawnpenny_observe").observe("ada", Key("lab", "x"), failed)
    assert capsys.readouterr().out == "ada's lab/x failed: no room\n"
