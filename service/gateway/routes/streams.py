"""LSL streams on the network."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import PROBLEM
from volition.service.sessions.config import LslText
from volition.service.supervision.scout import Scout
from volition.service.wire.streams import StreamList, StreamView


def streams_router() -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/v1", tags=["streams"])

    @router.get("/streams", responses={422: PROBLEM, 503: PROBLEM})
    @allow(Role.READ)
    async def list_streams(
        request: Request,
        type: Annotated[LslText | None, Query(description="Only streams of this type.")] = None,
        wait: Annotated[
            float, Query(ge=0, le=30, description="Seconds to look for streams.")
        ] = 1.0,
    ) -> StreamList:
        """List the LSL streams on the network."""
        scout: Scout = request.app.state.scout
        found = await scout.look(type=type, wait_s=wait)
        return StreamList(streams=[StreamView.model_validate(s) for s in found])

    return router
