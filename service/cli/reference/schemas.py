"""A JSON schema as tables: one for each object, a row for each of its keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
#: Gives the Markdown for a reference to another schema, by its name.
Link = Callable[[str], str]

_LIMITS = {
    "exclusiveMinimum": "> {}",
    "minimum": "≥ {}",
    "exclusiveMaximum": "< {}",
    "maximum": "≤ {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matching `{}`",
}
_PLAIN = {"string": "text", "object": "mapping", "boolean": "true or false", "null": "nothing"}


def link_to(name: str) -> str:
    """Give a link to the section of a schema on the same page."""
    return f"[{name}](#{name.lower()})"


def table(schema: Schema, link: Link = link_to) -> str:
    """Write an object's keys as a table; empty where it has none."""
    properties: Schema = schema.get("properties", {})
    if not properties:
        return ""
    required = schema.get("required", ())
    head = "| key | value | when left out | meaning |\n| --- | --- | --- | --- |\n"
    return head + "".join(
        f"| `{key}` | {value(one, link)} | {_default(one, key in required)} "
        f"| {text(one.get('description', ''))} |\n"
        for key, one in properties.items()
    )


def value(schema: Schema, link: Link = link_to) -> str:
    """Say in words what a value may be, with its limits."""
    return ", ".join([_kind(schema, link), *_limits(schema)])


def named(schema: Schema) -> Iterator[str]:
    """Yield the names of the schemas that one refers to, in order."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for one in schema.values():
        for inner in one if isinstance(one, list) else [one]:
            if isinstance(inner, Mapping):
                yield from named(inner)


def text(words: str) -> str:
    """Give a text for a cell of a table: on one line, its code as Markdown has it."""
    return re.sub(r"\s+", " ", words.replace("``", "`")).replace("|", "\\|").strip()


def _kind(schema: Schema, link: Link) -> str:
    if "$ref" in schema:
        return link(schema["$ref"].rpartition("/")[2])
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            kinds = [value(one, link) for one in schema[choice] if one.get("type") != "null"]
            return " or ".join(dict.fromkeys(kinds))
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return ", ".join(_code(one) for one in schema["enum"])
    if "allOf" in schema:
        return " and ".join(value(one, link) for one in schema["allOf"])
    kind: str = schema.get("type", "anything")
    if kind == "array":
        inner = schema.get("items") or schema.get("prefixItems", [{}])[0]
        return f"list of {value(inner, link)}"
    if kind == "object" and isinstance(inner := schema.get("additionalProperties"), Mapping):
        return f"mapping of names to {value(inner, link)}"
    return _PLAIN.get(kind, kind)


def _limits(schema: Schema) -> list[str]:
    return [
        said.format(str(schema[key]).replace("|", "\\|"))
        for key, said in _LIMITS.items()
        if key in schema
    ]


def _default(schema: Schema, required: bool) -> str:
    if required:
        return "*required*"
    if schema.get("default") is None:
        return ""
    return _code(schema["default"])


def _code(one: Any) -> str:
    return f"`{json.dumps(one, ensure_ascii=False)}`".replace("|", "\\|")
