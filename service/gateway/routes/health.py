"""Whether the service is up and can take a session, and its metrics."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from volition.errors import LslMissingError
from volition.service.gateway import metrics
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import supervisor_of
from volition.service.wire.service import Health, Readiness
from volition.streams import lsl
from volition.streams.lsl.clock import local_clock

#: Metrics are collected anew after this long.
METRICS_S = 0.25


def health_router() -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["service"])
    kept: tuple[bytes, str] | None = None
    kept_until = 0.0

    @router.get("/healthz")
    @allow(Role.OPEN)
    async def get_health(request: Request) -> Health:
        """Say that the process is up."""
        return Health(version=request.app.version, lsl_time=local_clock(), utc=time.time())

    @router.get("/readyz", responses={503: {"model": Readiness}})
    @allow(Role.OPEN)
    async def get_readiness() -> Response:
        """Say whether the service can take a session."""
        reasons = []
        try:
            lsl.load()
        except LslMissingError as error:
            reasons.append(error.message)
        body = Readiness(ready=not reasons, reasons=reasons)
        return JSONResponse(body.model_dump(), 503 if reasons else 200)

    @router.get("/metrics", response_class=Response)
    @allow(Role.READ)
    async def get_metrics(request: Request) -> Response:
        """Give counters and histograms as Prometheus text."""
        nonlocal kept, kept_until
        now = time.monotonic()
        if kept is None or now >= kept_until:
            kept = metrics.render(supervisor_of(request).sessions.values())
            kept_until = now + METRICS_S
        body, media_type = kept
        return Response(body, media_type=media_type)

    return router
