"""Choices of the form for which a user's quota has no room: in the schema, on the page, and in a browser."""

from __future__ import annotations

import shutil

import pytest
from bs4 import BeautifulSoup
from playwright.async_api import async_playwright

from spawnpenny.domain.availability import Shortage, unavailable
from spawnpenny.domain.forms import FormChoice, FormField

FORM = "/v1/users/ada/form"
MEMORY = {
    "m4": {"display_name": "4 GiB", "kubespawner_override": {"mem_limit": "4G"}},
    "m14": {"display_name": "14 GiB", "default": True, "kubespawner_override": {"mem_limit": "14G"}},
    "m64": {"display_name": "64 GiB", "kubespawner_override": {"mem_limit": "64G"}},
}
PROFILES = [
    {"display_name": "Small", "description": "4 GiB", "kubespawner_override": {"mem_limit": "4G"}},
    {"display_name": "Large", "default": True, "kubespawner_override": {"mem_limit": "13G"}},
    {
        "display_name": "Custom",
        "profile_options": {"memory": {"display_name": "Memory", "choices": MEMORY}},
    },
    {"display_name": "Huge", "description": "128 GiB", "kubespawner_override": {"mem_limit": "128G"}},
]


@pytest.fixture
async def hub(site, serving):
    site.data["plugins"]["lab"] = {"profile_list": PROFILES, "grace": 1}
    async with serving(site) as server, server.client("hub") as client:
        yield client


async def schema(client):
    async with client.get(FORM) as answer:
        return await answer.json()


async def page(client):
    async with client.get(FORM, headers={"Accept": "text/html"}) as answer:
        return BeautifulSoup(await answer.text(), "html.parser")


async def start_lab(client, name, profile):
    body = {"start": "s1", "options": {"profile": profile}, "env": {}}
    async with client.put(f"/v1/users/ada/labs/{name}", json=body) as answer:
        assert answer.status == 202, await answer.text()


def short(listed):
    return {entry["const"]: entry["unavailable"] for entry in listed if "unavailable" in entry}


def of_custom(found):
    rules = [entry["then"] for entry in found["allOf"] if "then" in entry]
    return next(rule["properties"]["memory"]["oneOf"] for rule in rules if "memory" in rule["properties"])


async def test_what_never_fits_is_reported_with_the_numbers(hub):
    found = await schema(hub)
    (huge,) = short(found["properties"]["profile"]["oneOf"]).values()
    assert huge == {
        "resource": "memory",
        "asked": "128Gi",
        "used": "0",
        "limit": "16Gi",
        "ever": False,
        "reason": "Needs 128 GiB of memory; your limit is 16 GiB.",
    }
    assert short(of_custom(found)).keys() == {"m64"}


async def test_what_fits_once_other_spawns_are_stopped_is_marked_so(hub):
    await start_lab(hub, "other", "small")
    found = await schema(hub)
    profiles = short(found["properties"]["profile"]["oneOf"])
    assert {name: choice["ever"] for name, choice in profiles.items()} == {"large": True, "huge": False}
    assert (
        profiles["large"]["reason"] == "Needs 13 GiB of memory; 4 GiB of your 16 GiB is in use. Stop something first."
    )
    assert {name: choice["ever"] for name, choice in short(of_custom(found)).items()} == {"m14": True, "m64": False}


async def test_what_a_lab_uses_does_not_count_against_its_own_next_start(hub):
    await start_lab(hub, "~default", "large")
    assert short((await schema(hub))["properties"]["profile"]["oneOf"]).keys() == {"huge"}
    async with hub.get(FORM, params={"lab": "other"}) as answer:
        other = await answer.json()
    assert short(other["properties"]["profile"]["oneOf"]).keys() == {"small", "large", "custom", "huge"}


async def test_the_page_begins_with_a_choice_that_fits_and_says_why_others_do_not(hub):
    await start_lab(hub, "other", "small")
    found = await page(hub)
    radios = {entry["value"]: entry for entry in found.select("input[name=profile]")}
    assert [name for name, radio in radios.items() if radio.has_attr("disabled")] == ["large", "huge"]
    assert [name for name, radio in radios.items() if radio.has_attr("checked")] == ["small"]
    ids = radios["huge"]["aria-describedby"].split()
    assert "your limit is 16 GiB" in found.find(id=ids[-1]).text
    options = {entry["value"]: entry for entry in found.select("select option")}
    assert [name for name, option in options.items() if option.has_attr("disabled")] == ["m14", "m64"]
    assert [name for name, option in options.items() if option.has_attr("selected")] == ["m4"]
    assert "your limit is 16 GiB" in options["m64"].text


async def test_where_all_fits_nothing_is_disabled(site, serving):
    site.data["plugins"]["lab"] = {"profile_list": PROFILES[:2], "grace": 1}
    async with serving(site) as server, server.client("hub") as client:
        found = await page(client)
    assert not found.select("[disabled]")
    assert found.select_one("input[checked]")["value"] == "large"


async def test_in_a_browser_what_does_not_fit_cannot_be_chosen_and_its_reason_is_seen(hub):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    await start_lab(hub, "other", "small")
    html = f"<!doctype html><title>x</title><form>{await page(hub)}<button>Start</button></form>"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = await browser.new_page()
        await tab.set_content(html)
        assert await tab.get_by_label("Huge").is_disabled()
        assert await tab.get_by_text("Needs 128 GiB of memory; your limit is 16 GiB.").is_visible()
        assert "your limit is 16 GiB" in await tab.get_by_label("Huge").evaluate(
            "each => each.getAttribute('aria-describedby').split(' ')"
            ".map(id => document.getElementById(id).textContent).join(' ')"
        )
        await tab.get_by_label("Small").focus()
        await tab.keyboard.press("ArrowDown")
        assert await tab.get_by_label("Custom").is_checked()
        assert await tab.get_by_label("Memory").input_value() == "m4"
        await browser.close()


def field(name, *values):
    return FormField(name, name, tuple(FormChoice(value, value) for value in values))


def judge_sum(most):
    def judge(answers):
        requested = sum(int(value.lstrip("abc")) for value in answers.values())
        return Shortage("memory", str(requested), "0", str(most)) if requested > most else None

    return judge


def test_a_choice_is_not_to_blame_for_another():
    form = [field("size", "a8", "a1"), field("image", "b1", "b2")]
    assert unavailable(form, judge_sum(8)).keys() == {("size", "a8")}


def test_a_choice_fits_where_one_of_its_own_options_does():
    inner = (field("memory", "c9", "c1"), field("disk", "b9", "b1"))
    form = [FormField("size", "size", (FormChoice("a1", "a1", fields=inner), FormChoice("a9", "a9")))]
    short_ = unavailable(form, judge_sum(5))
    assert short_.keys() == {("size", "a1", "memory", "c9"), ("size", "a1", "disk", "b9"), ("size", "a9")}


def test_where_nothing_fits_every_choice_is_reported():
    assert len(unavailable([field("size", "a8", "a9")], judge_sum(1))) == 2
