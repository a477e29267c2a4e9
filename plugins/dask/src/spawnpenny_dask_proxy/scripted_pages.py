"""Pages of a dashboard whose scripts expect an origin: they get a storage of their own, which ends with the page.

Pages of dashboards have no origin. In such a page, a browser refuses its storage by an exception.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

import aiohttp

READABLE: Final = {"Access-Control-Allow-Origin": "null"}
"""Lets a page without an origin read an answer. The address of each answer has the capability."""
_HEAD: Final = re.compile(rb"<head(?:\s[^>]*)?>", re.IGNORECASE)
_LARGEST: Final = 4 * 1024 * 1024


def is_page(answer: aiohttp.ClientResponse) -> bool:
    """Return whether an answer is a whole page that can be changed."""
    length = answer.content_length
    return (
        answer.method == "GET"
        and answer.status == 200  # noqa: PLR2004 - OK
        and answer.content_type == "text/html"
        and "Content-Encoding" not in answer.headers
        and (length is None or length <= _LARGEST)
    )


async def read_page(answer: aiohttp.ClientResponse) -> bytes:
    """Return the page in an answer, with a storage for its scripts.

    Raises:
        ValueError: It is too large.

    """
    page = bytearray()
    async for chunk in answer.content.iter_any():
        page += chunk
        if len(page) > _LARGEST:
            raise ValueError("the page is too large")
    script = files("spawnpenny_dask_proxy").joinpath("static/storage.js").read_bytes().strip()
    return _HEAD.sub(lambda found: found[0] + b"<script>" + script + b"</script>", bytes(page), count=1)
