"""Samples and markers that come in from LSL.

``SignalInlet`` turns a stream into chunks of float64 microvolts on this host's LSL clock. Every
pull first waits for one sample and then takes all that is there, straight into buffers made once:
liblsl converts any numeric format while it writes. Picking channels costs one copy, taking all
costs none.

liblsl wakes who waits at the first sample of a packet, before it has read the rest. The rest, as
far as it usually comes together, is given a moment more: it would be a chunk of its own, and
everything that follows would run twice.

The clock offset is added here and not by liblsl, whose own correction asks for the offset in the
middle of a pull, where a slow answer delays the samples and a missing one loses one. liblsl keeps
what has not been pulled in a ring that drops the oldest; a ring found full is counted in
``overruns``, since samples may have been lost.
"""

from __future__ import annotations

import ctypes
import math
import socket
from collections import deque
from dataclasses import replace
from statistics import median_low
from typing import Any, Self

import numpy as np

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.errors import StreamError
from volition.streams.lsl import library
from volition.streams.lsl.buffering import buffer_s
from volition.streams.lsl.clock import local_clock, utc_offset_s
from volition.streams.lsl.discovery import (
    StreamDescription,
    clean_offset,
    describe_in_full,
    resolve_again,
)
from volition.streams.lsl.stamp_clock import FOREIGN_S, Clock, ForeignClockError, StampClock
from volition.streams.signal import channel_selection
from volition.streams.signal.markers import MarkerReader, choose_channel

RESOLVE_S = 5.0
"""How long an inlet looks for an outlet of which it knows no address."""

DESCRIBE_S = 5.0
"""How long an outlet may take over its full description."""

OFFSET_INTERVAL_S = 0.5
"""How often the clock offset is read again; liblsl measures it anew every two seconds."""

OFFSET_STEP_S = 0.005
"""A change of the clock offset by more than this and its uncertainty is a step of a clock."""

MEASURED_APART = 100_000
"""A stream of this host with no more values a second has its clock measured by a second inlet.

Once asked, liblsl estimates for as long as the inlet lives, and each estimate leaves one more read
of the socket open, 120 bytes. A stream on the clock of this very machine is therefore measured
once, by an inlet that ends with the answer. Making one takes five seconds of the signal in memory,
too much for a faster stream.
"""

GATHER_S = 0.0005
"""How long, at most, the rest of a packet is waited for; it is there in a fraction of this."""

MOST_RATE_HZ = 200_000.0
"""A stream that announces more is not believed."""

_MARKERS_PER_PULL = 256
_MOST_BYTES = 1 << 20
_N_PACKETS = 9


