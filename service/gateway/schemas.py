"""The schemas of OpenAPI and AsyncAPI, in the form that generators of clients accept.

pydantic writes what holds; generators stumble over some of it. Here each component is titled by its
name and nothing else has a title, since several generators name a type by its title and then take
two of one title for the same. A default that is an object or a list moves to the description,
since one beside a reference is refused or ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

#: Keywords that hold one schema, several, or several by name.
_ONE = ("items", "additionalProperties", "not", "contains")
_SEVERAL = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs")


def simplify_components(schemas: dict[str, Any]) -> None:
    """Bring the schemas of a document's components into that form, in place."""
    for name, schema in schemas.items():
        simplify(schema)
        schema["title"] = name


def simplify(schema: dict[str, Any]) -> None:
    """Take titles, and defaults that are objects or lists, out of a schema and all below it."""
    schema.pop("title", None)
    default = schema.get("default")
    if isinstance(default, dict | list):
        del schema["default"]
        text = f"Default: {json.dumps(default)}." if default else ""
        described = f"{schema.get('description', '')} {text}".strip()
        if described:
            schema["description"] = described
    for inner in _below(schema):
        simplify(inner)


def _below(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    found = [schema.get(key) for key in _ONE]
    for key in _SEVERAL:
        found.extend(schema.get(key, ()))
    for key in _NAMED:
        found.extend(schema.get(key, {}).values())
    return (one for one in found if isinstance(one, dict))


def rename(document: Any, names: dict[str, str]) -> Any:
    """Give a document with its components, and all references to them, under other names."""
    references = {f"#/components/schemas/{old}": new for old, new in names.items()}

    def renamed(part: Any) -> Any:
        if isinstance(part, list):
            return [renamed(item) for item in part]
        if isinstance(part, dict):
            return {key: renamed(item) for key, item in part.items()}
        if isinstance(part, str) and part in references:
            return f"#/components/schemas/{references[part]}"
        return part

    made = renamed(document)
    schemas = made["components"]["schemas"]
    made["components"]["schemas"] = {names.get(name, name): one for name, one in schemas.items()}
    return made
