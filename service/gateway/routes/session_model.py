"""What decodes in a session, over REST: show it, change it while it runs, go back."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request

from volition.decoders.contract.settings import Settings
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import PROBLEM, check_reach, session_of
from volition.service.supervision.model_choice import (
    change_view,
    changed_settings,
    model_use,
    settings_of,
    use_of,
)
from volition.service.supervision.session import Session
from volition.service.wire.models import ModelSwap, SessionModels
from volition.service.wire.served import ModelChoice

_OF_ONE: dict[int | str, dict[str, Any]] = {404: PROBLEM, 422: PROBLEM}


def session_model_router() -> APIRouter:
    """Make the routes below ``/v1/sessions/{id}/model``."""
    router = APIRouter(prefix="/v1", tags=["sessions"])

    @router.get("/sessions/{id}/model", responses=_OF_ONE)
    @allow(Role.READ)
    async def get_session_model(request: Request, id: str) -> SessionModels:
        """Show what decodes in a session, and what did before."""
        session = session_of(request, id)
        earlier = [use_of(one, None) for one in reversed(session.earlier_decoders)]
        changes = [change_view(one) for one in reversed(session.changes)]
        return SessionModels(now=model_use(session), earlier=earlier, changes=changes)

    @router.put("/sessions/{id}/model", responses={**_OF_ONE, 409: PROBLEM, 503: PROBLEM})
    @allow(Role.CONTROL)
    async def swap_session_model(request: Request, id: str, body: ModelChoice) -> ModelSwap:
        """Decode with another model from the next sample on; no sample is lost or used twice."""
        session = session_of(request, id)
        check_reach(request.scope["caller"], body)
        decoder = await asyncio.to_thread(settings_of, session, body)
        before = session.config.decoder
        return _swapped(session, before, await session.swap(decoder))

    @router.post("/sessions/{id}/model/rollback", responses={**_OF_ONE, 409: PROBLEM, 503: PROBLEM})
    @allow(Role.CONTROL)
    async def roll_back_session_model(request: Request, id: str) -> ModelSwap:
        """Go back to what decoded before the last change."""
        session = session_of(request, id)
        before = session.config.decoder
        return _swapped(session, before, await session.swap_back())

    return router


def _swapped(session: Session, before: Settings, answer: dict[str, Any]) -> ModelSwap:
    return ModelSwap(changed=changed_settings(before, session.config.decoder), **answer)
