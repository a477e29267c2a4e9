"""The docs are held to the code."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import spawnpenny_dask.errors  # noqa: F401
import spawnpenny_storage.errors  # noqa: F401
import yaml

from spawnpenny import errors
from spawnpenny.api import Kind, hookimpl
from spawnpenny.cli.lab import lab
from spawnpenny.cli.migrate import migrate
from spawnpenny.cli.plugin.command import plugin
from spawnpenny.cli.user import user
from spawnpenny.domain.dashboards import Dashboard
from spawnpenny.domain.kinds import Kinds
from spawnpenny.domain.users import User
from spawnpenny.plugin import spec as plugin_spec
from spawnpenny.plugin.manager import load_plugins
from spawnpenny.settings import model as settings_model
from spawnpenny.settings.load import make_settings
from spawnpenny.settings.model import Settings
from spawnpenny.testing.contract import StepContract
from spawnpenny.testing.contract.rules import KIND_RULES, RULES
from spawnpenny.testing.site import settled, start, stop
from spawnpenny.testing.web_server import serve_site, token_settings
from spawnpenny.web.dashboards import dashboard_routes
from spawnpenny.web.kind_spawns import KindSpawns
from spawnpenny.web.kinds.routes import generic_routes
from spawnpenny.web.routes import routes
from spawnpenny.web.tickets import ticket_route

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]


def page(name):
    return (ROOT / name).read_text()


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", page(name), re.DOTALL)


def block(part):
    """Return the block of Python in the plugins' page that has this part."""
    (found,) = [block for block in blocks("docs/how-to/plugins.md", "python") if part in block]
    return found


def all_errors(base=errors.SpawnpennyError):
    yield base
    for subclass in base.__subclasses__():
        yield from all_errors(subclass)


def hooks():
    return {name: value for name, value in vars(plugin_spec).items() if name.startswith("spawnpenny_")}


@pytest.mark.parametrize("name", sorted(hooks()))
def test_each_hook_is_documented_with_its_arguments(name):
    arguments = ", ".join(inspect.signature(hooks()[name]).parameters)
    assert f"### `{name}({arguments})`" in page("docs/how-to/plugins.md")


def test_each_error_code_is_documented_with_its_status():
    text = page("docs/reference/errors.md")
    shipped = [
        error
        for error in all_errors()
        if error.__module__.startswith(("spawnpenny.", "spawnpenny_dask.", "spawnpenny_storage."))
    ]
    assert [error.code for error in shipped if f"`{error.code}`" not in text] == [], "docs/reference/errors.md"
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text, re.MULTILINE)
    statuses = {error.code: error.status for error in shipped}
    assert [(code, status) for code, status in rows if statuses.get(code) != int(status)] == [], (
        "wrong row in errors.md"
    )


def test_each_route_is_documented_with_its_scopes():
    rows = dict(
        re.findall(
            r"^\| `((?:GET|PUT|DELETE|POST) [^`]+)` \| ([^|]+) \|", page("docs/reference/http-api.md"), re.MULTILINE
        )
    )
    anything = Kind("any", "{plural}", "any", scales=True, dashboard=Dashboard("/.*", authenticated=True))
    of_kind = generic_routes(Kinds({"any": anything}), but="lab")["any"]
    generic = (*of_kind, ticket_route(anything), *dashboard_routes(anything))
    of_plugins = [route for _, found in load_plugins(Settings()).routes(KindSpawns) for route in found]
    for route in (*routes(), *generic, *of_plugins):
        name = f"{route.method} {route.path}"
        assert name in rows, "write a row in docs/reference/http-api.md"
        scopes = set(re.findall(r"`([a-z]+(?::\w+)?)`", rows.pop(name)))
        assert scopes - route.access.own == route.access.any - route.access.own, route.path
    assert rows == {}, "no such route: remove the row from docs/reference/http-api.md"


def leaves(cls, path=()):
    """Yield the dotted name of each setting."""
    for field in dataclasses.fields(cls):
        name = (*path, field.name)
        inner = None if path else getattr(settings_model, f"{field.name.rstrip('s').capitalize()}Settings", None)
        if field.name.startswith("_"):
            continue
        if field.name == "tokens":
            yield from (f"tokens.<name>.{field.name}" for field in dataclasses.fields(settings_model.TokenSettings))
        elif field.name == "plugins":
            yield "plugins.<name>"
        elif inner is not None:
            yield from leaves(inner, name)
        else:
            yield ".".join(name)


def test_each_setting_is_documented_and_no_other():
    table = page("docs/reference/settings.md").partition("| key | meaning |")[2].partition("\n\n")[0]
    documented = {
        name for row in re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)
    }
    known = set(leaves(Settings))
    assert known - documented == set(), "write a row in docs/reference/settings.md"
    assert documented - known == set(), "no such setting: remove the row from docs/reference/settings.md"


def test_the_settings_page_shows_the_defaults():
    data = yaml.safe_load(blocks("docs/reference/settings.md", "yaml")[0])
    for name in leaves(Settings):
        section, _, key = name.partition(".")
        assert "<" in key or key in ("", *(data[section] or ())), (
            f"{name}: write its default at the top of the settings page"
        )
    shown = make_settings(data)
    assert dataclasses.replace(shown, tokens={}, plugins={}) == dataclasses.replace(Settings(), plugins={})


@pytest.mark.parametrize("plugin", ["namespace", "quota", "user", "lab", "jupyterhub", "oidc", "storage"])
def test_the_settings_in_a_plugins_readme_load(plugin):
    for block in blocks(f"plugins/{plugin}/README.md", "yaml"):
        data = {"plugins": {"namespace": {}, **yaml.safe_load(block)["plugins"]}}
        load_plugins(make_settings(data))


