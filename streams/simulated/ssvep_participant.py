"""A simulated participant who looks at flickers: for trying decoders and calibration with nobody.

The signal is a background of 1/f sources spread over the head and mixed by distance, a waxing and
waning alpha rhythm, blinks, mains and sensor noise; and, while a target is looked at, a response at
its harmonics that follows the flicker's phase after the latency of vision, with an amplitude that
differs from trial to trial. Patterns over the scalp, phases and amplitudes are the person's own:
they follow from the seed. So does every sample, however it is cut. The answer to a flicker that is
not looked at is left out, as are movement and fatigue.

`SsvepParticipant` describes a person; `ParticipantSignal` is one sitting of theirs: samples in
order, and `attend` to say what is looked at. `record` gives a whole recording of trials. A
`ParticipantSignal` can be the source of a headset (`volition.streams.simulated.headset`), and be
told live what to attend to by whoever holds it.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from volition.chunk import Event, FloatArray, SignalSpec
from volition.errors import ConfigError
from volition.streams.files.recording import TRIAL_START, Recording, trial_target

IntArray = npt.NDArray[np.int64]

#: Nine electrodes over the back of the head, as spellers use.
OCCIPITAL = ("Pz", "PO5", "PO3", "POz", "PO4", "PO6", "O1", "Oz", "O2")

_ROWS = {"FP": 4.0, "AF": 3.0, "F": 2.0, "FC": 1.0, "FT": 1.0, "C": 0.0, "T": 0.0, "CP": -1.0,
         "TP": -1.0, "P": -2.0, "PO": -3.0, "O": -4.0, "CB": -4.5, "M": -1.0}  # fmt: skip
_N_SOURCES = 24
#: Distance, in rows of electrodes, over which a source spreads.
_SPREAD = 1.7
#: Time constants of the processes whose sum falls as 1/f, seconds, and their shares.
_SLOWNESS_S = (1.0, 0.1, 0.02, 0.004)
_BLINK_S = 0.3
_N_HARMONICS = 5
#: Targets so near in frequency are answered from nearly the same place with the same phase.
_ALIKE_HZ = 1.5
#: The response grows and fades with this time constant, seconds.
_RISE_S = 0.08


@dataclass(frozen=True, slots=True)
class Flicker:
    """A target as the screen shows it.

    Attributes
    ----------
    freq_hz, phase_rad
        Luminance is ``(1 + sin(2 pi freq_hz t + phase_rad)) / 2``, t from the onset.
    """

    freq_hz: float
    phase_rad: float = 0.0


def jfpm_targets() -> tuple[Flicker, ...]:
    """Give forty targets, 8 to 15.8 Hz in steps of 0.2, phases in steps of pi/2.

    Joint frequency and phase modulation: Chen et al., PNAS 112:E6058, 2015; rows of eight, of
    which each column spans 1 Hz.
    """
    steps = [5 * (number % 8) + number // 8 for number in range(40)]
    return tuple(Flicker(round(8 + 0.2 * k, 1), 0.5 * math.pi * k % (2 * math.pi)) for k in steps)


@dataclass(frozen=True, slots=True)
class SsvepParticipant:
    """A person who can be asked to look at flickers.

    Attributes
    ----------
    seed
        Who it is: scalp patterns, phases, alpha; and what happens in a sitting.
    targets
        What the screen shows.
    labels
        Electrodes, by their names in the 10-10 system.
    rate_hz
        Sampling rate.
    response_uv
        Amplitude of the first harmonic where it is largest.
    background_uv, alpha_uv, sensor_uv, mains_uv
        Standard deviation of the 1/f background, of alpha where it is largest, of each sensor's
        own noise, and amplitude of the mains.
    mains_hz
        50 or 60.
    latency_s
        From the screen to the response.
    gain_spread
        Standard deviation of the logarithm of a trial's amplitude.
    jitter_s
        Standard deviation of a trial's latency.
    blinks_per_min
        Blinks are of some 150 µV at the forehead and hardly seen at the back.
    """

    seed: int = 0
    targets: tuple[Flicker, ...] = jfpm_targets()
    labels: tuple[str, ...] = OCCIPITAL
    rate_hz: float = 250.0
    response_uv: float = 2.0
    background_uv: float = 8.0
    alpha_uv: float = 4.0
    sensor_uv: float = 0.7
    mains_uv: float = 0.3
    mains_hz: float = 50.0
    latency_s: float = 0.14
    gain_spread: float = 0.3
    jitter_s: float = 0.003
    blinks_per_min: float = 12.0

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or not self.rate_hz > 0 or not self.targets:
            raise ConfigError(
                "a participant needs at least 2 electrodes, 1 target and a rate above 0 Hz; found "
                f"{len(self.labels)}, {len(self.targets)} and {self.rate_hz:g} Hz"
            )
        highest = max(target.freq_hz for target in self.targets)
        if highest >= self.rate_hz / 2:
            raise ConfigError(
                f"a flicker of {highest:g} Hz needs a rate above {2 * highest:g} Hz; found "
                f"{self.rate_hz:g} Hz"
            )
        for label in self.labels:
            scalp_position(label)

    def spec(self) -> SignalSpec:
        """Give the signal's rate and electrodes."""
        return SignalSpec(self.rate_hz, self.labels)

    def sit(self, sitting: int = 0) -> ParticipantSignal:
        """Begin a sitting; the same person with another number has another day's noise."""
        return ParticipantSignal(self, sitting)

    def record(
        self,
        asked: Sequence[int | None],
        *,
        trial_s: float = 5.0,
        pause_s: float = 1.0,
        sitting: int = 0,
    ) -> Recording:
        """Give a recording of trials, one after the other, with the events of their onsets.

        Parameters
        ----------
        asked
            Index of the target looked at in each trial, None for rest.
        trial_s, pause_s
            Length of a trial and of the pause before it.
        sitting
            See `sit`.
        """
        signal, rate_hz = self.sit(sitting), self.rate_hz
        n_trial, n_pause = round(trial_s * rate_hz), round(pause_s * rate_hz)
        pieces, events, first = [], [], 0
        for target in asked:
            onset = first + n_pause
            pieces.append(signal.take(first, onset))
            signal.attend(target)
            pieces.append(signal.take(onset, onset + n_trial))
            signal.attend(None)
            freq_hz = 0.0 if target is None else self.targets[target].freq_hz
            events.append(Event(onset / rate_hz, TRIAL_START, trial_target(freq_hz)))
            first = onset + n_trial
        samples = np.concatenate(pieces) if pieces else np.empty((0, len(self.labels)))
        times = np.arange(len(samples)) / rate_hz
        metadata = {"file": f"simulated-{self.seed}-{sitting}", "trial_s": trial_s}
        return Recording(self.spec(), samples, times, tuple(events), metadata)

    def epochs(
        self, n_blocks: int, window_s: float, *, lead_s: float = 0.5, sitting: int = 0
    ) -> FloatArray:
        """Give trials of every target in each block, in order.

        Parameters
        ----------
        n_blocks
            How often each target is looked at.
        window_s
            Signal from the latency of vision after the onset on.
        lead_s
            Signal before that, which a decoder's filters may settle on.

        Returns
        -------
        ndarray, shape (n_blocks, n_targets, n_channels, n_samples)
            Microvolts; the last ``window_s`` are the window, its first sample at the latency.
        """
        rate_hz, n_targets = self.rate_hz, len(self.targets)
        n_window, n_lead = round(window_s * rate_hz), round(lead_s * rate_hz)
        n_latency = round(self.latency_s * rate_hz)
        pause_s = max(1.0, lead_s)
        recording = self.record(
            list(range(n_targets)) * n_blocks,
            trial_s=window_s + self.latency_s + 2 / rate_hz,
            pause_s=pause_s,
            sitting=sitting,
        )
        epochs = []
        for event in recording.events:
            start = round(event.time * rate_hz) + n_latency
            epochs.append(recording.samples[start - n_lead : start + n_window].T)
        shape = (n_blocks, n_targets, len(self.labels), n_lead + n_window)
        return np.array(epochs).reshape(shape)


