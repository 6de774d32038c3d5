"""The AsyncAPI document of the WebSocket, generated from the models that are sent."""

from __future__ import annotations

import functools
from typing import Any

from service.schemas import PROTOCOL, client_message_adapter, server_message_adapter


@functools.cache
def asyncapi_document(version: str) -> dict[str, Any]:
    """Describe ``/v1/sessions/{id}/intents`` as AsyncAPI 3.0."""
    schemas: dict[str, Any] = {}
    sent = _message_schema(server_message_adapter.json_schema, "ServerMessage", schemas)
    received = _message_schema(client_message_adapter.json_schema, "ClientMessage", schemas)
    channel = {"$ref": "#/channels/intents"}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Volition: intents by WebSocket", "version": version},
        "defaultContentType": "application/json",
        "channels": {
            "intents": {
                "address": "/v1/sessions/{id}/intents",
                "description": f"Subprotocol {PROTOCOL}; one JSON message per text frame.",
                "parameters": {"id": {"description": "The session's id."}},
                "bindings": {"ws": {"method": "GET", "query": _QUERY}},
                "messages": {"server": {"payload": sent}, "client": {"payload": received}},
            }
        },
        "operations": {
            "receive": {
                "action": "send",
                "summary": "What the service sends.",
                "channel": channel,
                "messages": [{"$ref": "#/channels/intents/messages/server"}],
            },
            "tell": {
                "action": "receive",
                "summary": "What the service understands.",
                "channel": channel,
                "messages": [{"$ref": "#/channels/intents/messages/client"}],
            },
        },
        "components": {"schemas": schemas},
    }


_QUERY = {
    "type": "object",
    "properties": {
        "after": {"type": "integer", "minimum": 0, "description": "Resume behind this number."},
        "kinds": {"type": "string", "description": "Kinds of intents wanted, by comma."},
        "ticket": {"type": "string", "description": "A ticket in the place of a token."},
        "max_rate": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "At most so many cursor intents a second.",
        },
    },
}


def _message_schema(json_schema: Any, name: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """Put a message's schema and its definitions among ``schemas``; give a reference to it."""
    schema = json_schema(
        by_alias=True, mode="serialization", ref_template="#/components/schemas/{model}"
    )
    schemas.update(schema.pop("$defs", {}))
    schemas[name] = schema
    return {"$ref": f"#/components/schemas/{name}"}
