"""Shows the OpenAPI document as one page of HTML."""

from __future__ import annotations

import json
from html import escape
from typing import Any


def render(document: dict[str, Any]) -> str:
    """Return the page."""
    info = document["info"]
    sections = [
        _operation(path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    schemas = [_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="docs/style.css"></head><body>'
        f"<header><h1>{title}</h1><p>{escape(info['description'])}</p>"
        '<p>For programs: <a href="openapi.json">openapi.json</a>. Send a token as '
        "<code>Authorization: Bearer …</code>. Every refusal is a problem document; "
        "compare its <code>code</code>.</p></header>"
        f"<main>{''.join(sections)}<h2>Schemas</h2>{''.join(schemas)}</main></body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    name, verb = escape(operation["operationId"]), escape(method)
    return (
        f'<section id="{name}"><h2><b class="{verb}">{verb.upper()}</b> <code>{escape(path)}</code></h2>'
        f"<p>{escape(operation['summary'])}</p>"
        f'<p class="scopes">{_scopes(operation.get("x-scopes"))}</p>'
        f"{_parameters(operation['parameters'])}{_body(operation)}{_responses(operation['responses'])}</section>"
    )


def _scopes(scopes: dict[str, list[str]] | None) -> str:
    if scopes is None:
        return "Needs no token."
    own = f" For one's own: {escape(', '.join(scopes['own']))}." if scopes["own"] else ""
    return f"Scopes: {escape(', '.join(scopes['any']))}.{own}"


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = [
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}</td>"
        f"<td>{escape(each.get('description') or each['schema'].get('description', ''))}</td></tr>"
        for each in parameters
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return "".join(f"<p>Body: {_link(each['schema'])}</p>" for each in content.values())


def _responses(responses: dict[str, Any]) -> str:
    rows = []
    for status, response in responses.items():
        kinds = [_link(each["schema"], kind) for kind, each in response.get("content", {}).items()]
        told = escape(response["description"])
        rows.append(f"<tr><td><code>{escape(status)}</code></td><td>{told}</td><td>{', '.join(kinds)}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _link(schema: dict[str, Any], otherwise: str = "") -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'<a href="#schema-{escape(name)}">{escape(name)}</a>' if name else escape(otherwise)


def _schema(name: str, schema: dict[str, Any]) -> str:
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    return f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3><pre>{escape(text)}</pre></section>'
