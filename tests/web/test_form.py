"""The spawn form over HTTP: who sees it, in which form, and what it makes of hostile names; and in a browser."""

from __future__ import annotations

import json
import shutil
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web
from bs4 import BeautifulSoup
from jsonschema import Draft202012Validator
from playwright.async_api import async_playwright

from spawnpenny.api import Checkbox, FormChoice, FormField, FreeText, Number, hookimpl
from spawnpenny.clients.forms import options_from_form
from spawnpenny.clients.http import Client
from spawnpenny.serving.server import listening
from spawnpenny.web.form.page import markup

FORM, LAB = "/v1/users/ada/form", "/v1/users/ada/labs/~default"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
EVIL = """<img src=x onerror="alert(1)">'"&amp;</select><script>alert(1)</script>"""
PROFILES = [
    {"display_name": "Small", "description": "For <b>most</b>; see <a href='https://example.org/?a&b'>the docs</a>"},
    {
        "display_name": "Large",
        "slug": "gpu",
        "profile_options": {
            "image": {
                "display_name": "Image",
                "choices": {
                    "default": {"display_name": "The default", "kubespawner_override": {"image": "spawnpenny/lab"}},
                    "slow": {"display_name": "Slow", "kubespawner_override": {"image": "slow"}},
                },
                "unlisted_choice": {
                    "enabled": True,
                    "display_name": "Image name",
                    "validation_regex": "[a-z]+:[0-9]+",
                    "validation_message": "A name, a colon and a number",
                    "kubespawner_override": {"image": "{value}"},
                },
            }
        },
    },
]


MINUTES = FormField("minutes", "Minutes", (), "At most <b>8 h</b>", number=Number(60, 15, 480, 15, "minutes"))
GPU = FormField("gpu", "With a GPU", checkbox=Checkbox())


def plugin(*fields):
    @hookimpl
    def spawnpenny_form(user):
        return [field(user) if callable(field) else field for field in fields]

    return SimpleNamespace(spawnpenny_form=spawnpenny_form)


@asynccontextmanager
async def requesting(serving, site, name="hub", **lab):
    site.data["plugins"]["lab"] |= lab
    async with serving(site) as server, server.client(name) as client:
        yield client


@pytest.fixture
def profiles(site):
    site.data["plugins"]["lab"] = {"profile_list": PROFILES, "grace": 1}


@pytest.fixture
def hours(site):
    site.plugins = {"hours": plugin(MINUTES, GPU)}


async def page(client, **query):
    answer = await client.get(FORM, headers=HTML, params=query)
    assert answer.status == 200, await answer.text()
    return BeautifulSoup(await answer.text(), "html.parser")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/schema+json"),
        ("*/*", "application/schema+json"),
        ("application/json", "application/json"),
        ("text/html", "text/html"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("application/schema+json;q=0.1, text/html;q=0.2", "text/html"),
        ("text/html;q=nonsense, image/png", "application/schema+json"),
    ],
)
async def test_the_caller_says_in_which_form_it_comes(hub, accept, kind):
    answer = await hub.get(FORM, headers={"Accept": accept} if accept else {})
    assert (answer.status, answer.content_type, answer.headers["Vary"]) == (200, kind, "Accept")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("reader", 200),
        ("spawner", 200),
        ("admin", 200),
        ("ada", 200),
        ("ada-lab", 200),
        ("ada-reader", 200),
        ("bob", 403),
        ("deleter", 403),
        ("commissioner", 403),
        (None, 401),
    ],
)
async def test_the_form_is_for_who_may_read_or_start(caller, name, status):
    assert (await (await caller(name)).get(FORM)).status == status


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"lab": "a/b"}, "lab"),
        ({"options": "{"}, "options"),
        ({"options": "[]"}, "options"),
        ({"image": "slow"}, "image"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(hub, query, field):
    answer = await hub.get(FORM, params=query)
    assert answer.status == 422
    assert (await answer.json())["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"image": "slow"},
        {"image": "fast"},
        {"image": 1},
        {"profile": "x"},
        {"size": "small", "image": "none"},
    ],
)
async def test_a_start_takes_what_the_schema_says(hub, options):
    schema = await (await hub.get(FORM)).json()
    Draft202012Validator.check_schema(schema)
    answer = await hub.put(LAB, json={"start": "s", "options": options})
    assert (answer.status == 202) == Draft202012Validator(schema).is_valid(options)