class _Connection:
    """What signal and marker inlets share: liblsl's inlet, its clock offset, its end."""

    def __init__(
        self, description: StreamDescription, *, max_buffer_s: float, recover: bool
    ) -> None:
        pylsl = library.in_use()
        self._pylsl = pylsl
        self._calls = library.library_calls()
        self.description = description
        self._info = description.handle or resolve_again(description, wait_s=RESOLVE_S)
        recover = recover and bool(description.source_id)
        self.buffer_s = buffer_s(description.rate_hz, description.n_channels, max_buffer_s)
        # For an irregular stream liblsl counts hundreds of samples instead of seconds.
        self._open_inlet: Any = pylsl.StreamInlet(
            self._info, max_buflen=self.buffer_s, recover=recover
        )
        self._same_host = description.host == socket.gethostname()
        values_per_s = description.rate_hz * description.n_channels
        self._measured_apart = self._same_host and not recover and values_per_s <= MEASURED_APART
        self.known_offset_s: float | None = None
        self.uncertainty_s = math.nan
        self.offset_steps = 0
        self._offset_due = 0.0
        self.code = ctypes.c_int32()
        self._remote_time, self._uncertainty = ctypes.c_double(), ctypes.c_double()

    def describe(self) -> StreamDescription:
        """Fetch the full description, where it is not known."""
        if not self.description.detailed:
            self.description = describe_in_full(self.description, self.inlet, timeout_s=DESCRIBE_S)
        return self.description

    @property
    def inlet(self) -> Any:
        if self._open_inlet is None:
            raise StreamError(f"the inlet of {self.description.summary()} is closed")
        return self._open_inlet

    def open(self, timeout_s: float) -> None:
        deadline = local_clock() + timeout_s
        try:
            self.inlet.open_stream(timeout=timeout_s)
        except self._pylsl.util.TimeoutError as error:
            raise StreamError(
                f"stream {self.description.summary()} on {self.description.host} did not open "
                f"within {timeout_s:g} s"
            ) from error
        except self._pylsl.util.LostError as error:
            raise self.lost() from error
        left_s = max(0.05, deadline - local_clock())
        if self._measured_apart:
            apart = self._pylsl.StreamInlet(self._info, max_buflen=1, recover=False)
            self._measure_offset(apart, left_s)
            if self.known_offset_s == 0.0:
                self._offset_due = math.inf
        else:
            self._measure_offset(self.inlet, left_s)
        if self.code.value == library.LIBLSL_LOST:
            raise self.lost()
        if self.known_offset_s is None:
            raise StreamError(
                f"the clock of {self.description.summary()} on {self.description.host} did not "
                "answer; LSL needs UDP ports 16572 and following between the two hosts"
            )

    def offset_s(self) -> float:
        """Give the clock offset, read again when it is due; never waits once it is known.

        What was pulled keeps the last offset when the stream is lost meanwhile.
        """
        now = local_clock()
        if now >= self._offset_due:
            self._offset_due = now + OFFSET_INTERVAL_S
            self._measure_offset(self.inlet, 1e-6 if self.known_offset_s is not None else 2.0)
        return self.known_offset_s or 0.0

    def _measure_offset(self, inlet: Any, timeout_s: float) -> None:
        offset = self._calls.time_correction(
            inlet.obj,
            ctypes.byref(self._remote_time),
            ctypes.byref(self._uncertainty),
            timeout_s,
            ctypes.byref(self.code),
        )
        if self.code.value == 0:
            uncertainty_s = max(1e-3, self._uncertainty.value)
            clean_s = clean_offset(offset, same_host=self._same_host, uncertainty_s=uncertainty_s)
            known_s = self.known_offset_s
            if known_s is not None and abs(clean_s - known_s) > OFFSET_STEP_S + uncertainty_s:
                self.offset_steps += 1
            self.known_offset_s, self.uncertainty_s = clean_s, self._uncertainty.value

    def check(self) -> None:
        """Raise for what the last call into liblsl reported."""
        code = self.code.value
        if code == library.LIBLSL_LOST:
            raise self.lost()
        if code != 0:
            raise StreamError(
                f"liblsl reported error {code} for stream {self.description.summary()}",
                liblsl_code=code,
            )

    def lost(self) -> StreamError:
        return StreamError(
            f"stream {self.description.summary()} on {self.description.host} was lost",
            uid=self.description.uid,
        )

    def pull_rows(self) -> list[tuple[Any, float]]:
        """Take up to `_MARKERS_PER_PULL` samples, texts as bytes, without waiting."""
        try:
            samples, stamps = self.inlet.pull_chunk(
                timeout=0.0, max_samples=_MARKERS_PER_PULL, as_numpy=True
            )
        except self._pylsl.util.LostError as error:
            raise self.lost() from error
        return list(zip(samples.tolist(), stamps.tolist(), strict=True))

    def close(self) -> None:
        self._open_inlet = None


class Packets:
    """How many samples come together, as the packets of the last while were.

    A packet is what came between two times at which nothing was there.

    Attributes
    ----------
    usual : int
        Samples of a packet: half of the last few had no fewer. 0 until there were some.
    """

    def __init__(self) -> None:
        self._sizes: deque[int] = deque(maxlen=_N_PACKETS)
        self._size = 0
        self.usual = 0

    def add(self, n_samples: int) -> None:
        """Count samples to the packet that is coming."""
        self._size += n_samples

    def begin(self) -> None:
        """Begin another: nothing is there."""
        if not self._size:
            return
        self._sizes.append(self._size)
        self._size = 0
        if len(self._sizes) == _N_PACKETS:
            self.usual = median_low(self._sizes)


