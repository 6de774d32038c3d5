"""What a request speaks of: its session, and the files that its caller may name."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from volition.decoders.contract.settings import named_files
from volition.service.gateway.auth import Caller, ForbiddenError, Role
from volition.service.supervision.session import Session
from volition.service.supervision.supervisor import Supervisor
from volition.service.wire import problems
from volition.service.wire.problems import NotFoundError, Problem

PROBLEM: dict[str, Any] = {"model": Problem, "content": {problems.MEDIA_TYPE: {}}}
"""A problem document, among the responses of a route."""
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: PROBLEM}


def supervisor_of(request: Request) -> Supervisor:
    """Give the supervisor of the application."""
    supervisor: Supervisor = request.app.state.supervisor
    return supervisor


def session_of(request: Request, id: str) -> Session:
    """Give a session by its id; raise `NotFoundError` that names those that there are."""
    try:
        return supervisor_of(request).get(id)
    except KeyError:
        known = ", ".join(supervisor_of(request).sessions) or "none"
        raise NotFoundError(f"there is no session {id}; there are: {known}") from None


def location(request: Request, path: str) -> str:
    """Give a path of the service as whoever asked reaches it."""
    return f"{request.scope.get('root_path', '')}{path}"


def check_reach(caller: Caller, settings: object) -> None:
    """Let only an admin name a file of this host, or an output that reaches beyond the service."""
    if caller.role >= Role.ADMIN:
        return
    for place, _ in named_files(settings):
        raise ForbiddenError(
            f"{place or 'model'}: a file is named by the role {Role.ADMIN} alone, found "
            f"{caller.role}; allowed: the name of a model that ships, or of the registry's"
        )
    for number, output in enumerate(getattr(settings, "outputs", ())):
        if output.reaches:
            raise ForbiddenError(
                f"outputs[{number}]: {output.kind} {output.reaches}, which the role {Role.ADMIN} "
                f"alone may ask for, found {caller.role}; or name it in a session file"
            )
