"""The page that shows the OpenAPI document: Swagger UI, from the files of the package ``flask-swagger-ui``."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE: Final = "flask_swagger_ui"

POLICY: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}
"""Headers of the page: no inline scripts, and no files from other servers. The style sheet has its icons as data."""


def render(document: dict[str, Any]) -> str:
    """Return the page. Its links are relative, so that they work under any path prefix of a proxy."""
    title = f"{escape(document['info']['title'])} {escape(document['info']['version'])}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="docs/swagger-ui.css"><link rel="stylesheet" href="docs/style.css">'
        '<script src="docs/swagger-ui-bundle.js" defer></script><script src="docs/page.js" defer></script></head>'
        '<body><noscript>This page needs JavaScript. Programs read <a href="openapi.json">openapi.json</a>'
        '.</noscript><div id="swagger-ui"></div></body></html>'
    )


@cache
def viewer_file(name: str) -> Path:
    """Return the path of a file of Swagger UI, without importing the package, which would import Flask."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(_PACKAGE)
    return Path(spec.origin).parent / "dist" / name