class SignalInlet:
    """A stream of samples, as chunks of microvolts.

    Parameters
    ----------
    description
        From `volition.streams.lsl.discovery`.
    channels
        Labels to use, in this order; all when None.
    trigger_channel
        Label of the channel that holds codes of triggers; it becomes the last one.
    units
        Unit of the samples, whatever the stream says.
    rate_hz
        The rate, whatever the stream says.
    clock
        Which clock its stamps are of; a stream of another is refused, and every but LSL's mapped.
        None to take stamps as they are.
    max_buffer_s
        How much liblsl keeps of what has not been pulled.
    recover
        Let liblsl find the stream again by its source id when the connection breaks. It then
        never reports a loss: watch the times of what arrives.

    Attributes
    ----------
    spec : SignalSpec
        Specification of the chunks that ``pull`` gives.
    warnings : list of str
        What had to be assumed about the stream, and overruns.
    overruns : int
        Pulls that found liblsl's buffer full, so that samples may have been dropped.

    Raises
    ------
    StreamError
        The stream is gone, sends texts, or does not describe itself in time.
    ConfigError
        It has no such channel, or the units are no voltage.
    """

    def __init__(
        self,
        description: StreamDescription,
        *,
        channels: list[str] | None = None,
        trigger_channel: str | None = None,
        units: str | None = None,
        rate_hz: float | None = None,
        clock: Clock | None = None,
        max_buffer_s: float = 60.0,
        recover: bool = True,
    ) -> None:
        _check_is_signal(description, rate_hz)
        if rate_hz is not None and description.rate_hz > 0:
            # liblsl counts its buffer in seconds of the announced rate.
            max_buffer_s = max(1.0, max_buffer_s * min(1.0, rate_hz / description.rate_hz))
        self._connection = _Connection(description, max_buffer_s=max_buffer_s, recover=recover)
        self.description = description = self._connection.describe()
        plan = channel_selection.plan(
            n_channels=description.n_channels,
            rate_hz=description.rate_hz if rate_hz is None else rate_hz,
            labels=description.labels,
            units=description.units,
            kinds=description.kinds,
            channels=channels,
            override_units=units,
            trigger_channel=trigger_channel,
        )
        self._stamp_clock = StampClock(clock, description.summary())
        self.spec: SignalSpec = plan.spec
        self.warnings: list[str] = [*plan.warnings, *_identity_warnings(description)]
        self.overruns = 0
        self._calls = library.library_calls()
        self._packets = Packets()
        self._make_buffers(plan, self._connection.buffer_s)

    def _make_buffers(self, plan: channel_selection.ChannelSelection, max_buffer_s: float) -> None:
        n_in, rate_hz = plan.n_in, self.description.rate_hz
        seconds = max(1, math.ceil(max_buffer_s))
        self._ring_samples = int(rate_hz * seconds) if rate_hz else 100 * seconds
        # A tenth of a second and 256 samples at least, unless that is more than caches hold: what
        # waits longer comes with more pulls.
        self._capacity = max(256, math.ceil(0.1 * rate_hz))
        self._capacity = max(1, min(self._capacity, _MOST_BYTES // (8 * n_in)))
        self._raw = np.zeros((self._capacity, n_in))
        self._times = np.zeros(self._capacity)
        self._indices = None if plan.takes_all else np.asarray(plan.indices)
        self._samples = (
            self._raw if plan.takes_all else np.zeros((self._capacity, len(plan.indices)))
        )
        self._scale = plan.scale
        self._raw_address, self._raw_stride = self._raw.ctypes.data, 8 * n_in
        self._times_address = self._times.ctypes.data

    @property
    def n_channels(self) -> int:
        """Number of channels that come out."""
        return self.spec.n_channels

    @property
    def clock_offset_s(self) -> float | None:
        """What is added to the stream's times; None before ``open``."""
        return self._connection.known_offset_s

    def clock(self) -> dict[str, float | int | None]:
        """Give the clock offset, its uncertainty (both in seconds) and how often it stepped."""
        connection = self._connection
        known = connection.known_offset_s is not None
        return {
            "offset_s": connection.known_offset_s,
            "uncertainty_s": connection.uncertainty_s if known else None,
            "steps": connection.offset_steps,
        }

    def stamps(self) -> dict[str, float | str | None]:
        """Give the clock that stamps are of, what is added to them for it, and their distance.

        That is how far the first of them lay from its arrival, seconds.
        """
        return self._stamp_clock.report()

    def open(self, timeout_s: float) -> None:
        """Connect and measure the clock offset; samples sent from now on are kept.

        Raises
        ------
        StreamError
            The stream or its clock did not answer in time.
        """
        self._connection.open(timeout_s)
        self.description = replace(self.description, clock_offset_s=self.clock_offset_s)

    def pull(self, timeout_s: float) -> Chunk:
        """Wait for the first sample, then take all that is there.

        The chunk shows this inlet's buffers, which the next pull writes again.

        Parameters
        ----------
        timeout_s
            How long to wait for the first sample; 0 to take only what is there.

        Returns
        -------
        Chunk
            Empty when nothing came in time.

        Raises
        ------
        StreamError
            The stream was lost, or the inlet is closed.
        """
        handle = self._connection.inlet.obj
        n_waiting = self.buffered()
        if n_waiting >= self._ring_samples:
            self._count_overrun()
        if not n_waiting:
            self._packets.begin()
        n = self._pull_into(handle, 0, 1, timeout_s)
        if n and not n_waiting and (n_more := self._packets.usual - 1) > 0:
            n += self._pull_into(handle, n, min(n_more, self._capacity - n), GATHER_S)
        if n:
            n += self._pull_into(handle, n, self._capacity - n, 0.0)
            self._packets.add(n)
        return self._finish(n)

    def buffered(self) -> int:
        """Give how many samples wait in liblsl's buffer."""
        return self._calls.samples_available(self._connection.inlet.obj)

    def _pull_into(self, handle: Any, row: int, n_max: int, timeout_s: float) -> int:
        connection = self._connection
        n_values = self._calls.pull_chunk(
            handle,
            self._raw_address + row * self._raw_stride,
            self._times_address + 8 * row,
            n_max * self._raw.shape[1],
            n_max,
            timeout_s,
            connection.code,
        )
        connection.check()
        return n_values // self._raw.shape[1]

    def _finish(self, n: int) -> Chunk:
        samples, times = self._samples[:n], self._times[:n]
        if n:
            if self._indices is not None:
                np.take(self._raw[:n], self._indices, axis=1, out=samples, mode="clip")
            if self._scale is not None:
                samples *= self._scale
            offset_s = self._connection.offset_s() + self._stamp_clock.offset_s
            if self._stamp_clock.is_watched:
                offset_s += self._watch_clock(times, offset_s)
            if offset_s:
                times += offset_s
        return Chunk(samples, times)

    def _watch_clock(self, times: FloatArray, offset_s: float) -> float:
        """See which clock stamps are of; give what is to be added to them besides."""
        clock, now = self._stamp_clock, local_clock()
        before_s = clock.offset_s
        newest = float(times[-1]) + offset_s - before_s
        if clock.seen is None:
            warning = clock.begin(newest, now, utc_offset_s())
            if warning is not None:
                self.warnings.append(warning)
        else:
            clock.follow(newest, now)
        return clock.offset_s - before_s

    def _count_overrun(self) -> None:
        self.overruns += 1
        if self.overruns == 1:
            self.warnings.append(
                f"liblsl's buffer of {self._ring_samples} samples was full: samples were pulled "
                "too slowly and some may be lost"
            )

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class MarkerInlet:
    """A stream of markers, as events.

    Parameters
    ----------
    description
        From `volition.streams.lsl.discovery`; a stream of texts or numbers.
    channel
        Label or number, from 1, of the channel that holds the markers, where there are several.
    clock
        Which clock its stamps are of, as in `SignalInlet`; markers of another are left out.
    recover
        As in `SignalInlet`.

    Attributes
    ----------
    reader : MarkerReader
        Knows the last markers and how they were read.
    refused : int
        Markers that were of another clock, or further from now than any signal is.
    warnings : list of str
        What had to be assumed about the stream, and why markers are refused.

    Raises
    ------
    StreamError
        The stream is gone, or has several channels of which none is chosen.
    """

    def __init__(
        self,
        description: StreamDescription,
        *,
        channel: str | int | None = None,
        clock: Clock | None = None,
        recover: bool = True,
    ) -> None:
        place = choose_channel(None, description.n_channels) if channel is None else 0
        self._connection = _Connection(description, max_buffer_s=60.0, recover=recover)
        if channel is not None:
            description = self._connection.describe()
            place = choose_channel(channel, description.n_channels, description.labels)
        self.description = description
        self.reader = MarkerReader(place)
        self.refused = 0
        self.warnings: list[str] = _identity_warnings(description)
        self._stamp_clock = StampClock(clock, description.summary(), "markers.clock")

    @property
    def clock_offset_s(self) -> float | None:
        """What is added to the stream's times; None before ``open``."""
        return self._connection.known_offset_s

    def open(self, timeout_s: float) -> None:
        """Connect and measure the clock offset; markers sent from now on are kept."""
        self._connection.open(timeout_s)

    def stamps(self) -> dict[str, float | str | None]:
        """Give the clock that stamps are of, as `SignalInlet.stamps` does."""
        return self._stamp_clock.report()

    def pull(self) -> list[Event]:
        """Take the markers that are there, without waiting, oldest first."""
        events: list[Event] = []
        while pulled := self._connection.pull_rows():
            offset_s = self._connection.offset_s()
            for sample, stamp in pulled:
                time = self._mapped(stamp + offset_s)
                event = None if time is None else self.reader.read(time, sample)
                if event is not None:
                    events.append(event)
        return events

    def _mapped(self, stamp: float) -> float | None:
        """Give the LSL time of a marker; None where its clock is another than was said."""
        clock, now = self._stamp_clock, local_clock()
        if clock.declared is None:
            return stamp
        try:
            if clock.seen is None:
                self._tell(clock.begin(stamp, now, utc_offset_s()))
            elif abs(stamp + clock.offset_s - now) > FOREIGN_S:
                # Another program may speak on the same stream.
                clock.begin(stamp, now, utc_offset_s())
        except ForeignClockError as error:
            self.refused += 1
            clock.seen = None
            self._tell(f"markers are refused: {error.message}")
            return None
        if clock.declared == "device":
            clock.follow(stamp, now)
        return stamp + clock.offset_s

    def _tell(self, warning: str | None) -> None:
        if warning is not None and warning not in self.warnings[-4:]:
            self.warnings = [*self.warnings[:8], warning]

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _check_is_signal(description: StreamDescription, rate_hz: float | None) -> None:
    """Raise `StreamError` for what cannot be a signal."""
    if description.format == "string":
        raise StreamError(f"stream {description.summary()} sends texts; a signal must be numeric")
    if description.n_channels < 1:
        raise StreamError(f"stream {description.summary()} has no channels")
    announced_hz = description.rate_hz
    if rate_hz is None and not 0 <= announced_hz <= MOST_RATE_HZ:
        raise StreamError(
            f"stream {description.summary()} announces {announced_hz:g} samples a second, which no "
            "device sends; give the true rate with stream.rate_hz"
        )


def _identity_warnings(description: StreamDescription) -> list[str]:
    if not description.source_id:
        warning = (
            "the stream has no source_id: when it restarts it is known again by its name and type "
            "alone, and any other that has both may take its place"
        )
        return [warning]
    # liblsl's own recovery quotes these with apostrophes and does not escape any.
    if "'" in description.name + description.type + description.source_id:
        return ["liblsl cannot recover a stream with an apostrophe in its name, type or source_id"]
    return []