async def test_where_there_is_nothing_to_choose_there_is_no_form(serving, site):
    site.data["plugins"]["lab"] = {}
    async with serving(site) as server, Client(f"http://127.0.0.1:{server.port}", "hub-token") as client:
        assert await client.form("ada") == ""
        async with server.client("hub") as hub:
            schema = await (await hub.get(FORM)).json()
        assert Draft202012Validator(schema).is_valid({"size": "small", "image": "default"})


@pytest.mark.usefixtures("profiles")
async def test_the_fields_are_called_as_kubespawners_are(serving, site):
    async with requesting(serving, site) as hub:
        shown = await page(hub)
        names = [entry["name"] for entry in shown.select("[name]")]
    image = "profile-option-gpu--image"
    assert names == ["profile", "profile", image, f"{image}--unlisted-choice"]
    assert [entry["value"] for entry in shown.select("option")] == ["default", "slow", "unlisted-choice"]
    assert [entry["value"] for entry in shown.select("[checked], option[selected]")] == ["small", "default"]


@pytest.mark.usefixtures("profiles")
async def test_every_control_has_a_label_and_every_group_a_legend(serving, site):
    async with requesting(serving, site) as hub:
        shown = await page(hub)
    ids = [entry["id"] for entry in shown.select("[id]")]
    assert len(ids) == len(set(ids))
    for control in shown.select("input, select"):
        assert shown.select_one(f'label[for="{control["id"]}"]').text.strip()
    for described in shown.select("[aria-describedby]"):
        assert shown.find(id=described["aria-describedby"]).text.strip()
    assert all(entry.find("legend", recursive=False).text.strip() for entry in shown.select("fieldset"))


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(
    ("chosen", "selected", "written"),
    [
        ({"profile": "gpu", "image": "slow"}, ["gpu", "slow"], ""),
        ({"profile": "gpu", "image--unlisted-choice": "julia:1"}, ["gpu", "unlisted-choice"], "julia:1"),
        ({"profile": "gpu", "image": "gone"}, ["gpu", "default"], ""),
        ({"profile": "gpu", "image--unlisted-choice": "JULIA"}, ["gpu", "default"], ""),
        ({"profile": "gone", "image": "slow", "nonsense": 1}, ["small", "slow"], ""),
        ({}, ["small", "default"], ""),
    ],
)
async def test_the_form_begins_with_what_was_chosen_before_as_far_as_it_fits(serving, site, chosen, selected, written):
    async with requesting(serving, site) as hub:
        shown = await page(hub, options=json.dumps(chosen))
    assert [entry["value"] for entry in shown.select("[checked], option[selected]")] == selected
    assert shown.select_one("input[type=text]")["value"] == written


async def test_by_default_the_form_begins_with_the_options_of_the_last_start(hub):
    await hub.put(LAB, json={"start": "s", "options": {"image": "slow"}})
    assert (await page(hub)).select_one("option[selected]")["value"] == "slow"
    assert (await page(hub, lab="other")).select_one("option[selected]")["value"] == "default"
    assert (await page(hub, options="{}")).select_one("option[selected]")["value"] == "default"


async def test_a_plugins_fields_are_for_the_user_and_its_options_are_held_to_them(serving, site):
    def queue(user):
        choices = [FormChoice("day", "Day")] + [FormChoice(group.name, "Night") for group in user.groups]
        return FormField("queue", "Queue", tuple(choices))

    site.plugins = {"queues": plugin(queue)}
    async with requesting(serving, site) as hub:
        body = {"uid": 2000, "groups": [{"name": "owls", "id": 3000}]}
        await hub.put("/v1/users/ada", json=body)
        assert [entry["const"] for entry in (await (await hub.get(FORM)).json())["properties"]["queue"]["oneOf"]] == [
            "day",
            "owls",
        ]
        bob = await hub.put("/v1/users/bob/labs/x", json={"start": "s", "options": {"queue": "owls"}})
        assert (bob.status, (await bob.json())["errors"][0]["field"]) == (422, "options.queue")
        ada = await hub.put(LAB, json={"start": "s", "options": {"queue": "owls", "image": "slow"}})
        assert ada.status == 202


