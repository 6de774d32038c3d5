"""The stamps that events of a client get, by REST and by socket alike."""

from __future__ import annotations

from volition.chunk import Event
from volition.errors import VolitionError
from volition.service.supervision.session import Session
from volition.service.wire.markers import MarkerBody, MarkersBody, MarkerView, StampedView
from volition.streams.lsl.clock import local_clock
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
    now = local_clock()
    t = now if marker.t is None else marker.t
    _check_near(t, now)
    session.mark(Event(t, marker.name, marker.data))
    return MarkerView(name=marker.name, t=t)


def stamp_all(session: Session, batch: MarkersBody) -> StampedView:
    """Put events into a session's signal, each at its own time: all, or none if one is far away.

    Raises
    ------
    SessionError
        The session takes no markers now.
    FarMarkerError
        The time of one is far from now.
    """
    now = local_clock()
    for number, one in enumerate(batch.markers, start=1):
        _check_near(one.t, now, f"t of marker {number} ('{one.name}')")
    session.mark(*(Event(one.t, one.name, one.data) for one in batch.markers))
    return StampedView(count=len(batch.markers))


def _check_near(t: float, now: float, what: str = "t") -> None:
    """Refuse a time of another clock."""
    if abs(t - now) > FAR_S:
        raise FarMarkerError(
            f"{what} lies {say_distance(t - now)} the service's LSL clock, which reads {now:.3f}; "
            f"one further than {FAR_S:g} s from it is of another clock",
            t=t,
            lsl_time=now,
        )
