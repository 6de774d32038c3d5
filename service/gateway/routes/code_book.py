"""The code book of a session, so that any program can draw what its decoder reads."""

from __future__ import annotations

import asyncio

import numpy as np
from fastapi import APIRouter, Request

from volition.decoders.codes.settings import CodedSettings
from volition.decoders.contract.settings import Settings
from volition.errors import SessionError
from volition.service.gateway.auth import Role, allow
from volition.service.gateway.routes.requests import NOT_FOUND, PROBLEM, session_of
from volition.service.wire.code_book import CodeBookView


def book_of(session: str, settings: Settings) -> CodeBookView:
    """Give the code book of a session's decoder; a code that is in a file is read.

    Raises
    ------
    SessionError
        The decoder has none.
    ConfigError
        The file of its code is wrong.
    """
    if not isinstance(settings, CodedSettings):
        raise SessionError(
            f"the decoder of session {session} ({settings.kind}) has no code book; a decoder of "
            "coded items (erp, reconvolution) has one",
            found=settings.kind,
        )
    book = settings.book
    return CodeBookView(
        decoder=settings.kind,
        items=book.items,
        code=book.code.kind,
        columns=getattr(book.code, "columns", None),
        steps=["".join(row) for row in np.where(book.steps, "1", "0").tolist()],
        step_hz=settings.step_hz,
        convention=settings.convention,
        onset_markers=settings.onset_markers,
        end_markers=settings.end_markers,
        min_s=settings.min_s,
        max_s=settings.max_s,
        max_flashes=settings.max_flashes,
    )


def code_book_router() -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/v1", responses={422: PROBLEM}, tags=["sessions"])

    @router.get("/sessions/{id}/book", responses={**NOT_FOUND, 409: PROBLEM})
    @allow(Role.READ)
    async def get_book(request: Request, id: str) -> CodeBookView:
        """Give the items of a session's decoder, and what each does in each step."""
        session = session_of(request, id)
        return await asyncio.to_thread(book_of, id, session.config.decoder)

    return router