async def test_nothing_of_what_a_plugin_says_becomes_markup_that_it_should_not(serving, site):
    deep = FormField(f"x{EVIL}", EVIL, (FormChoice(f"1{EVIL}", EVIL), FormChoice("2", EVIL)), EVIL)
    evil = FormField(
        f"y{EVIL}",
        EVIL,
        (FormChoice(f"a{EVIL}", EVIL, EVIL, fields=(deep,)),),
        EVIL,
        FreeText(EVIL, EVIL, f'(?:{"x"})|"><b>', EVIL),
    )
    only_text = FormField("z", EVIL, (), EVIL, FreeText(EVIL, EVIL, None, EVIL))
    site.plugins = {"evil": plugin(evil, only_text)}
    async with requesting(serving, site) as hub:
        shown = await page(hub, options=json.dumps({"z--unlisted-choice": EVIL}))
    assert [entry.name for entry in shown.select("img, b, a")] == []
    assert len(shown.select("script")) == 1
    assert not [name for entry in shown.find_all() for name in entry.attrs if name.startswith("on")]
    assert [entry["value"] for entry in shown.select("input[type=radio]")][-2:] == [f"a{EVIL}", "unlisted-choice"]
    assert shown.select_one('input[name="z--unlisted-choice"]')["value"] == EVIL


async def test_a_start_takes_numbers_and_checkboxes_and_steps_see_them_typed(serving, site):
    seen = []

    @hookimpl
    def spawnpenny_pod_patch(spawn):
        seen.append(dict(spawn.options))

    site.plugins = {"hours": SimpleNamespace(**vars(plugin(MINUTES, GPU)), spawnpenny_pod_patch=spawnpenny_pod_patch)}
    async with requesting(serving, site) as hub:
        schema = (await (await hub.get(FORM)).json())["properties"]
        assert schema["minutes"] == {
            "title": "Minutes",
            "description": "At most <b>8 h</b>",
            "type": "integer",
            "minimum": 15,
            "maximum": 480,
            "default": 60,
            "multipleOf": 15,
            "unit": "minutes",
        }
        assert schema["gpu"] == {"title": "With a GPU", "type": "boolean", "default": False}
        refused = await hub.put(LAB, json={"start": "s", "options": {"minutes": 7}})
        assert (refused.status, (await refused.json())["errors"][0]["field"]) == (422, "options.minutes")
        started = await hub.put(LAB, json={"start": "s", "options": {"minutes": "30", "gpu": "true"}})
        assert started.status == 202
        assert seen[-1] == {"minutes": 30, "gpu": True}
        shown = await page(hub)
    assert shown.select_one("input[type=number]")["value"] == "30"
    assert shown.select_one("input[type=checkbox]").has_attr("checked")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("<b>bold</b> <i>it", "<b>bold</b> <i>it</i>"),
        ("one<br>two<br/>", "one<br>two<br>"),
        (
            '<a href="https://x.org/?a=1&b=2" onclick="x()">docs</a>',
            '<a href="https://x.org/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer">docs</a>',
        ),
        ('<a href="javascript:alert(1)">x</a>', "&lt;a href=&quot;javascript:alert(1)&quot;&gt;x&lt;/a&gt;"),
        ("<b onmouseover=alert(1)>x</b>", "<b>x</b>"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("</div></b>x", "&lt;/div&gt;&lt;/b&gt;x"),
        ("<b><i>x</b>y", "<b><i>x</i></b>y"),
        ("<!-- x --><?y><![CDATA[z]]>", None),
        ("<b", None),
        ("<svg/onload=alert(1)>", "&lt;svg/onload=alert(1)&gt;"),
    ],
)
def test_a_description_has_a_little_markup_and_no_more(text, html):
    assert html is None or markup(text) == html
    assert {entry.name for entry in BeautifulSoup(markup(text), "html.parser").find_all()} <= {"b", "i", "br", "a"}


@pytest.fixture
async def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        await browser.close()


