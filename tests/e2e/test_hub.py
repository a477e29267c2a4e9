"""JupyterHub, its proxy and JupyterLab as they are, the service and the embedded cluster, seen in Chromium.

The Hub's ``consecutive_failure_limit`` is 1 here: one failure that counted would end it, and every test after that one.
"""

from __future__ import annotations

from contextlib import suppress

import aiohttp
import jupyterhub
import pytest
import pytest_asyncio
from playwright.async_api import Error, expect

from spawnpenny.cli.demo.kernel import run_cell

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPAWN_ERROR = ".spawn-error-msg, #progress-message"
"""Where the Hub tells why there is no server: above the form at once, else on the page of the progress."""
HELD = {"profile": "course"}


async def start(page, profile, image=None):
    """Start the default server by the form."""
    await page.click("#start")
    await page.wait_for_url("**/hub/spawn**")
    await page.get_by_label(profile, exact=True).check()
    if image:
        await page.get_by_label("Image", exact=True).select_option(label=image)
    await page.click("#spawn_form [type=submit]")


async def in_lab(page):
    """Wait until JupyterLab is there."""
    await page.wait_for_url("**/lab**")
    await page.wait_for_selector("#jp-main-dock-panel")


async def test_a_user_chooses_follows_the_steps_runs_a_cell_and_has_a_second_server(hall, picture):
    page = await hall.login("ada")
    await page.goto(f"{hall.hub.url}hub/spawn")
    await picture(page, "hub-form", height=640)
    await at_home(page, hall)
    await start(page, "Small", image="JupyterLab")
    await page.wait_for_url("**/hub/spawn-pending/**")
    await page.click("#progress-details summary")
    for message in ("quota: done", "lab.secret: done", "Waiting for the lab to answer"):
        await expect(page.locator("#progress-log")).to_contain_text(message)
    await picture(page, "hub-progress", height=640)
    await in_lab(page)
    assert await cell(page, "6*7") == "42"
    await add(page, hall, "second")
    await in_lab(page)
    assert "/user/ada/second/lab" in page.url
    assert len(await hall.pods("ada")) == 2
    await stop(page, hall, "second")
    assert len(await hall.pods("ada")) == 1
    await stop(page, hall)
    assert await hall.pods("ada") == {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(hall):
    """Have a lab that runs while others are killed; return its user."""
    await hall.hub.start_server("grace")
    await hall.hub.until_ready("grace")
    yield "grace"
    await hall.hub.stop_server("grace")


async def test_a_killed_hub_loses_no_lab_and_adopts_the_spawn_in_flight(hall, running):
    await hall.hub.start_server("bob", options=HELD)
    await hall.until_it_waits("bob")
    before = {user: await hall.pods(user) for user in (running, "bob")}
    await hall.hub.kill()
    assert await answers(hall, running)  # through the proxy, which goes on
    await hall.hub.start()
    await hall.until_polled(running)
    assert (await hall.hub.server(running))["ready"]
    await hall.release()
    await hall.hub.until_ready("bob")
    assert {user: await hall.pods(user) for user in before} == before
    assert await runs_cells(hall, running)
    assert await runs_cells(hall, "bob")
    assert hall.ends_polled() == []
    await hall.hub.stop_server("bob")


async def test_a_killed_service_loses_no_lab_and_the_page_of_a_spawn_in_flight_gets_to_its_lab(hall, running):
    page = await hall.login("eve")
    await start(page, "Course")
    await expect(page.locator("#progress-message")).to_contain_text("Waiting for the lab")
    before = {user: await hall.pods(user) for user in (running, "eve")}
    async with hall.service_killed():
        await hall.until_polled(running)
        assert (await hall.hub.server(running))["ready"]
        assert await runs_cells(hall, running)
    await hall.until_polled(running)
    await hall.release()
    await in_lab(page)
    assert {user: await hall.pods(user) for user in before} == before
    assert hall.ends_polled() == []
    await hall.hub.stop_server("eve")


async def test_a_refusal_by_the_quota_is_read_with_its_numbers(hall, picture):
    page = await hall.login("henry")
    await page.goto(f"{hall.hub.url}hub/spawn/henry?profile=huge")  # the form has it disabled
    await expect(page.locator(SPAWN_ERROR)).to_contain_text("asked 16, in use 0, limit 4")
    await picture(page, "hub-quota")


async def test_a_profile_that_is_not_there_is_reported(hall, picture):
    page = await hall.login("irene")
    await page.goto(f"{hall.hub.url}hub/spawn/irene?profile=smal")
    await expect(page.locator(SPAWN_ERROR)).to_contain_text("There is no profile 'smal'")
    await expect(page.locator(SPAWN_ERROR)).to_contain_text("Did you mean 'small'?")
    await picture(page, "hub-unknown-profile")


async def test_an_image_that_cannot_be_pulled_is_reported(hall, picture):
    page = await hall.login("judy")
    await start(page, "Small", image="An old one")
    await expect(page.locator(SPAWN_ERROR)).to_contain_text("The image registry.example/lab:2019 cannot be pulled")
    await picture(page, "hub-image")


async def test_none_of_these_failures_counts_for_the_hub(hall):
    assert "consecutive spawn" not in hall.hub.log.read_text()
    assert await hall.hub.api("GET", "") == (200, {"version": jupyterhub.__version__})


async def add(page, hall, name):
    """Add a named server and start it, from the Hub's home page."""
    await at_home(page, hall)
    await page.fill(".new-server-name", name)
    await page.click(".new-server-btn")
    await page.click(f"#start-{name}")
    await page.wait_for_url(f"**/hub/spawn/*/{name}")
    await page.click("#spawn_form [type=submit]")


async def stop(page, hall, name=None):
    """Stop a server from the Hub's home page."""
    await at_home(page, hall)
    await page.click(f"#stop-{name}" if name else "#stop")
    started = page.locator(f"#start-{name}" if name else "#start")
    await expect(started).to_contain_text("start", ignore_case=True)
    await expect(started).to_be_visible()


async def at_home(page, hall):
    await page.goto(f"{hall.hub.url}hub/home")
    await page.wait_for_function("window._jupyterhub_page_loaded")


async def answers(hall, user):
    async with aiohttp.request("GET", f"{hall.hub.url}user/{user}/api") as answer:
        return answer.status == 200


async def runs_cells(hall, user):
    token = await hall.hub.token_of(user)
    return await run_cell(f"{hall.hub.url}user/{user}/", token, "6*7") == "42"


async def cell(page, code):
    """Run a cell in a new notebook of the lab, with the keyboard, and return what it shows."""
    await page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    await page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]")
    editor = page.locator(".jp-Notebook .jp-Cell .cm-content").first
    await editor.click()
    await page.keyboard.type(code)
    output = page.locator(".jp-OutputArea-executeResult .jp-OutputArea-output").first
    while not await output.is_visible():  # what is run while the kernel's connection is being made can get lost
        await editor.click()
        await page.keyboard.press("Control+Enter")
        with suppress(Error):
            await output.wait_for(timeout=4000)
    return (await output.inner_text()).strip()
