"""The page of WebSocket messages, from the service's AsyncAPI document."""

from __future__ import annotations

from typing import Any

from volition.service.cli.reference import http, schemas

HEAD = """# WebSockets

Written from `/asyncapi.json`, which has the same for programs. [The protocol](../protocol.md) says
what comes when.
"""


def page() -> str:
    """Write the page."""
    from volition.service.gateway.app import VERSION
    from volition.service.gateway.asyncapi import asyncapi_document

    api = asyncapi_document(VERSION)
    parts = [HEAD]
    for channel in api["channels"].values():
        parts.append(f"\n## {channel['address']}\n\n{channel['description']}\n\n")
        query = channel["bindings"]["ws"]["query"]
        parts.append(schemas.table(query).replace("| key |", "| parameter |", 1) + "\n")
        parts += [_message(name, one) for name, one in channel["messages"].items()]
    return "".join(parts) + "\n## Messages\n" + http.bodies(api["components"]["schemas"])


def _message(sent_by: str, message: dict[str, Any]) -> str:
    about = schemas.text(message.get("description", ""))
    holds = schemas.value(message["payload"], http.link)
    return f"- **{sent_by}**: {about or holds}\n"
