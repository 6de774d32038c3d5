"""Which clock a stream's stamps are read from, and what to add to them to have LSL's.

LSL asks that samples are stamped by its own clock. Some programs stamp by the time of day, some by
their device's clock, which begins at 0 when it is switched on. Both are told from LSL's by how far
stamps lie from their arrival: minutes at the least, as a rule decades.

A clock that the user names is mapped. The time of day is, from the machine's own clock. A device's
begins where its least delayed sample arrived, and is followed by at most a millisecond every ten
seconds, which is more than two clocks drift apart and less than a gap.
"""

from __future__ import annotations

from typing import Literal

from volition.errors import StreamError

Clock = Literal["lsl", "unix", "device"]

FOREIGN_S = 60.0
"""Stamps further than this from their arrival are of another clock."""

FAR_S = 30.0
"""An event further than this from the signal's time is not taken."""

WARN_S = 2.0
"""Stamps of LSL's clock further than this from their arrival are told of."""

_UNIX_WITHIN_S = 86400.0
_FOLLOW_EVERY_S, _FOLLOW_BY_S = 10.0, 1e-3


class ForeignClockError(StreamError):
    """A stream stamps by a clock that is not LSL's, and nobody said by which."""

    code = "foreign-clock"


def recognise(stamp: float, arrival: float, utc_offset_s: float) -> Clock:
    """Tell which clock a stamp is of.

    Parameters
    ----------
    stamp
        What is stamped, on this host's LSL clock if it is of LSL's.
    arrival
        LSL time at which it came.
    utc_offset_s
        What to add to an LSL time to have seconds since 1970.
    """
    if abs(stamp - arrival) <= FOREIGN_S:
        return "lsl"
    return "unix" if abs(stamp - utc_offset_s - arrival) <= _UNIX_WITHIN_S else "device"


def say_distance(seconds: float) -> str:
    """Say how far a time lies off: ``57 years ahead of``."""
    size, where = abs(seconds), "ahead of" if seconds > 0 else "behind"
    units = (("year", 365.25 * 86400), ("day", 86400.0), ("hour", 3600.0), ("minute", 60.0))
    for name, unit_s in units:
        if size >= 2 * unit_s:
            return f"{size / unit_s:.0f} {name}s {where}"
    return f"{size:.1f} s {where}"


class StampClock:
    """Map the stamps of one stream to LSL's clock.

    Parameters
    ----------
    declared
        Which clock they are said to be of; others are refused. None to look at nothing.
    what
        The stream, for messages.
    setting
        The key of the configuration that says so, for messages.

    Attributes
    ----------
    offset_s : float
        What to add to a stamp.
    seen : str or None
        The clock that the first stamps were of; None before them.
    distance_s : float or None
        How far the first stamps, as they came, lay from their arrival.
    """

    def __init__(self, declared: Clock | None, what: str, setting: str = "stream.clock") -> None:
        self.declared = declared
        self.offset_s = 0.0
        self.seen: Clock | None = None
        self.distance_s: float | None = None
        self._what, self._setting = what, setting
        self._due = self._least_s = float("inf")

    @property
    def is_watched(self) -> bool:
        """Whether stamps are to be shown to ``begin`` or ``follow``."""
        return self.declared == "device" or (self.declared is not None and self.seen is None)

    def begin(self, stamp: float, arrival: float, utc_offset_s: float) -> str | None:
        """Look at the first stamp that came; give what is to be told of it.

        Raises
        ------
        ForeignClockError
            It is of another clock than was said.
        """
        self.distance_s = stamp - arrival
        self.seen = recognise(stamp, arrival, utc_offset_s)
        said = say_distance(self.distance_s)
        wanted = self.declared
        if wanted == "device":
            self.offset_s = arrival - stamp
            self._due, self._least_s = arrival + _FOLLOW_EVERY_S, float("inf")
        elif wanted == "unix" and self.seen == "unix":
            self.offset_s = -utc_offset_s
            self.distance_s -= utc_offset_s
            self._due = float("inf")
        elif wanted is not None and self.seen != wanted:
            raise ForeignClockError(self._refusal(wanted, said))
        if wanted != "device" and abs(self.distance_s) > WARN_S:
            return f"{self._what}: its stamps lie {say_distance(self.distance_s)} their arrival"
        return None

    def _refusal(self, wanted: Clock, said: str) -> str:
        clocks = {"lsl": "LSL's clock", "unix": "the time of day", "device": "a clock of its own"}
        assert self.seen is not None
        return (
            f"{self._what} stamps by {clocks[self.seen]}, {said} their arrival, and "
            f"{self._setting} is {wanted}; set it to {self.seen}"
            + (", or have its program stamp by LSL's clock" if self.seen != "lsl" else "")
        )

    def follow(self, stamp: float, arrival: float) -> None:
        """Take a stamp that came later; a device's clock that drifts is followed."""
        self._least_s = min(self._least_s, arrival - stamp)
        if arrival >= self._due:
            change = self._least_s - self.offset_s
            self.offset_s += min(max(change, -_FOLLOW_BY_S), _FOLLOW_BY_S)
            self._due, self._least_s = arrival + _FOLLOW_EVERY_S, float("inf")

    def report(self) -> dict[str, float | str | None]:
        """Give the clock, what is added to stamps, and how far the first lay from its arrival."""
        return {"clock": self.seen, "mapped_s": self.offset_s, "distance_s": self.distance_s}
