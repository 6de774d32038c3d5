"""The stamp that an event of a client gets, by REST and by socket alike."""

from __future__ import annotations

from volition.chunk import Event
from volition.service.supervision.session import Session
from volition.service.wire.markers import MarkerBody, MarkerView
from volition.streams.lsl.clock import local_clock


def stamp(session: Session, marker: MarkerBody) -> MarkerView:
    """Put an event into a session's signal, at its own time or at this moment.

    Raises
    ------
    SessionError
        The session takes no markers now.
    """
    t = local_clock() if marker.t is None else marker.t
    session.mark(Event(t, marker.name, marker.data))
    return MarkerView(name=marker.name, t=t)
