"""Find a session's streams and open them, for the first time and whenever they were lost.

    look ──> open ──> the signal as it was? ──> Connection
      ^        └──────────── no ──────────┐
      └── pause, say why <────────────────┘

A stream that came back must be the signal that the session was made for: the same channels, in
the same order, at the same rate. Another is refused, or taken by label, or followed where all that
works on it can be made anew, as ``stream.on_change`` says. Between two attempts the worker gets its
turn, so that it answers while it looks.

liblsl's own recovery stays off: it would hide a lost stream, and destroying an inlet that recovers
can abort the process (sccn/liblsl, issue 220).
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from volition.chunk import SignalSpec
from volition.errors import ConfigError, LslMissingError, StreamError
from volition.service.sessions.config import SessionConfig, StreamSelector
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import StreamDescription, find_one, find_streams
from volition.streams.lsl.inlet import MarkerInlet, SignalInlet

#: One search. Not a multiple of the times between liblsl's waves; see
#: `volition.streams.lsl.library`.
_LOOK_S = 0.75
#: The stream that the worker before listened to is asked for by its uid, which no other has: nobody
#: need wait for a second one that matches.
_KNOWN_S = 0.2
#: liblsl asks for the clock in volleys, two seconds apart; the second one may still tell.
_OPEN_S = 3.0
_TURN_S = 0.02
_REST_S = 2.0
#: Between two attempts; it doubles from the first to the longest. That keeps below two seconds what
#: a stream waits for us, however long it was away.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5
#: How often it is looked what is there instead of the stream, and how long after it was lost.
_LIST_EVERY_S, _LIST_AFTER_S = 5.0, 2.0


class GaveUpError(StreamError):
    """The stream did not come within the time that the configuration gives it."""

    code = "gave-up"


@dataclass(frozen=True, slots=True)
class Connection:
    """The open inlets of a session.

    Attributes
    ----------
    signal, markers
        Samples, and the markers where the configuration asks for some. A signal that came back is
        not kept waiting for its markers: they are None until they are found.
    """

    signal: SignalInlet
    markers: MarkerInlet | None

    def close(self) -> None:
        """Disconnect the signal; whoever took the markers closes them."""
        self.signal.close()


class Connector:
    """Finds and opens what a session listens to.

    Parameters
    ----------
    config
        Which streams, and what to do about one that changed.
    turn
        Called often while it waits; false ends the attempt.
    say
        Told why there is no connection yet, whenever that changes.
    why_not_follow
        Says why the session cannot work on a signal, or nothing where it can; asked only where
        ``stream.on_change`` is ``follow``.
    known_uid
        The stream that the session listened to last, where it may still be there.
    """

    def __init__(
        self,
        config: SessionConfig,
        *,
        turn: Callable[[], bool],
        say: Callable[[str], None],
        why_not_follow: Callable[[SignalSpec], str],
        known_uid: str | None = None,
    ) -> None:
        self._config = config
        self._turn = turn
        self._say = say
        self._why_not_follow = why_not_follow
        self._spec: SignalSpec | None = None
        self._said = ""
        self._known_uid = known_uid

    def connect(self) -> Connection | None:
        """Find and open the streams; None when told to end meanwhile.

        Raises
        ------
        GaveUpError
            A stream was not there within its ``wait_s``.
        ConfigError, LslMissingError
            What waiting does not mend.
        """
        pauses = _Pauses()
        self._said = ""
        while self._turn():
            try:
                return self._open()
            except (LslMissingError, GaveUpError):
                raise
            except StreamError as error:
                self._say_once(error.message)
            self._wait(pauses.next_s())
        return None

    def _say_once(self, why: str) -> None:
        if why != self._said:
            self._said = why
            self._say(why)

    def rest(self) -> None:
        """Wait before a stream that was refused is opened again."""
        self._wait(_REST_S)

    def _wait(self, seconds: float) -> None:
        until = local_clock() + seconds
        while local_clock() < until and self._turn():
            time.sleep(_TURN_S)

    def _open(self) -> Connection | None:
        signal_stream = self._find_known() or self._look_for(self._config.stream)
        if signal_stream is None:
            return None
        marker_stream = None
        wanted_markers = self._config.markers
        if wanted_markers is not None and self._spec is None:
            marker_stream = self._look_for(wanted_markers)
            if marker_stream is None:
                return None
        with contextlib.ExitStack() as opened:
            signal = opened.enter_context(self._signal_inlet(signal_stream))
            signal.open(_OPEN_S)
            markers = None
            if marker_stream is not None and wanted_markers is not None:
                markers = opened.enter_context(
                    MarkerInlet(
                        marker_stream,
                        channel=wanted_markers.channel,
                        clock=wanted_markers.clock,
                        recover=False,
                    )
                )
                markers.open(_OPEN_S)
            opened.pop_all()
        self._spec = signal.spec
        return Connection(signal, markers)

    def _find_known(self) -> StreamDescription | None:
        """Find the stream that the session listened to last; it is asked for once."""
        uid, self._known_uid = self._known_uid, None
        if uid is None:
            return None
        wanted = {**self._config.stream.wanted(), "uid": uid}
        found = find_streams(**wanted, wait_s=_KNOWN_S, minimum=1, details=False)
        return found[0] if found else None

    def _look_for(self, selector: StreamSelector) -> StreamDescription | None:
        """Look until the stream is there; say what is there instead whenever that changes."""
        wanted: dict[str, Any] = selector.wanted()
        since = local_clock()
        list_due = since if self._spec is None else since + _LIST_AFTER_S
        pauses = _Pauses()
        while self._turn():
            is_due = local_clock() >= list_due
            if is_due or find_streams(**wanted, wait_s=_LOOK_S, minimum=1, details=False):
                try:
                    return find_one(**wanted, wait_s=_LOOK_S, details=False)
                except LslMissingError:
                    raise
                except StreamError as error:
                    self._say_once(error.message)
                list_due = local_clock() + _LIST_EVERY_S
            if selector.wait_s is not None and local_clock() - since > selector.wait_s:
                raise GaveUpError(f"gave up after {selector.wait_s:g} s: {self._said}")
            self._wait(pauses.next_s())
        return None

    def _signal_inlet(self, description: StreamDescription) -> SignalInlet:
        """Make the inlet; for a stream that came back, only of the signal that it was.

        Raises
        ------
        StreamError
            It came back as another signal, and the session may not or cannot work on that.
        """
        stream, had = self._config.stream, self._spec
        try:
            inlet = self._make_inlet(description, stream.channels)
        except ConfigError as error:
            if had is None:
                raise
            raise StreamError(f"the stream came back as another signal: {error.message}") from None
        if had is None or inlet.spec == had:
            return inlet
        found, described = inlet.spec, inlet.description
        inlet.close()
        if stream.on_change != "refuse" and (taken := self._take_by_label(described, had)):
            taken.warnings.append(
                f"the stream came back with {describe(found)}; its channels are taken by label"
            )
            return taken
        changed = (
            f"the stream came back as another signal: it had {describe(had)}, now {describe(found)}"
        )
        why = f"stream.on_change is {stream.on_change}"
        if stream.on_change == "follow":
            why = self._why_not_follow(found)
            if not why:
                inlet = self._make_inlet(described, stream.channels)
                inlet.warnings.append(f"{changed}; the session follows it and began anew")
                return inlet
            why = f"the session cannot follow it: {why}"
        raise StreamError(f"{changed}; waiting for it as it was ({why})")

    def _take_by_label(self, described: StreamDescription, had: SignalSpec) -> SignalInlet | None:
        """Make an inlet that picks the signal that it was out of a stream, where it holds that."""
        if not {*had.labels} <= {*described.labels}:
            return None
        labels = [one for one in had.labels if one != self._config.stream.trigger_channel]
        inlet = self._make_inlet(described, labels)
        if inlet.spec == had:
            return inlet
        inlet.close()
        return None

    def _make_inlet(
        self, description: StreamDescription, channels: list[str] | None
    ) -> SignalInlet:
        stream = self._config.stream
        inlet = SignalInlet(
            description,
            channels=channels,
            trigger_channel=stream.trigger_channel,
            units=stream.units,
            rate_hz=stream.rate_hz,
            clock=stream.clock,
            recover=False,
        )
        announced = inlet.description.type
        if stream.type is not None and announced != stream.type:
            inlet.warnings.append(
                f"the stream's type is '{announced}', where '{stream.type}' is asked for"
            )
        if not inlet.spec.rate_hz:
            inlet.close()
            raise StreamError(
                f"stream {description.summary()} announces no rate; give it with stream.rate_hz"
            )
        return inlet


class _Pauses:
    """How long to pause after each attempt; by chance, so that sessions do not search in step."""

    def __init__(self) -> None:
        self._longest_s = _FIRST_PAUSE_S

    def next_s(self) -> float:
        pause_s = self._longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._longest_s = min(2.0 * self._longest_s, _LONGEST_PAUSE_S)
        return pause_s


def describe(spec: SignalSpec) -> str:
    """Say in words which channels a signal has, and its rate."""
    return f"{spec.n_channels} channels ({', '.join(spec.labels)}) at {spec.rate_hz:g} Hz"
