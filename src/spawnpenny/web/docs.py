"""Shows the OpenAPI document as one page of HTML."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_CODE: Final = re.compile(r"`([^`]+)`")


def render(document: dict[str, Any]) -> str:
    """Return the page."""
    info, schemas = document["info"], document["components"]["schemas"]
    operations = [
        (path, method, operation) for path, each in document["paths"].items() for method, operation in each.items()
    ]
    sections = "".join(_operation(*each, schemas) for each in operations)
    described = "".join(_schema(name, schema) for name, schema in sorted(schemas.items()))
    title = f"{escape(info['title'])} {escape(info['version'])}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="docs/style.css"></head><body>'
        f"<header><h1>{title}</h1><p>{_text(info['description'])}</p>"
        '<p>For programs: <a href="openapi.json">openapi.json</a>. Send a token as '
        "<code>Authorization: Bearer …</code>. Every refusal is a "
        f"{_type(_reference('Problem'))}; compare its <code>code</code>.</p></header>"
        f"<nav><ul>{''.join(_entry(*each) for each in operations)}</ul></nav>"
        f"<main>{sections}<h2>Schemas</h2>{described}</main></body></html>"
    )


def _text(text: str) -> str:
    """Return a text as HTML; what stands between backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _heading(path: str, method: str) -> str:
    verb = escape(method)
    return f'<b class="{verb}">{verb.upper()}</b> <code>{escape(path)}</code>'


def _entry(path: str, method: str, operation: dict[str, Any]) -> str:
    summary = _text(operation["summary"])
    return f'<li><a href="#{escape(operation["operationId"])}">{_heading(path, method)}</a> {summary}</li>'


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    return (
        f'<section id="{escape(operation["operationId"])}"><h2>{_heading(path, method)}</h2>'
        f'<p>{_text(operation["summary"])} <span class="scopes">{_scopes(operation.get("x-scopes"))}</span></p>'
        f"{_parameters(operation['parameters'])}{_body(operation, schemas)}{_responses(operation['responses'])}"
        "</section>"
    )


def _scopes(scopes: dict[str, list[str]] | None) -> str:
    if scopes is None:
        return "Needs no token."
    wanted, own = (" or ".join(f"<code>{escape(scope)}</code>" for scope in scopes[each]) for each in ("any", "own"))
    return f"Needs {wanted}{f', or for what is one&#x27;s own {own}' if own else ''}."


def _parameters(parameters: list[dict[str, Any]]) -> str:
    rows = [
        (_name(each["name"], required=each["required"]), f"{escape(each['in'])}, {_type(each['schema'])}", _told(each))
        for each in parameters
    ]
    return _table("Parameters", rows)


def _body(operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parts = []
    for each in operation.get("requestBody", {}).get("content", {}).values():
        schema = schemas[_referred(each["schema"])]
        example = json.dumps(each["example"], indent=2, ensure_ascii=False)
        parts.append(f"{_fields('Body', schema)}<pre>{escape(example)}</pre>")
    return "".join(parts)


def _responses(responses: dict[str, Any]) -> str:
    rows = []
    for status, response in responses.items():
        kinds = [
            _type(each["schema"]) if "$ref" in each["schema"] else escape(kind)
            for kind, each in response.get("content", {}).items()
        ]
        rows.append((f"<code>{escape(status)}</code>", ", ".join(kinds), _text(response["description"])))
    return _table("Answers", rows)


def _schema(name: str, schema: dict[str, Any]) -> str:
    return f'<section id="schema-{escape(name)}">{_fields(name, schema)}</section>'


def _fields(caption: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (_name(name, required=name in required), _type(each), _told(each))
        for name, each in schema.get("properties", {}).items()
    ]
    return _table(caption, rows)


def _table(caption: str, rows: Sequence[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    cells = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption>{cells}</table>"


def _name(name: str, *, required: bool) -> str:
    mark = ' <span class="required">required</span>' if required else ""
    return f"<code>{escape(name)}</code>{mark}"


def _told(described: dict[str, Any]) -> str:
    return _text(described.get("description") or described.get("schema", {}).get("description", ""))


def _type(schema: dict[str, Any]) -> str:
    """Return what a value has to be, in words."""
    if "$ref" in schema:
        name = escape(_referred(schema))
        return f'<a href="#schema-{name}">{name}</a>'
    for several in ("anyOf", "allOf"):
        if several in schema:
            return " or ".join(_type(each) for each in schema[several])
    kinds = schema.get("type", "anything")
    plain = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    if plain == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(plain) + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    told = ""
    if isinstance(schema.get("additionalProperties"), dict):
        told += f" of {_type(schema['additionalProperties'])}"
    if "minimum" in schema and "maximum" in schema:
        told += f", {schema['minimum']:g} to {schema['maximum']:.10g}"
    if "maxLength" in schema:
        told += f", at most {schema['maxLength']} characters"
    if "pattern" in schema:
        told += f", <code>{escape(schema['pattern'])}</code>"
    if "enum" in schema:
        told += f": {', '.join(f'<code>{escape(str(each))}</code>' for each in schema['enum'])}"
    return told


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _referred(schema: dict[str, Any]) -> str:
    return str(schema["$ref"].rpartition("/")[2])