def test_the_readme_has_the_two_commands_and_the_makefile_has_them_too():
    commands = [block.strip() for block in blocks("README.md", "sh")]
    assert commands == ["make demo", "make test"]
    targets = re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE)
    assert {"demo", "test", "lint", "docs", "bench", "test-all", "lock"} <= set(targets)


async def test_the_readmes_first_plugin_works(embedded_site):
    (source,) = blocks("README.md", "python")
    assert len([line for line in source.splitlines() if line.strip()]) == 10
    module = SimpleNamespace()
    exec(source, module.__dict__)
    embedded_site.plugins = {"welcome": module}
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert run.record.reason is None
    assert (await embedded_site.read("ConfigMap", "welcome"))["data"] == {"motd": "Welcome, ada!"}


async def test_the_test_in_the_plugins_page_passes(embedded_site, tmp_path):
    (source,) = blocks("README.md", "python")
    test = block("async def test_every_user_is_welcomed")
    module = SimpleNamespace()
    exec(source, module.__dict__)
    embedded_site.plugins = {"welcome": module}
    namespace = {}
    exec(test, namespace)
    await namespace["test_every_user_is_welcomed"](embedded_site)


async def test_the_spawn_step_in_the_plugins_page_works(embedded_site):
    source = block("class Licence")
    module = SimpleNamespace()
    exec(source, module.__dict__)
    embedded_site.plugins = {"licences": module}
    async with embedded_site.service() as service:
        run = await settled(await start(service))
        assert "ConfigMap/lab.licence" in await embedded_site.objects(spawn=run.record.id)
        await stop(service)
        assert "ConfigMap/lab.licence" not in await embedded_site.objects()


async def test_the_spawn_step_in_the_plugins_page_keeps_the_contract_as_the_page_tests_it(store_cluster):
    source, test = block("class Licence"), block("async def test_the_licence_keeps")
    module, namespace = SimpleNamespace(), {}
    exec(source, module.__dict__)
    exec(test, namespace)
    namespace["StepContract"] = partial(StepContract, plugins={"welcome": module})
    await namespace["test_the_licence_keeps_the_contract"](store_cluster)


async def test_the_designs_in_the_plugins_page_work(embedded_site):
    module = SimpleNamespace()
    exec(block("spawnpenny_profiles"), module.__dict__)
    profiles = [{"display_name": name, "slug": name.lower()} for name in ("Small", "GPU")]
    embedded_site.data["plugins"]["lab"] = {"profile_list": profiles}
    embedded_site.plugins = {"designs": module}
    async with embedded_site.service() as service:
        form = {field.name: field for field in service.plugins.form(User("ada", 1000, 100))}
        assert [choice.value for choice in form["profile"].choices] == ["small"]
        await settled(await start(service, options={"minutes": 30}))
        pod = await embedded_site.read("Pod", "lab")
        assert pod["spec"]["activeDeadlineSeconds"] == 1800
        assert pod["metadata"]["labels"]["team"] == "ada"


async def test_the_contract_of_a_kind_in_the_plugins_page_runs(store_cluster):
    namespace = {}
    exec(block("import KindContract"), namespace)
    await namespace["test_labs_keep_the_contract"](store_cluster)


def test_each_rule_of_the_contract_is_documented_and_no_other():
    for heading, rules in (("### The contract of a step", RULES), ("### The contract of a kind", KIND_RULES)):
        section = page("docs/how-to/plugins.md").partition(heading)[2].partition("\n### ")[0]
        rows = re.findall(r"^\| (`[^|]*`) \|", section, re.MULTILINE)
        assert sorted(name for row in rows for name in re.findall(r"`([a-z-]+)`", row)) == sorted(rules)


async def test_the_route_in_the_plugins_page_answers(embedded_site):
    source = block("def spawnpenny_routes")
    module = SimpleNamespace(
        spawnpenny_kinds=hookimpl(lambda: [Kind("ray", "rays", "Ray cluster")], specname="spawnpenny_kinds")
    )
    exec(source, module.__dict__)
    embedded_site.plugins = {"ray": module}
    embedded_site.data["tokens"] = token_settings({"ada": (["read:self"], "ada")})
    async with serve_site(embedded_site) as server, server.client("ada") as ada:
        answer = await ada.get("/v1/users/ada/rays/r1/address")
        assert (answer.status, (await answer.json())["detail"]) == (404, "There is no Ray cluster 'r1'.")


def test_the_commands_in_the_plugins_page_are_commands():
    source = block("def spawnpenny_commands")
    module = {}
    exec(source, module)
    (command,) = module["spawnpenny_commands"]()
    assert (command.name, command.target) == ("ray-top", "spawnpenny_ray.top:top")


def options(command):
    for name, subcommand in sorted(command.commands.items()):
        spelt = {text for option in subcommand.params for text in (*option.opts, *option.secondary_opts)}
        yield f"{command.name} {name}", {text for text in spelt if text.startswith("--")}


@pytest.mark.parametrize(("name", "known"), [*options(lab), *options(user), *options(migrate), *options(plugin)])
def test_each_option_of_the_clients_commands_is_documented_and_no_other(name, known):
    (section,) = re.findall(
        rf"^### `spawnpenny {name}.*?(?=^##|\Z)", page("docs/reference/command-line.md"), re.MULTILINE | re.DOTALL
    )
    heading, _, table = section.partition("\n")
    documented = set(re.findall(r"`(--[a-z-]+)", table))
    shared = set() if name.startswith(("migrate", "plugin")) else {"--url", "--token-file"}
    assert documented | shared == known, heading


def test_the_json_of_the_docs_is_json():
    for block in blocks("docs/reference/http-api.md", "json"):
        assert isinstance(json.loads(block), dict)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
