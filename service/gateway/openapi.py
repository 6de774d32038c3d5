"""The OpenAPI document: what FastAPI makes of the routes, and what stands before and behind them.

The guard may refuse any request and the router any method, so each operation gets those answers
from here, by the role that its endpoint declares; a route need only list the answers of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from volition.service.gateway.auth import Role, declared_role
from volition.service.gateway.schemas import rename, simplify, simplify_components
from volition.service.wire.problems import MEDIA_TYPE

_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_CHALLENGE = {
    "WWW-Authenticate": {
        "description": "What is needed.",
        "required": True,
        "schema": {"type": "string"},
    }
}
_RETRY = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "required": True,
        "schema": {"type": "integer"},
    }
}

TAGS = [
    {"name": "sessions", "description": "What decodes a signal: made, shown, changed, stopped."},
    {"name": "intents", "description": "What a session decodes."},
    {"name": "markers", "description": "Events that clients put into a session's signal."},
    {"name": "calibrations", "description": "Models fitted to a person while a session runs."},
    {"name": "models", "description": "The registry of fitted models."},
    {"name": "recordings", "description": "The files that sessions recorded."},
    {"name": "presets", "description": "The configurations that ship."},
    {"name": "kinds", "description": "What a configuration can be made of."},
    {"name": "streams", "description": "LSL streams on the network."},
    {"name": "simulations", "description": "Simulated headsets and people."},
    {"name": "service", "description": "The service itself."},
]
"""What each operation belongs to; a router names one of these."""


def document(
    routes: Sequence[BaseRoute], *, title: str, version: str, summary: str, token_required: bool
) -> dict[str, Any]:
    """Make the document.

    Parameters
    ----------
    routes
        The application's routes.
    title, version, summary
        What it says of itself.
    token_required
        Whether a token must come with each call, or may.
    """
    made: dict[str, Any] = get_openapi(
        title=title, version=version, summary=summary, routes=routes, tags=TAGS
    )
    made = rename(made, _names(made["components"]["schemas"]))
    made["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "'volition token make'"}
    }
    for schema in made["components"]["schemas"].values():
        _require_kinds(schema, made)
    simplify_components(made["components"]["schemas"])
    for route in routes:
        role = declared_role(route)
        if not isinstance(route, APIRoute) or not route.include_in_schema or role is None:
            continue
        for method in route.methods or ():
            operation = made["paths"][route.path_format][method.lower()]
            operation["operationId"] = route.name
            _complete(operation, method, role, token_required=token_required)
    return made


def _names(schemas: Iterable[str]) -> dict[str, str]:
    """Give better names to models that are read and answered in two forms."""
    endings = {"-Input": "", "-Output": "View"}
    return {
        name: name.removesuffix(ending) + better
        for name in schemas
        for ending, better in endings.items()
        if name.endswith(ending)
    }


def _complete(operation: dict[str, Any], method: str, role: Role, *, token_required: bool) -> None:
    """Add who may call an operation, and what it answers to others."""
    for parameter in operation.get("parameters", ()):
        simplify(parameter["schema"])
    answers: dict[str, Any] = {
        "403": _answer("Another origin, or a token of too small a role."),
        "421": _answer("Host names another service."),
    }
    if role is not Role.OPEN:
        operation["security"] = [{"token": []}] if token_required else [{}, {"token": []}]
        operation["description"] = (
            f"{operation.get('description', '')}\n\nNeeds the role `{role}`.".strip()
        )
        answers["401"] = _answer("No valid token.", headers=_CHALLENGE)
    answers["422"] = _answer("The query holds a key that is not known.")
    if method not in ("GET", "HEAD"):
        answers["413"] = _answer("The body is too large.")
        answers["429"] = _answer("Too many changes a second.", headers=_RETRY)
    if "requestBody" in operation:
        answers["400"] = _answer("The body cannot be read.")
    for status, answer in answers.items():
        operation["responses"].setdefault(status, answer)
    _say_problems(operation["responses"])


def _answer(description: str, **more: Any) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": _PROBLEM_REF}}
    return {"description": description, "content": content, **more}


def _say_problems(responses: dict[str, Any]) -> None:
    """Say the media type of problems; FastAPI files every model under that of its own answers."""
    for answer in responses.values():
        content = answer.get("content", {})
        if content.get("application/json", {}).get("schema") == _PROBLEM_REF:
            answer["content"] = {MEDIA_TYPE: {"schema": _PROBLEM_REF}}


def _require_kinds(schema: Any, made: dict[str, Any]) -> None:
    """Say that what tells a union's members apart must be there, though it has a default."""
    if isinstance(schema, list):
        for item in schema:
            _require_kinds(item, made)
    elif isinstance(schema, dict):
        discriminator = schema.get("discriminator", {})
        for reference in discriminator.get("mapping", {}).values():
            member = made["components"]["schemas"][reference.rpartition("/")[2]]
            required = member.setdefault("required", [])
            if discriminator["propertyName"] not in required:
                required.append(discriminator["propertyName"])
        for item in schema.values():
            _require_kinds(item, made)
