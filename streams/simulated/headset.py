"""A simulated headset: a recording, or a signal made up, played as LSL streams in real time.

Each sample is due at a moment that follows from its number alone, ``start + number / rate``, so
that playing never drifts. A chunk goes out when its last sample is due, and each sample is stamped
with the moment at which it is due: what a receiver measures against the stamps is its own latency
and the path's, and not the headset's. Markers go out at their own times. What a busy machine makes
late is sent late and stamped right.

``run_headset`` plays in this process; ``HeadsetProcess`` plays in one of its own, which ends with
the process that started it, however that ends.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from volition.children import forking
from volition.chunk import Event, FloatArray, SignalSpec
from volition.errors import ConfigError, StreamError, VolitionError
from volition.streams.files.choice import StreamKeys
from volition.streams.files.recording import Recording, read_recording
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.inlet import MarkerInlet
from volition.streams.lsl.outlet import MarkerOutlet, SignalOutlet
from volition.streams.simulated.imagery_participant import ImageryParticipant, ImagerySignal
from volition.streams.simulated.ssvep_participant import ParticipantSignal, SsvepParticipant

Participant = SsvepParticipant | ImageryParticipant
"""Who can wear it."""

Sitting = ParticipantSignal | ImagerySignal
"""One sitting of theirs, who can be told what to attend to."""

COUNTER_MODULUS = 1 << 24
"""The sample counter starts again here: float32 holds every integer up to this."""

CONSUMER_POLL_S = 0.2
_STEERING_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Sine:
    """A sine in some channels of a signal that is made up.

    Attributes
    ----------
    freq_hz, amplitude_uv
        Frequency and amplitude.
    channels : tuple of int
        Indices of the channels it is in; all when empty.
    """

    freq_hz: float
    amplitude_uv: float
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SyntheticSignal:
    """A signal that is made up: sines, noise and a sample counter.

    Attributes
    ----------
    n_channels, rate_hz
        Its size.
    sines
        What is in it besides noise.
    noise_uv
        Standard deviation of white noise in every channel.
    counter_channel
        Index of the channel that holds the number of each sample, modulo `COUNTER_MODULUS`, in
        place of a signal; so one sample lost or doubled is seen. None for no counter.
    duration_s
        None for without end.
    seed
        Seed of the noise.
    labels
        ``"1"``, ``"2"``, ... when empty.
    """

    n_channels: int = 8
    rate_hz: float = 250.0
    sines: tuple[Sine, ...] = ()
    noise_uv: float = 0.0
    counter_channel: int | None = None
    duration_s: float | None = None
    seed: int = 0
    labels: tuple[str, ...] = ()

    def spec(self) -> SignalSpec:
        """Give the signal's rate and channels."""
        labels = self.labels or tuple(str(i + 1) for i in range(self.n_channels))
        if len(labels) != self.n_channels:
            raise ConfigError(f"{self.n_channels} channels need as many labels, not {len(labels)}")
        return SignalSpec(self.rate_hz, labels)


@dataclass(frozen=True, slots=True)
class FileStreams:
    """Which streams of a recording with several are played, as `read_recording` takes them.

    Attributes
    ----------
    signal, markers
        Name, source id, number, or a session's keys; all marker streams when None.
    trigger_channel
        Label of a channel with codes of triggers to play beside the signal.
    """

    signal: str | StreamKeys | None = None
    markers: str | StreamKeys | None = None
    trigger_channel: str | None = None


