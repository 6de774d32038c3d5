"""The AsyncAPI document of the WebSockets, generated from the models that are sent."""

from __future__ import annotations

import functools
from typing import Any

from volition.service.gateway.schemas import simplify_components
from volition.service.wire.messages import PROTOCOL, client_message_adapter, signal_message_adapter
from volition.service.wire.served import server_message_adapter
from volition.streams.signal.outline import SOURCES, encode_bins


@functools.cache
def asyncapi_document(version: str) -> dict[str, Any]:
    """Describe the sockets of a session as AsyncAPI 3.0."""
    schemas: dict[str, Any] = {}
    sent = _message_schema(server_message_adapter.json_schema, "ServerMessage", schemas)
    received = _message_schema(client_message_adapter.json_schema, "ClientMessage", schemas)
    shown = _message_schema(signal_message_adapter.json_schema, "SignalMessage", schemas)
    simplify_components(schemas)
    for schema in schemas.values():
        _name_discriminators(schema)
    channel = {"$ref": "#/channels/intents"}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Volition: intents and signals by WebSocket", "version": version},
        "defaultContentType": "application/json",
        "channels": {
            "intents": {
                "address": "/v1/sessions/{id}/intents",
                "description": f"Subprotocol {PROTOCOL}; one JSON message per text frame.",
                "parameters": {"id": {"description": "The session's id."}},
                "bindings": {"ws": {"method": "GET", "query": _QUERY}},
                "messages": {"server": {"payload": sent}, "client": {"payload": received}},
            },
            "signal": {
                "address": "/v1/sessions/{id}/signal",
                "description": f"Subprotocol {PROTOCOL}; JSON messages as text frames, and the "
                "signal's outline as binary ones.",
                "parameters": {"id": {"description": "The session's id."}},
                "bindings": {"ws": {"method": "GET", "query": _SIGNAL_QUERY}},
                "messages": {
                    "server": {"payload": shown},
                    "bins": {
                        "contentType": "application/octet-stream",
                        "description": encode_bins.__doc__,
                        "payload": {"type": "string", "format": "binary"},
                    },
                },
            },
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
            "show": {
                "action": "send",
                "summary": "The signal's outline, for a screen.",
                "channel": {"$ref": "#/channels/signal"},
                "messages": [
                    {"$ref": "#/channels/signal/messages/server"},
                    {"$ref": "#/channels/signal/messages/bins"},
                ],
            },
        },
        "components": {"schemas": schemas},
    }


_QUERY = {
    "type": "object",
    "properties": {
        "after": {"type": "integer", "minimum": 0, "description": "Resume after this number."},
        "life": {"type": "string", "description": "Life in which that number was given."},
        "kinds": {"type": "string", "description": "Kinds of intents wanted, separated by commas."},
        "ticket": {"type": "string", "description": "A ticket, instead of a token."},
        "max_rate": {
            "type": "number",
            "exclusiveMinimum": 0,
            "description": "Maximum number of cursor intents per second.",
        },
    },
}


_SIGNAL_QUERY = {
    "type": "object",
    "properties": {
        "source": {
            "enum": list(SOURCES),
            "description": "The signal as the decoder sees it, or as it arrived.",
        },
        "ticket": {"type": "string", "description": "A ticket, instead of a token."},
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


def _name_discriminators(schema: Any) -> None:
    """Write discriminators as AsyncAPI does: the name of the property, alone."""
    if isinstance(schema, list):
        for item in schema:
            _name_discriminators(item)
    elif isinstance(schema, dict):
        discriminator = schema.get("discriminator")
        if isinstance(discriminator, dict) and "propertyName" in discriminator:
            schema["discriminator"] = discriminator["propertyName"]
        for item in schema.values():
            _name_discriminators(item)
