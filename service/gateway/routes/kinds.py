"""What is installed: stages, decoders, outputs and data sets, those of other packages too."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response

from volition.service.gateway.auth import Role, allow
from volition.service.sessions.kinds import broken_parts, known_kinds
from volition.service.sessions.schema import session_schema
from volition.service.wire.kinds import BrokenView, KindList, KindView


def kinds_router() -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/v1", tags=["kinds"])
    # What is installed stays as it is while the service runs: both are made once.
    kinds = functools.cache(_kinds)
    schema = functools.cache(lambda: json.dumps(session_schema()).encode())

    @router.get("/kinds", response_model=KindList)
    @allow(Role.READ)
    def list_kinds() -> Response:  # in a thread: what nobody asked for yet is loaded
        """What a session can be made of, each with its settings and an example, and what failed."""
        return Response(kinds(), media_type="application/json")

    @router.get("/schema", response_model=dict[str, Any])
    @allow(Role.READ)
    def get_session_schema() -> Response:  # in a thread, as the other
        """Give the JSON schema of a session's configuration: what `POST /v1/sessions` takes."""
        return Response(schema(), media_type="application/json")

    return router


def _kinds() -> bytes:
    found = KindList(
        kinds=[KindView.model_validate(asdict(one)) for one in known_kinds()],
        broken=[BrokenView.model_validate(asdict(one)) for one in broken_parts()],
    )
    return found.model_dump_json().encode()
