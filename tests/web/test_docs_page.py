"""The page of the API in a browser: it works under its own content security policy, in both colour schemes."""

from __future__ import annotations

import shutil

import pytest
from playwright.async_api import async_playwright, expect

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_request_is_tried_with_a_token_and_nothing_is_refused_or_kept(server, scheme):
    origin = f"http://127.0.0.1:{server.port}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(color_scheme=scheme)
        complaints, addresses = [], []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: addresses.append(request.url))
        await page.goto(f"{origin}/docs")
        await page.get_by_role("button", name="Authorize").click()
        await page.locator(".auth-container input").first.fill("ada-token")
        await page.get_by_role("button", name="Apply credentials").first.click()
        await page.locator(".btn-done").first.click()
        operation = page.locator("[id$='.whoami']")
        await operation.locator(".opblock-summary-control").click()
        await operation.get_by_role("button", name="Try it out").click()
        await operation.get_by_role("button", name="Execute").click()
        await expect(operation.locator(".live-responses-table")).to_contain_text("token:ada")
        assert ("dark-mode" in (await page.locator("html").get_attribute("class") or "")) == (scheme == "dark")
        assert (
            await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
            == '[{},{},""]'
        )
        await browser.close()
    assert complaints == []
    assert [address for address in addresses if not address.startswith((f"{origin}/", "data:"))] == []
