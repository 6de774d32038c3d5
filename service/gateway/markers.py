"""The stamp that an event of a client gets, by REST and by socket alike."""

from __future__ import annotations

from volition.chunk import Event
from volition.errors import VolitionError
from volition.service.supervision.session import Session
from volition.service.wire.markers import MarkerBody, MarkerView
from volition.streams.lsl.stamp_clock import FAR_S, say_distance


class FarMarkerError(VolitionError):
    """An event whose time is of another clock than the signal's."""

    code = "far-marker"


def stamp(session: Session, marker: MarkerBody) -> MarkerView:
    """Put an event into a session's signal, at its own time or at this moment.

    Raises
    ------
    SessionError
        The session takes no markers now.
    FarMarkerError
        Its time is far from now.
    """
    now = session.lsl_time()
    t = now if marker.t is None else marker.t
    if abs(t - now) > FAR_S:
        raise FarMarkerError(
            f"t lies {say_distance(t - now)} the service's LSL clock, which reads {now:.3f}; one "
            f"further than {FAR_S:g} s from it is of another clock",
            t=t,
            lsl_time=now,
        )
    session.mark(Event(t, marker.name, marker.data))
    return MarkerView(name=marker.name, t=t)