def scalp_position(label: str) -> tuple[float, float]:
    """Give where an electrode of the 10-10 system lies: to the right and to the front, in rows.

    Raises
    ------
    ConfigError
        It is no such label.
    """
    match = re.fullmatch(r"([A-Za-z]+?)(z|\d{1,2})", label, re.IGNORECASE)
    row = _ROWS.get(match[1].upper()) if match else None
    if match is None or row is None:
        raise ConfigError(
            f"electrode {label!r} is not of the 10-10 system (Oz, PO3, FC5, ...)", found=label
        )
    if match[2].lower() == "z":
        return 0.0, row
    number = int(match[2])
    side = -1.0 if number % 2 else 1.0
    return side * ((number + 1) // 2), row


class ParticipantSignal:
    """One sitting of a participant, as samples that come in order.

    Parameters
    ----------
    participant
        Who sits there.
    sitting
        Number of the sitting.

    Attributes
    ----------
    n_samples : None
        It has no end.
    """

    n_samples: None = None

    def __init__(self, participant: SsvepParticipant, sitting: int = 0) -> None:
        self.participant = participant
        self._person = _Person(participant)
        streams = np.random.SeedSequence([participant.seed, 1, sitting]).spawn(4)
        self._noise, self._blinks, self._trials, alpha = map(np.random.default_rng, streams)
        self._alpha = _Alpha(alpha, participant.rate_hz)
        n_channels = len(participant.labels)
        self._decays = np.exp(-1 / (np.array(_SLOWNESS_S) * participant.rate_hz))
        self._slow = np.zeros((len(_SLOWNESS_S), 1, _N_SOURCES))
        self._next = 0
        self._look: _Look | None = None
        self._fading: _Look | None = None
        self._asked: list[_Look] = []
        self._blink_starts = [self._blink_gap()]
        self._lock = threading.Lock()
        self._n_channels = n_channels

    def spec(self) -> SignalSpec:
        """Give the signal's rate and electrodes."""
        return self.participant.spec()

    def target_of(self, event: Event) -> int | None:
        """Give the flicker that a marker says is looked at; None where it says of none."""
        freq_hz = event.data.get("freq_hz") if event.name == TRIAL_START else None
        if not isinstance(freq_hz, int | float):
            return None
        near = [abs(one.freq_hz - freq_hz) < 1e-6 for one in self.participant.targets]
        return near.index(True) if any(near) else None

    @property
    def n_ahead(self) -> int:
        """Number of looks that are yet to come."""
        return len(self._asked)

    def attend(self, target: int | None, *, at_sample: int | None = None) -> None:
        """Look at a target, or away (None), from a sample on; from the next one when None.

        The flicker's phase counts from that sample. It may be called from another thread while
        the signal is played, and for a sample that has gone by, as long as the latency of vision:
        no response to it is due before.

        Raises
        ------
        ConfigError
            There is no such target, or the sample has gone by too long ago.
        """
        n_targets = len(self.participant.targets)
        if target is not None and not 0 <= target < n_targets:
            raise ConfigError(
                f"target {target} of {n_targets}; allowed: 0 to {n_targets - 1}, or None"
            )
        with self._lock:
            start = self._next if at_sample is None else at_sample
            n_late = self.participant.latency_s * self.participant.rate_hz
            if start < self._next - n_late:
                raise ConfigError(f"sample {start} has gone by; the next one is {self._next}")
            gain = math.exp(self.participant.gain_spread * self._trials.standard_normal())
            jitter = self.participant.jitter_s * self._trials.standard_normal()
            self._asked.append(_Look(start, target, gain, jitter))
            self._asked.sort(key=lambda look: look.start)

    def take(self, first: int, stop: int) -> FloatArray:
        """Give samples ``first`` to ``stop``, shape (n_samples, n_channels), microvolts.

        Raises
        ------
        ConfigError
            They are not the next ones.
        """
        with self._lock:
            if first != self._next or stop < first:
                raise ConfigError(
                    f"samples come in order: {self._next} is next, found {first} to {stop}"
                )
            samples = self._background(stop - first)
            samples += self._eyes(first, stop)
            position = first
            while position < stop:
                while self._asked and self._asked[0].start <= position:
                    self._fading, self._look = self._look, self._asked.pop(0)
                until = min([stop, *(look.start for look in self._asked[:1])])
                samples[position - first : until - first] += self._response(position, until)
                position = until
            self._next = stop
        return samples

    def _background(self, n_samples: int) -> FloatArray:
        participant, person = self.participant, self._person
        drawn = self._noise.standard_normal(
            (n_samples, len(_SLOWNESS_S) * _N_SOURCES + self._n_channels)
        )
        sources = np.zeros((n_samples, _N_SOURCES))
        for number, decay in enumerate(self._decays):
            white = drawn[:, number * _N_SOURCES : (number + 1) * _N_SOURCES]
            gain = math.sqrt(1 - decay**2)
            if n_samples:
                out, self._slow[number] = scipy.signal.lfilter(
                    [gain], [1, -decay], white, axis=0, zi=self._slow[number]
                )
                sources += out / math.sqrt(len(_SLOWNESS_S))
        samples = participant.background_uv * _mixed(sources, person.mixing)
        samples += participant.sensor_uv * drawn[:, len(_SLOWNESS_S) * _N_SOURCES :]
        alpha = self._alpha.take(n_samples)
        samples += participant.alpha_uv * alpha[:, None] * person.alpha_pattern
        turns = participant.mains_hz * np.arange(self._next, self._next + n_samples)
        mains = np.sin(2 * np.pi * turns / participant.rate_hz)
        samples += participant.mains_uv * mains[:, None]
        return samples

    def _blink_gap(self) -> float:
        """Draw the time until the next blink, samples."""
        if self.participant.blinks_per_min <= 0:
            return math.inf
        pause_s = self._blinks.exponential(60 / self.participant.blinks_per_min)
        return float((pause_s + _BLINK_S) * self.participant.rate_hz)

    def _eyes(self, first: int, stop: int) -> FloatArray:
        length = _BLINK_S * self.participant.rate_hz
        while self._blink_starts[-1] < stop:
            self._blink_starts.append(self._blink_starts[-1] + self._blink_gap())
        numbers = np.arange(first, stop)
        lids = np.zeros(stop - first)
        for start in self._blink_starts:
            inside = (numbers >= start) & (numbers < start + length)
            lids[inside] += np.sin(np.pi * (numbers[inside] - start) / length) ** 2
        self._blink_starts = [start for start in self._blink_starts if start + length > first]
        return 150.0 * lids[:, None] * self._person.blink_pattern

    def _response(self, first: int, stop: int) -> FloatArray:
        """Give the response to what is looked at, and what is left of the one before."""
        total = np.zeros((stop - first, self._n_channels))
        if self._look is None:
            return total
        numbers = np.arange(first, stop)
        now, before = self._look, self._fading
        since_s = (numbers - now.start) / self.participant.rate_hz - self.participant.latency_s
        if now.target is not None:
            rise = np.where(since_s > 0, 1 - np.exp(-np.maximum(since_s, 0) / _RISE_S), 0.0)
            total += rise[:, None] * self._wave(now, numbers)
        if before is not None and before.target is not None:
            fade = np.exp(-np.maximum(since_s, 0) / _RISE_S)
            total += fade[:, None] * self._wave(before, numbers)
        return total

    def _wave(self, look: _Look, numbers: IntArray) -> FloatArray:
        participant = self.participant
        assert look.target is not None
        flicker = participant.targets[look.target]
        harmonics = np.arange(1, _N_HARMONICS + 1)
        harmonics = harmonics[harmonics * flicker.freq_hz < participant.rate_hz / 2]
        times = (numbers - look.start) / participant.rate_hz
        times = times - participant.latency_s - look.jitter_s
        phases = 2 * np.pi * flicker.freq_hz * times + flicker.phase_rad
        shifts = self._person.phases[look.target, : len(harmonics)]
        waves = np.sin(np.outer(phases, harmonics) + shifts)
        patterns = self._person.patterns[look.target, : len(harmonics)]
        return participant.response_uv * look.gain * _mixed(waves, patterns)


@dataclass(frozen=True, slots=True)
class _Look:
    """A target looked at (None: away) from a sample on, with that trial's gain and lateness."""

    start: int
    target: int | None
    gain: float
    jitter_s: float


class _Person:
    """What is a participant's own: how sources reach the electrodes, and the response."""

    def __init__(self, participant: SsvepParticipant) -> None:
        rng = np.random.default_rng([participant.seed, 0])
        places = np.array([scalp_position(label) for label in participant.labels])
        sources = rng.uniform((-4, -5), (4, 4), (_N_SOURCES, 2))
        mixing = _spread(sources, places) * rng.choice([-1.0, 1.0], (_N_SOURCES, 1))
        mixing /= np.sqrt((mixing**2).sum(axis=0)).mean()
        self.mixing = mixing
        self.alpha_pattern = _peaked(_spread(np.array([[rng.normal(0, 0.5), -2.7]]), places)[0])
        blink = np.exp(-((places[:, 1] - 4) ** 2) / 8) + 0.01
        self.blink_pattern = blink
        n_targets = len(participant.targets)
        # Each harmonic has its own place, which moves a little with the frequency.
        centres = np.array([0.0, -3.8]) + rng.normal(0, 0.6, (_N_HARMONICS, 2))
        sizes = np.array([1.0, 0.6, 0.35, 0.25, 0.15]) * np.exp(rng.normal(0, 0.25, _N_HARMONICS))
        freqs_hz = np.array([target.freq_hz for target in participant.targets])
        alike = _alike(freqs_hz)
        strays = rng.normal(0, 0.25, (n_targets, _N_HARMONICS * 2))
        moved = centres + (alike @ strays).reshape(n_targets, _N_HARMONICS, 2)
        patterns = _spread(moved.reshape(-1, 2), places).reshape(n_targets, _N_HARMONICS, -1)
        largest = np.abs(patterns).max(axis=2, keepdims=True)
        # Low frequencies are answered more strongly.
        falls = (10.0 / freqs_hz)[:, None, None] ** 0.5
        self.patterns = patterns / largest * sizes[:, None] * falls
        own = rng.uniform(0, 2 * np.pi, _N_HARMONICS)
        self.phases = own + alike @ rng.normal(0, 0.2, (n_targets, _N_HARMONICS))


def _alike(freqs_hz: FloatArray) -> FloatArray:
    """Give weights that make what is drawn for each target alike for neighbours in frequency."""
    apart = freqs_hz[:, None] - freqs_hz
    weights = np.exp(-(apart**2) / (2 * _ALIKE_HZ**2))
    result: FloatArray = weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return result


def _mixed(sources: FloatArray, patterns: FloatArray) -> FloatArray:
    """Give ``sources @ patterns``, a row's sum in one order whatever the number of rows.

    A matrix product chooses its order by the sizes, so the last bits would hang on the chunks.
    """
    total: FloatArray = np.zeros((len(sources), patterns.shape[1]))
    for number, pattern in enumerate(patterns):
        total += sources[:, number, None] * pattern
    return total


def _spread(sources: FloatArray, places: FloatArray) -> FloatArray:
    """Give how sources reach places, shape (n_sources, n_places)."""
    squared = ((sources[:, None] - places) ** 2).sum(axis=2)
    reach: FloatArray = np.exp(-squared / (2 * _SPREAD**2))
    return reach


def _peaked(pattern: FloatArray) -> FloatArray:
    peaked: FloatArray = pattern / np.abs(pattern).max()
    return peaked


class _Alpha:
    """Noise through a resonance near 10 Hz: it waxes and wanes, with a deviation of 1."""

    def __init__(self, rng: np.random.Generator, rate_hz: float) -> None:
        self._rng = rng
        freq_hz = rng.normal(10.2, 0.6)
        radius = math.exp(-math.pi * 1.2 / rate_hz)  # 1.2 Hz wide
        angle = 2 * math.pi * freq_hz / rate_hz
        self._poles = np.array([1.0, -2 * radius * math.cos(angle), radius**2])
        impulse = scipy.signal.lfilter([1.0], self._poles, np.eye(1, round(20 * rate_hz))[0])
        self._gain = 1 / math.sqrt(float(impulse @ impulse))
        self._state = np.zeros(2)

    def take(self, n_samples: int) -> FloatArray:
        if not n_samples:
            return np.empty(0)
        white = self._rng.standard_normal(n_samples)
        wave, self._state = scipy.signal.lfilter([self._gain], self._poles, white, zi=self._state)
        result: FloatArray = wave
        return result
