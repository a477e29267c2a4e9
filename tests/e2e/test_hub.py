"""JupyterHub, its proxy and JupyterLab as they are, the service and the embedded cluster, seen in Chromium.

The Hub's ``consecutive_failure_limit`` is 1 here: one failure that counted would end it, and every test after that one.
"""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import expect

from spawnpenny.cli.demo_kernel import run_cell

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


async def start(page, **choices):
    """Start the default server by the form."""
    await page.click("#start")
    await page.wait_for_url("**/hub/spawn**")
    for label, choice in choices.items():
        await page.get_by_label(label).select_option(choice)
    await page.click("#spawn_form [type=submit]")


async def in_lab(page):
    """Wait until JupyterLab is there."""
    await page.wait_for_url("**/lab**")
    await page.wait_for_selector("#jp-main-dock-panel")


async def test_a_user_chooses_follows_the_steps_and_runs_a_cell(hall):
    page = await hall.login("ada")
    await start(page, Size="small")
    await page.wait_for_url("**/hub/spawn-pending/**")
    await page.click("#progress-details summary")
    log = page.locator("#progress-log")
    for told in ("quota: done", "lab.secret: done", "Waiting for the lab to answer"):
        await expect(log).to_contain_text(told)
    await in_lab(page)
    assert await cell(page, "6*7") == "42"
    await page.goto(f"{hall.hub.url}hub/home")
    await page.click("#stop")
    await expect(page.locator("#stop")).to_be_hidden()
    await page.reload()
    await expect(page.locator("#start")).to_contain_text("Start")
    assert await hall.pods("ada") == {}


async def cell(page, code):
    """Run a cell in a new notebook of the lab, with the keyboard, and return what it shows."""
    await page.locator(".jp-LauncherCard[data-category=Notebook]").first.click()
    editor = page.locator(".jp-Notebook .jp-Cell .cm-content").first
    await editor.click()
    await page.keyboard.type(code)
    await page.keyboard.press("Shift+Enter")
    output = page.locator(".jp-OutputArea-executeResult .jp-OutputArea-output").first
    await output.wait_for()
    return (await output.inner_text()).strip()
