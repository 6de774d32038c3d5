"""Tickets, by which a browser opens a socket."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from volition.service.gateway.auth import TICKET_S, Authority, Caller, Role, allow
from volition.service.wire.service import TicketView


def tickets_router(authority: Authority) -> APIRouter:
    """Make the route."""
    router = APIRouter(prefix="/v1", tags=["service"])

    @router.post("/tickets", status_code=201)
    @allow(Role.READ)
    async def create_ticket(request: Request, response: Response) -> TicketView:
        """Make a ticket that opens one socket, within seconds, as the caller.

        For browsers, which cannot send a header with a WebSocket: ``?ticket=`` takes it.
        """
        caller: Caller = request.scope["caller"]
        response.headers["Cache-Control"] = "no-store"
        return TicketView(
            ticket=authority.issue_ticket(caller),
            role=str(caller.role),
            expires_s=TICKET_S,
        )

    return router