class Hub:
    """A page with the fragment in its form, as JupyterHub's spawn page has it, and what was submitted of it."""

    def __init__(self, client):
        self.client = client
        self.policy = None
        self.chosen = {}
        self.options = []

    async def show(self, request):
        form = await self.client.form("ada", options=self.chosen)
        text = (
            f'<!doctype html><title>x</title><form method="post" enctype="multipart/form-data">{form}'
            '<input type="hidden" name="_xsrf" value="x"><button>Start</button></form>'
        )
        headers = {"Content-Security-Policy": self.policy} if self.policy else {}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def submit(self, request):
        data = await request.post()
        self.options.append(options_from_form({name: data.getall(name) for name in data}))
        return web.Response(text="done")


@pytest.fixture
async def spawn_page(serving, site, profiles):
    async with serving(site) as server, Client(f"http://127.0.0.1:{server.port}", "hub-token") as client:
        hub = Hub(client)
        app = web.Application()
        app.add_routes([web.get("/", hub.show), web.post("/", hub.submit)])
        async with listening(app, "127.0.0.1", 0) as port:
            hub.url = f"http://127.0.0.1:{port}/"
            yield hub


async def submitted(tab):
    await tab.get_by_role("button", name="Start").click()
    await tab.get_by_text("done").wait_for()


async def test_in_a_browser_only_what_applies_is_shown_checked_and_sent(browser, spawn_page):
    tab = await browser.new_page()
    problems = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    await tab.goto(spawn_page.url)
    image, text = tab.get_by_label("Image", exact=True), tab.get_by_label("Image name")
    assert not await image.is_visible()
    await tab.get_by_label("Small").focus()
    await tab.keyboard.press("ArrowDown")
    assert await tab.get_by_label("Large").is_checked()
    assert await image.is_visible()
    assert not await text.is_visible()
    await image.select_option("Other...")
    await text.fill("not a name")
    await tab.get_by_role("button", name="Start").click()
    assert await text.evaluate("each => each.validity.patternMismatch")
    assert spawn_page.options == []
    await text.fill("julia:1")
    await submitted(tab)
    assert spawn_page.options == [{"profile": "gpu", "image--unlisted-choice": "julia:1"}]
    assert problems == []


async def test_in_a_browser_what_was_written_and_left_does_not_count(browser, spawn_page):
    spawn_page.chosen = {"profile": "gpu", "image--unlisted-choice": "julia:1"}
    tab = await browser.new_page()
    await tab.goto(spawn_page.url)
    text = tab.get_by_label("Image name")
    assert await text.input_value() == "julia:1"
    await text.fill("not a name")
    await tab.get_by_label("Image", exact=True).select_option("Slow")
    await submitted(tab)
    assert spawn_page.options == [{"profile": "gpu", "image": "slow"}]


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.usefixtures("hours")
async def test_in_a_browser_numbers_and_boxes_are_checked_and_sent(browser, spawn_page, script):
    tab = await (await browser.new_context(java_script_enabled=script)).new_page()
    await tab.goto(spawn_page.url)
    minutes, gpu = tab.get_by_label("Minutes (minutes)"), tab.get_by_label("With a GPU")
    assert (await minutes.input_value(), await gpu.is_checked()) == ("60", False)
    if script:
        await minutes.fill("20")
        await tab.get_by_role("button", name="Start").click()
        assert await minutes.evaluate("input => input.validity.stepMismatch")
        assert spawn_page.options == []
    await minutes.fill("30")
    await submitted(tab)
    await tab.goto(spawn_page.url)
    await gpu.check()
    await submitted(tab)
    assert spawn_page.options == [
        {"profile": "small", "minutes": "30", "gpu": "false"},
        {"profile": "small", "minutes": "60", "gpu": "true"},
    ]


@pytest.mark.parametrize("policy", [None, "default-src 'none'", "default-src 'none'; style-src 'unsafe-inline'"])
async def test_in_a_browser_without_scripts_the_form_works(browser, spawn_page, policy):
    spawn_page.policy = policy
    context = await browser.new_context(java_script_enabled=policy is not None)
    tab = await context.new_page()
    await tab.goto(spawn_page.url)
    await tab.get_by_label("Large").check()
    image, text = tab.get_by_label("Image", exact=True), tab.get_by_label("Image name")
    await image.select_option("Other...")
    await text.fill("not a name")
    await image.select_option("Slow")
    assert await text.is_visible() == (policy == "default-src 'none'")
    await submitted(tab)
    assert spawn_page.options == [{"profile": "gpu", "image": "slow"}]
