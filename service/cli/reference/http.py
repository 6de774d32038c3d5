"""The page of REST calls, from the service's OpenAPI document."""

from __future__ import annotations

from typing import Any

from volition.service.cli.reference import configuration, schemas
from volition.service.sessions.schema import session_schema

HEAD = """# REST

Written from `/openapi.json`, which has the same for programs. [The protocol](../protocol.md) says
how the calls belong together.
"""


def page() -> str:
    """Write the page."""
    from volition.service.gateway.app import create_app

    api = create_app().openapi()
    parts = [HEAD]
    for tag in api["tags"]:
        parts.append(f"\n## {tag['name'].capitalize()}\n\n{tag['description']}\n")
        for path, calls in api["paths"].items():
            parts += [
                _call(method, path, call)
                for method, call in calls.items()
                if tag["name"] in call["tags"]
            ]
    return "".join(parts) + "\n## Bodies\n" + bodies(api["components"]["schemas"])


def bodies(components: dict[str, schemas.Schema]) -> str:
    """Write each schema of a document but those of the configuration, which has a page."""
    settings = configuration.anchors_of(session_schema())
    parts = []
    for name, one in sorted(components.items()):
        if name in settings:
            continue
        keys = schemas.table(one, link) or f"{schemas.value(one, link)}\n"
        about = schemas.text(one.get("description", ""))
        parts.append(f"\n### {name}\n\n{about}\n\n{keys}")
    return "".join(parts)


def link(name: str) -> str:
    """Give a link to a schema: here, or on the page of the configuration."""
    anchor = configuration.anchors_of(session_schema()).get(name)
    return f"[{name}](configuration.md#{anchor})" if anchor else schemas.link_to(name)


def _call(method: str, path: str, call: dict[str, Any]) -> str:
    parts = [f"\n### {method.upper()} {path}\n\n", f"{call.get('description', '').strip()}\n\n"]
    if parameters := call.get("parameters"):
        parts.append("| parameter | in | value | meaning |\n| --- | --- | --- | --- |\n")
        parts += [
            f"| `{one['name']}` | {one['in']} | {schemas.value(one['schema'])} "
            f"| {schemas.text(one.get('description', ''))} |\n"
            for one in parameters
        ]
        parts.append("\n")
    if "requestBody" in call:
        parts.append(f"Body: {_content(call['requestBody'])}.\n\n")
    parts.append("| answer | holds |\n| --- | --- |\n")
    parts += [
        f"| {status} | {_content(answer) or schemas.text(answer.get('description', ''))} |\n"
        for status, answer in sorted(call["responses"].items())
    ]
    return "".join(parts)


def _content(body: dict[str, Any]) -> str:
    found = body.get("content", {})
    return " or ".join(
        schemas.value(one["schema"], link) if one.get("schema") else f"`{media_type}`"
        for media_type, one in found.items()
    )
