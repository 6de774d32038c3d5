"""What the service can be asked, as documents: OpenAPI for REST, AsyncAPI for the sockets."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from volition.service.gateway.asyncapi import asyncapi_document
from volition.service.gateway.auth import Role, allow


def descriptions_router(app: FastAPI) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["service"])

    @router.get("/openapi.json", response_class=JSONResponse)
    @allow(Role.OPEN)
    def get_openapi(request: Request) -> JSONResponse:  # takes long: in a thread, as the next
        """Describe the REST API as an OpenAPI document."""
        document = app.openapi()
        if root_path := request.scope.get("root_path"):
            document = {**document, "servers": [{"url": root_path}]}
        return JSONResponse(document)

    @router.get("/asyncapi.json", response_class=JSONResponse)
    @allow(Role.OPEN)
    def get_asyncapi() -> JSONResponse:
        """Describe the sockets' messages as an AsyncAPI document."""
        return JSONResponse(asyncapi_document(app.version))

    return router