@dataclass(frozen=True, slots=True)
class HeadsetOptions:
    """What a headset plays, and as which streams.

    Attributes
    ----------
    source : Path, SyntheticSignal, a participant or one sitting of theirs
        A recording's file, a signal to make up, or a simulated participant (or one sitting of
        theirs, who can be told what to attend to while the headset plays in this process).
    steered_by
        Source id of an LSL marker stream that tells a participant what is on the screen: each
        ``trial_start`` names its target by ``freq_hz``, or its ``class``, from the marker's time
        on, and every other marker makes them look away. Waited for without end.
    streams
        Which streams of the recording.
    channels
        Labels of the recording to play, in this order; all when None.
    name, source_id, marker_name
        Names of the streams; the marker stream's source id is this one with ``-markers``.
    type
        Type of the signal stream.
    format
        ``float32`` or ``float64``.
    chunk_samples
        Samples that are sent together.
    start_s
        Where in the recording to begin, seconds from its first sample.
    start_trial, trials
        Play from the lead-in of this trial on, counted from 0, and this many of them. What lies
        between them is played as it was recorded. None for the whole recording.
    skip_rest
        Do not count trials at rest, neither in ``start_trial`` nor in ``trials``. Those that lie
        between the others are played.
    target
        Count only trials of this target, such as ``"13 Hz"``, in ``start_trial``.
    lead_in_s
        Signal to play before the first trial's onset.
    loop
        Begin again at the end.
    consumer_timeout_s
        How long to wait, before playing, until someone receives the signal; 0 to play at once.
    linger_s
        How long to keep the streams after the end, so that the last samples arrive.
    """

    source: Path | SyntheticSignal | Participant | Sitting
    steered_by: str | None = None
    streams: FileStreams = FileStreams()
    channels: tuple[str, ...] | None = None
    name: str = "volition-headset"
    source_id: str = "volition-headset"
    marker_name: str = "volition-headset-markers"
    type: str = "EEG"
    format: str = "float32"
    chunk_samples: int = 8
    start_s: float = 0.0
    start_trial: int | None = None
    trials: int | None = None
    skip_rest: bool = False
    target: str | None = None
    lead_in_s: float = 3.0
    loop: bool = False
    consumer_timeout_s: float = 0.0
    linger_s: float = 2.0


