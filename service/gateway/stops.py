"""The emergency stop as the API shows it: who pressed it, from where, and whether it holds."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import HTTPConnection

from volition.service.gateway.auth import Caller
from volition.service.sessions.stop_word import Deed
from volition.service.supervision.session import Session
from volition.service.wire.sessions import StopDeed, StopView


def who(connection: HTTPConnection, way: str) -> tuple[str, str]:
    """Give the name of a caller, and where the call came from by which way."""
    caller: Caller = connection.scope["caller"]
    client = connection.client
    return caller.name, f"{way} from {client.host if client else 'unknown'}"


def stop_view(session: Session) -> StopView:
    """Show the emergency stop of a session."""
    word = session.word
    return StopView(
        order=word.order,
        confirmed=session.stop_is_confirmed,
        pressed=_deed(word.press_deed),
        released=_deed(word.release_deed),
        remembered=session.stop_is_remembered,
        release_moves=_moved_by(session),
    )


def _deed(deed: Deed | None) -> StopDeed | None:
    return None if deed is None else StopDeed(**asdict(deed))


def _moved_by(session: Session) -> list[str]:
    """Name who and what gets the intents of a session."""
    n_clients = len(session.hub.subscriptions)
    clients = [f"{n_clients} client{'s' * (n_clients > 1)} of the API"] if n_clients else []
    return [*clients, *(f"the output {output.kind}" for output in session.config.outputs)]
