"""The page of a session's configuration: each key with its values, default and meaning."""

from __future__ import annotations

from typing import Any

import yaml

from volition.service.cli.reference import schemas
from volition.service.sessions.schema import session_schema

HEAD = """# Configuration

What a session file and the body of `POST /v1/sessions` may hold. Each key is checked; an unknown
one is refused with a sentence that names it. `GET /v1/schema` gives the same as JSON Schema.

"""
#: What the configuration chooses among by `kind`, and where its key stands.
_FAMILIES = {"stages": "Stages", "decoder": "Decoders", "outputs": "Outputs"}


def page() -> str:
    """Write the page."""
    schema = session_schema()
    families = _families(schema)
    chosen = {name for members in families.values() for name in members}
    anchors = anchors_of(schema)

    def link(name: str) -> str:
        return f"[{name}](#{anchors[name]})"

    parts = [HEAD, "## Session\n\n", schemas.table(_without_choices(schema), link)]
    for title, members in families.items():
        parts.append(f"\n## {title}\n")
        parts += [_section(kind, schema["$defs"][name], link) for name, kind in members.items()]
    parts.append("\n## Parts\n")
    rest = [name for name in schema["$defs"] if name not in chosen]
    parts += [_section(name, schema["$defs"][name], link) for name in rest]
    return "".join(parts)


def anchors_of(schema: schemas.Schema) -> dict[str, str]:
    """Give the place on this page of each schema that a configuration is made of, by its name."""
    kinds = {name: kind for members in _families(schema).values() for name, kind in members.items()}
    return {name: kinds.get(name, name.lower()) for name in schema["$defs"]} | {
        title: title.lower() for title in _FAMILIES.values()
    }


def _families(schema: schemas.Schema) -> dict[str, dict[str, str]]:
    """Give each family's kinds, by the name of the schema of each one's settings."""
    found = {}
    for key, title in _FAMILIES.items():
        mapping = _mapping(schema["properties"][key])
        found[title] = {ref.rpartition("/")[2]: kind for kind, ref in sorted(mapping.items())}
    return found


def _mapping(schema: Any) -> dict[str, str]:
    """Find what a key chooses among by `kind`."""
    if isinstance(schema, dict):
        found: dict[str, str] = schema.get("discriminator", {}).get("mapping", {})
        return found or _mapping(list(schema.values()))
    if isinstance(schema, list):
        return next(filter(None, map(_mapping, schema)), {})
    return {}


def _without_choices(schema: schemas.Schema) -> schemas.Schema:
    """Give the session's own keys; the kinds that some of them choose among have sections."""
    properties = dict(schema["properties"])
    for key, title in _FAMILIES.items():
        kept = {name: properties[key][name] for name in ("description",) if name in properties[key]}
        one = {"$ref": f"#/$defs/{title}"}
        properties[key] = kept | (one if key == "decoder" else {"type": "array", "items": one})
    return {**schema, "properties": properties}


def _section(title: str, schema: schemas.Schema, link: schemas.Link) -> str:
    about = schemas.text(schema.get("description", ""))
    keys = schemas.table(schema, link) or f"{schemas.value(schema, link)}\n"
    parts = [f"\n### {title}\n\n", f"{about}\n\n" if about else "", keys]
    for example in schema.get("examples", ())[:1]:
        written = yaml.safe_dump(example, sort_keys=False, allow_unicode=True)
        parts.append(f"\n```yaml\n{written}```\n")
    return "".join(parts)
