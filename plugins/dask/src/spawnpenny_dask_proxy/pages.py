"""The proxy's own pages. Their only script submits a form."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from aiohttp import web

_TICKET: Final = (
    "Opening the dashboard",
    "This leads to the dashboard of a cluster. From now on the link opens in this browser, and in no other.",
    '<form method="post"><button>Open</button></form>',
)


def ticket_page() -> web.Response:
    """Return the page that redeems a ticket by a form. The preview of a link, which sends no form, redeems nothing."""
    return _page(HTTPStatus.OK, *_TICKET, script=_static("submit.js"))


def notice(status: int, title: str, text: str) -> web.Response:
    """Return a page that explains why no dashboard is shown."""
    return _page(status, title, text)


def _page(status: int, title: str, text: str, more: str = "", *, script: str = "") -> web.Response:
    style = _static("page.css")
    policy = (
        f"default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; style-src {_hash(style)}"
    )
    scripts = ""
    if script:
        policy, scripts = f"{policy}; script-src {_hash(script)}", f"<script>{script}</script>"
    page = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="robots" content="noindex"><style>{style}</style></head>'
        f"<body><h1>{escape(title)}</h1><p>{escape(text)}</p>{more}{scripts}</body></html>\n"
    )
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return web.Response(status=status, text=page, content_type="text/html", headers=headers)


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _static(name: str) -> str:
    return files("spawnpenny_dask_proxy").joinpath(f"static/{name}").read_text(encoding="utf-8").strip()
