"""Errors over HTTP: RFC 9457 problem documents.

One table says which status a code of `volition.errors` has; what is not in it is our fault (500).
"""

from __future__ import annotations

import json
from typing import Any

import pydantic_core
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from volition.errors import VolitionError
from volition.service.sessions.config import explain_item
from volition.service.wire.strictness import Answer

MEDIA_TYPE = "application/problem+json"

STATUS = {
    "config": (422, "The configuration is wrong"),
    "forbidden": (403, "Not allowed"),
    "far-marker": (422, "The marker's time is far from the signal's"),
    "calibration": (422, "The calibration cannot be made"),
    "session": (409, "The session's state does not allow it"),
    "bus": (503, "The bus between hosts does not answer"),
    "busy": (503, "The worker does not take commands so fast"),
    "stop": (503, "The stop is not confirmed"),
    "simulation": (409, "The simulation is of another kind"),
    "lsl-missing": (503, "liblsl is missing"),
    "stream": (503, "A stream cannot be reached"),
    "not-found": (404, "Not found"),
    "gone": (410, "No longer kept"),
    "no-recording": (404, "No such recording"),
    "recording": (503, "The recordings cannot be reached"),
    "model": (422, "The model is wrong"),
    "not-fitted": (422, "The decoder needs a fitted model"),
    "no-model": (404, "No such model"),
    "read-only-model": (409, "The model ships with Volition"),
    "registry": (503, "The models cannot be reached"),
}

#: What the framework itself answers.
_HTTP_CODES = {
    400: "unreadable",
    404: "not-found",
    405: "method",
    408: "late",
    413: "too-large",
    422: "request",
}


class ProblemError(Answer):
    # `allowed` is there only where there is a list of what is allowed.
    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    path: str
    message: str
    allowed: list[str] | None = None


class Problem(BaseModel):
    """RFC 9457 problem document; further members depend on the type."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemError] | None = None


class NotFoundError(VolitionError):
    code = "not-found"


class GoneError(VolitionError):
    code = "gone"


def problem(status: int, code: str, title: str, detail: str, **members: Any) -> Response:
    """Make a problem document."""
    body = {
        "type": f"urn:volition:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        **members,
    }
    try:
        content = pydantic_core.to_json(body)
    except ValueError:  # it speaks of a text that UTF-8 cannot write
        content = json.dumps(pydantic_core.to_jsonable_python(body)).encode()
    return Response(content, status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have every error of ``app`` answered as a problem document."""

    @app.exception_handler(VolitionError)
    async def _volition(_: Request, error: Exception) -> Response:
        assert isinstance(error, VolitionError)
        status, title = STATUS.get(error.code, (500, "Something went wrong"))
        return problem(status, error.code, title, error.message, **error.fields)

    @app.exception_handler(RequestValidationError)
    async def _request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = _explain_request(error, _body_model(request))
        detail = "; ".join(f"{e['path']}: {e['message']}" for e in errors)
        return problem(422, "request", "The request is wrong", detail, errors=errors)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _HTTP_CODES.get(error.status_code, "http")
        response = problem(error.status_code, code, error.detail, error.detail)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def _bug(*_: object) -> Response:
        # The server logs it with its trace; the client is told nothing of our insides.
        return problem(500, "bug", "Something went wrong", "an error of the service; see its log")


def _body_model(request: Request) -> type[BaseModel]:
    """Give the model of the route's body, for saying which keys it allows."""
    field = getattr(request.scope.get("route"), "body_field", None)
    annotation = field.field_info.annotation if field is not None else None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return BaseModel


def _explain_request(
    error: RequestValidationError, body_model: type[BaseModel]
) -> list[dict[str, Any]]:
    """Explain a body against the configuration's model; a query or a path as it stands."""
    explained: list[dict[str, Any]] = []
    for item in error.errors():
        where, *location = item["loc"]
        if item["type"] == "json_invalid":
            explained.append({"path": "(whole)", "message": f"not JSON: {item['msg']}"})
            continue
        entry = explain_item({**item, "loc": tuple(location)}, body_model)
        if where != "body":
            entry["path"] = f"{where}.{entry['path']}"
        explained.append(entry)
    return explained