class Stopper(Protocol):
    """What tells a headset to stop: an event of ``threading`` or ``multiprocessing``."""

    def is_set(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be sent at a moment: samples with their stamps, or a marker.

    Attributes
    ----------
    time
        When, on the LSL clock.
    samples : ndarray, shape (n_samples, n_channels)
        Empty for a marker.
    times : ndarray, shape (n_samples,)
        The moment at which each sample is due.
    marker
        Text of the marker, or None.
    """

    time: float
    samples: FloatArray = field(repr=False)
    times: FloatArray = field(repr=False)
    marker: str | None = None


# --- what is played --------------------------------------------------------------------------


class Player:
    """What a headset plays, as a function of the moment at which it began.

    Parameters
    ----------
    options
        What to play.

    Raises
    ------
    ConfigError
        The options ask for what the recording does not have.
    RecordingError
        The recording cannot be read.
    """

    def __init__(self, options: HeadsetOptions) -> None:
        if options.chunk_samples < 1:
            raise ConfigError(f"a chunk has at least one sample, not {options.chunk_samples}")
        self._chunk_samples = options.chunk_samples
        self._loop = options.loop
        self._markers: list[tuple[float, str]] = []
        self._take: Callable[[int, int], FloatArray]
        self.n_samples: int | None
        #: Who wears it, where somebody simulated does.
        self.participant: Sitting | None = None
        if isinstance(options.source, SyntheticSignal):
            self.spec = options.source.spec()
            self.n_samples = _synthetic_length(options.source)
            self._take = _Synthesis(options.source).take
        elif isinstance(options.source, Participant | Sitting):
            given = options.source
            sitting = given.sit() if isinstance(given, Participant) else given
            self.participant = sitting
            self.spec = sitting.spec()
            self.n_samples = sitting.n_samples
            self._take = sitting.take
        else:
            recording = _cut(_read(options.source, options), options)
            self.spec = recording.spec
            self.n_samples = len(recording)
            self._take = _looped(recording.samples)
            self._markers = _marker_positions(recording)

    def schedule(self, start: float) -> Iterator[Due]:
        """Give what is due, in order of time, when the first sample is due at ``start``."""
        round_start = 0
        while True:
            yield from self._round(start, round_start)
            if not self._loop or self.n_samples is None:
                return
            round_start += self.n_samples

    def _round(self, start: float, first: int) -> Iterator[Due]:
        """One pass over the signal, whose first sample has the number ``first``."""
        rate_hz, waiting = self.spec.rate_hz, list(self._markers)
        last = first + self.n_samples if self.n_samples is not None else None
        number = first
        while last is None or number < last:
            stop = number + self._chunk_samples
            stop = stop if last is None else min(stop, last)
            due = start + (stop - 1) / rate_hz
            while waiting and start + (first + waiting[0][0]) / rate_hz <= due:
                position, text = waiting.pop(0)
                yield self._marker(start + (first + position) / rate_hz, text)
            times = start + np.arange(number, stop) / rate_hz
            yield Due(due, self._take(number, stop), times)
            number = stop
        for position, text in waiting:
            yield self._marker(start + (first + position) / rate_hz, text)

    def _marker(self, time: float, text: str) -> Due:
        return Due(time, np.empty((0, self.spec.n_channels)), np.empty(0), text)


def _looped(samples: FloatArray) -> Callable[[int, int], FloatArray]:
    def take(first: int, stop: int) -> FloatArray:
        start = first % len(samples)
        return samples[start : start + stop - first]

    return take


class _Synthesis:
    """Samples of a made-up signal, in order; the same whatever the chunks."""

    def __init__(self, source: SyntheticSignal) -> None:
        self._source = source
        self._random = np.random.default_rng(source.seed)

    def take(self, first: int, stop: int) -> FloatArray:
        source = self._source
        shape = (stop - first, source.n_channels)
        samples = (
            source.noise_uv * self._random.standard_normal(shape)
            if source.noise_uv
            else np.zeros(shape)
        )
        numbers = np.arange(first, stop)
        for sine in source.sines:
            wave = sine.amplitude_uv * np.sin(2 * np.pi * sine.freq_hz * numbers / source.rate_hz)
            columns = list(sine.channels) or slice(None)
            samples[:, columns] += wave[:, np.newaxis]
        if source.counter_channel is not None:
            samples[:, source.counter_channel] = numbers % COUNTER_MODULUS
        return samples


def _synthetic_length(source: SyntheticSignal) -> int | None:
    if source.rate_hz <= 0:
        raise ConfigError(f"a signal is played at a rate above 0 Hz, not {source.rate_hz:g}")
    return None if source.duration_s is None else round(source.duration_s * source.rate_hz)


def _marker_positions(recording: Recording) -> list[tuple[float, str]]:
    """Where between the samples each event lies, in samples from the first."""
    interval_s = 1.0 / recording.spec.rate_hz
    positions = []
    for event in recording.events:
        inside = recording.times[0] <= event.time <= recording.times[-1]
        position = (
            float(np.interp(event.time, recording.times, np.arange(len(recording))))
            if inside
            else (event.time - float(recording.times[0])) / interval_s
        )
        positions.append((position, event.to_marker()))
    return positions


def _read(path: Path, options: HeadsetOptions) -> Recording:
    streams = options.streams
    return read_recording(
        path,
        channels=options.channels,
        trigger_channel=streams.trigger_channel,
        stream=streams.signal,
        markers=streams.markers,
    )


def _cut(recording: Recording, options: HeadsetOptions) -> Recording:
    """Cut the part out of a recording that is to be played."""
    file = recording.metadata.get("file", "the recording")
    if not len(recording) or recording.spec.rate_hz <= 0:
        raise ConfigError(f"{file} holds no samples at a regular rate; there is nothing to play")
    first, end = float(recording.times[0]), float(recording.times[-1])
    start, stop = first + options.start_s, math.inf
    if options.start_trial is not None or options.trials is not None or options.target is not None:
        start, stop = _trial_span(recording, options)
    if not first <= start <= end:
        raise ConfigError(
            f"{file} lasts {recording.duration_s:.1f} s; playing cannot begin at "
            f"{start - first:.1f} s"
        )
    return recording.between(start, stop)


def _trial_span(recording: Recording, options: HeadsetOptions) -> tuple[float, float]:
    """Give when to begin and end so as to play the trials that are wanted."""
    counted = recording.trials(skip_rest=options.skip_rest)
    eligible = [trial for trial in counted if options.target in (None, trial.data.get("target"))]
    start_trial = options.start_trial or 0
    if not 0 <= start_trial < len(eligible):
        found = sorted({str(trial.data.get("target")) for trial in counted})
        raise ConfigError(
            f"no trial {start_trial}"
            + (f" of target '{options.target}'" if options.target is not None else "")
            + f"; found: {len(eligible)} of {len(counted)} trials, targets {', '.join(found)}"
        )
    opening = eligible[start_trial]
    following = [trial for trial in counted if trial.time >= opening.time]
    n_trials = len(following) if options.trials is None else options.trials
    if not 1 <= n_trials <= len(following):
        raise ConfigError(f"{n_trials} trials from the chosen one on; found: {len(following)}")
    start = max(float(recording.times[0]), opening.time - options.lead_in_s)
    return start, _end_of_trial(following[n_trials - 1], recording)


def _end_of_trial(trial: Event, recording: Recording) -> float:
    """A trial lasts until the next one begins; the last one as long as the median."""
    onsets = [one.time for one in recording.trials()]
    later = [onset for onset in onsets if onset > trial.time]
    if later:
        return min(later)
    return trial.time + float(np.median(np.diff(onsets))) if len(onsets) > 1 else math.inf


# --- playing ---------------------------------------------------------------------------------


def run_headset(
    options: HeadsetOptions,
    stop: Stopper,
    *,
    on_ready: Callable[[], None] | None = None,
    on_playing: Callable[[float], None] | None = None,
    on_finished: Callable[[], None] | None = None,
) -> None:
    """Play until the end, or until ``stop`` is set.

    Parameters
    ----------
    options
        What to play.
    stop
        Set it to end playing; it is looked at before each chunk and marker.
    on_ready
        Called when the streams exist.
    on_playing
        Called with the LSL time at which the first sample is due.
    on_finished
        Called when everything was sent, before the streams linger.

    Raises
    ------
    ConfigError, RecordingError, StreamError
        What is asked for cannot be played.
    """
    if options.format not in ("float32", "float64"):
        raise ConfigError(f"format '{options.format}'; allowed: float32, float64")
    player = Player(options)
    with (
        SignalOutlet(
            player.spec,
            name=options.name,
            type=options.type,
            source_id=options.source_id,
            format="float64" if options.format == "float64" else "float32",
        ) as outlet,
        MarkerOutlet(options.marker_name, f"{options.source_id}-markers") as markers,
    ):
        if on_ready is not None:
            on_ready()
        _await_consumer(outlet, options.consumer_timeout_s, stop)
        start = local_clock()
        if on_playing is not None:
            on_playing(start)
        if options.steered_by is not None:
            if player.participant is None:
                raise ConfigError("steered_by is for a simulated participant, and there is none")
            steering = Steering(player.participant, options.steered_by, start, stop)
            threading.Thread(target=steering.run, name="steering", daemon=True).start()
        for due in player.schedule(start):
            if stop.wait(max(0.0, due.time - local_clock())):
                return
            if due.marker is not None:
                markers.push(due.marker, due.time)
            else:
                outlet.push(due.samples, due.times)
        if on_finished is not None:
            on_finished()
        stop.wait(options.linger_s)


class Steering:
    """Tells a participant what is on the screen, as an LSL marker stream says.

    Parameters
    ----------
    participant
        Who is told.
    source_id
        Source id of the marker stream.
    start
        LSL time at which the participant's first sample is due.
    stop
        Set it to end.
    """

    def __init__(self, participant: Sitting, source_id: str, start: float, stop: Stopper) -> None:
        self._participant = participant
        self._source_id = source_id
        self._start = start
        self._stop = stop

    def run(self) -> None:
        """Obey until stopped; a stream that went is looked for again."""
        while not self._stop.is_set():
            try:
                found = find_one(source_id=self._source_id, wait_s=1.0)
                with MarkerInlet(found, recover=False) as markers:
                    markers.open(2.0)
                    while not self._stop.wait(_STEERING_POLL_S):
                        for event in markers.pull():
                            self.obey(event)
            except StreamError:
                self._stop.wait(0.1)

    def obey(self, event: Event) -> None:
        """Have the participant look where a marker says, from its time on."""
        target = self._participant.target_of(event)
        at_sample = round((event.time - self._start) * self._participant.participant.rate_hz)
        try:
            self._participant.attend(target, at_sample=max(0, at_sample))
        except ConfigError:  # too late for that moment: from now on
            self._participant.attend(target)


def _await_consumer(outlet: SignalOutlet, timeout_s: float, stop: Stopper) -> None:
    deadline = local_clock() + timeout_s
    while not stop.is_set() and local_clock() < deadline:
        if outlet.wait_for_consumers(min(CONSUMER_POLL_S, timeout_s)):
            return


# --- a process of its own --------------------------------------------------------------------


class HeadsetProcess:
    """A headset that plays in a process of its own, while the ``with`` block lasts.

    Parameters
    ----------
    options
        What to play.
    ready_timeout_s
        How long the process may take until its streams exist.

    Raises
    ------
    StreamError
        The process did not get ready, on entering.
    ConfigError, RecordingError
        What is asked for cannot be played, on entering.

    Examples
    --------
    >>> with HeadsetProcess(HeadsetOptions(SyntheticSignal())) as headset:  # doctest: +SKIP
    ...     description = find_one(source_id="volition-headset", wait_s=5.0)
    """

    def __init__(self, options: HeadsetOptions, *, ready_timeout_s: float = 60.0) -> None:
        self.options = options
        self._ready_timeout_s = ready_timeout_s
        self._connection, self._far_end = forking.Pipe()
        self._process = forking.Process(
            target=_headset_main,
            args=(options, self._far_end),
            name="volition-headset",
            daemon=True,
        )
        self._started_at: float | None = None
        self._finished = False

    def __enter__(self) -> Self:
        self._process.start()
        # The child holds the only other end now, so its death is seen as an end of file.
        self._far_end.close()
        try:
            if not self._receive_until("ready", self._ready_timeout_s):
                raise StreamError(
                    f"the headset did not get ready within {self._ready_timeout_s:g} s"
                )
        except VolitionError:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process runs; its streams exist until shortly after the end."""
        return self._process.is_alive()

    def wait_until_playing(self, timeout_s: float) -> float:
        """Wait for the first sample and give the LSL time at which it was due.

        Raises
        ------
        StreamError
            Playing did not begin in time.
        """
        if self._started_at is None:
            self._receive_until("playing", timeout_s)
        if self._started_at is None:
            raise StreamError(f"the headset did not begin to play within {timeout_s:g} s")
        return self._started_at

    def wait_until_finished(self, timeout_s: float) -> bool:
        """Wait until everything was sent; False when it was not in time."""
        return self._finished or self._receive_until("finished", timeout_s)

    def stop(self, timeout_s: float = 5.0) -> None:
        """End the process, gently and then not; a second call does nothing."""
        self._connection.close()
        if self._process.pid is None:
            return
        self._process.join(timeout_s)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _receive_until(self, wanted: str, timeout_s: float) -> bool:
        deadline = local_clock() + timeout_s
        try:
            while self._connection.poll(max(0.0, deadline - local_clock())):
                kind, value = self._connection.recv()
                if kind == "failed":
                    raise value
                if kind == "playing":
                    self._started_at = value
                self._finished = self._finished or kind == "finished"
                if kind == wanted:
                    return True
        except (EOFError, OSError) as error:
            self._process.join(1.0)
            raise StreamError(
                f"the headset's process ended with exit code {self._process.exitcode}"
            ) from error
        return False


def _headset_main(options: HeadsetOptions, connection: Connection) -> None:
    """Play; the pipe tells the parent how it goes, and its end tells us that the parent is gone."""
    # Ctrl-C reaches the whole group; the parent decides what becomes of its headset.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = threading.Event()

    def watch() -> None:
        with contextlib.suppress(EOFError, OSError):
            connection.recv()
        stop.set()

    def tell(kind: str, value: Any = None) -> None:
        with contextlib.suppress(OSError):
            connection.send((kind, value))

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    try:
        run_headset(
            options,
            stop,
            on_ready=lambda: tell("ready"),
            on_playing=lambda start: tell("playing", start),
            on_finished=lambda: tell("finished"),
        )
    except VolitionError as error:
        tell("failed", error)
