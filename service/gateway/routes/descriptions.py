"""What the service can be asked, as documents: OpenAPI for REST, AsyncAPI for the sockets."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse

from volition.service.gateway.asyncapi import asyncapi_document
from volition.service.gateway.auth import Role, allow


class _Documents:
    """Documents as they are sent, each made once: they are large, and asked for without a token."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._encoded: dict[str, tuple[dict[str, Any], Response]] = {}

    def answer(
        self, name: str, make: Callable[[], dict[str, Any]], root_path: str = ""
    ) -> Response:
        """Send what ``make`` gives, which is the same object until the document changes.

        A service that is reached below ``root_path`` says so in its document.
        """
        with self._one_at_a_time:
            document = make()
            known = self._encoded.get(name)
            if known is None or known[0] is not document:
                served = {"servers": [{"url": root_path}]} if root_path else {}
                known = document, JSONResponse({**document, **served})
                self._encoded[name] = known
        return Response(known[1].body, media_type="application/json")


def descriptions_router(app: FastAPI) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["service"])
    documents = _Documents()
    make_asyncapi = functools.cache(lambda: asyncapi_document(app.version))

    @router.get("/openapi.json", response_class=JSONResponse)
    @allow(Role.OPEN)
    def get_openapi(request: Request) -> Response:  # making it takes long: in a thread, as the next
        """Describe the REST API as an OpenAPI document."""
        return documents.answer("openapi", app.openapi, request.scope.get("root_path", ""))

    @router.get("/asyncapi.json", response_class=JSONResponse)
    @allow(Role.OPEN)
    def get_asyncapi() -> Response:
        """Describe the sockets' messages as an AsyncAPI document."""
        return documents.answer("asyncapi", make_asyncapi)

    return router
