"""A simulated participant who imagines movements: for trying decoders of classes with nobody.

Over the motor areas of both hands and of the feet lie a mu and a beta rhythm. Imagining a movement
weakens them on the side that moves it, after a latency, by an amount that differs from trial to
trial (Pfurtscheller and Lopes da Silva, Clin. Neurophysiol. 110:1842, 1999). Around them are the
background, alpha, blinks and mains of `volition.streams.simulated.ssvep_participant`; eye movements
towards the side of the cue; and bursts of muscle at the temples. From day to day the cap sits a
little elsewhere and each electrode conducts differently: what reaches the electrodes is mixed anew.

`ImageryParticipant` describes a person, `ImagerySignal` is one sitting of theirs, on one day. All
follows from the seed and the day, to the last bit, however the signal is cut. Fatigue, learning and
what feedback does to the person are left out.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from volition.chunk import Event, FloatArray, SignalSpec
from volition.errors import ConfigError
from volition.streams.files.recording import TRIAL_START, Recording
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant, scalp_position

#: Electrodes over the motor areas and beside them.
MOTOR = ("C3", "C4", "CP1", "CP2", "FC1", "FC2", "CP5", "CP6", "FC5", "FC6", "T7", "T8", "Cz")

#: Where the rhythms of the left and right hand's and of the feet's areas lie, in rows of electrodes
#: to the right and to the front. The right hand's is on the left.
_AREAS = {"right": (-2.0, 0.0), "left": (2.0, 0.0), "feet": (0.0, 0.0)}
#: Distance over which such a rhythm spreads, in rows.
_REACH = 1.2
#: What imagining does to the amplitude of each area, as a share of the full weakening.
_WEAKENS = {
    "left": {"left": 1.0, "right": 0.25, "feet": 0.2},
    "right": {"right": 1.0, "left": 0.25, "feet": 0.2},
    "feet": {"feet": 1.0, "left": -0.3, "right": -0.3},
    "both": {"left": 1.0, "right": 1.0, "feet": 0.3},
}
_EYES = {"left": -1.0, "right": 1.0}
_EYES_LATENCY_S, _EYES_DECAY_S = 0.25, 0.8
_BURST_S = 0.6
_BETA_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ImageryParticipant:
    """A person who can be asked to imagine movements.

    Attributes
    ----------
    seed
        Who it is, and what happens in a sitting.
    classes
        What can be asked for: ``left``, ``right``, ``feet``, ``both`` (hands); any other label asks
        for nothing.
    labels, rate_hz
        Electrodes, by their names in the 10-10 system, and sampling rate.
    rhythm_uv
        Standard deviation of each area's mu rhythm where it is largest; beta has half of it.
    weakening
        Share of the amplitude that imagining takes away; 0 for a person who cannot be decoded.
    latency_s, rise_s
        From the cue until it begins, and its time constant.
    trial_spread
        Standard deviation of the logarithm of a trial's weakening.
    background_uv, alpha_uv, sensor_uv, mains_uv, mains_hz, blinks_per_min
        As of `SsvepParticipant`.
    eyes_uv
        Amplitude of the eye movement that goes with a cue, at the outer front of the head.
    muscle_uv, bursts_per_min
        Amplitude and rate of the muscle's bursts at the temples.
    day
        On which `sit` begins by default.
    cap_shift
        Standard deviation of how far the cap moves from day to day, in rows of electrodes.
    gain_spread
        Standard deviation of the logarithm of each electrode's gain from day to day.
    """

    seed: int = 0
    classes: tuple[str, ...] = ("left", "right")
    labels: tuple[str, ...] = MOTOR
    rate_hz: float = 125.0
    rhythm_uv: float = 5.0
    weakening: float = 0.6
    latency_s: float = 0.4
    rise_s: float = 0.3
    trial_spread: float = 0.3
    background_uv: float = 8.0
    alpha_uv: float = 3.0
    sensor_uv: float = 1.0
    mains_uv: float = 0.3
    mains_hz: float = 50.0
    blinks_per_min: float = 12.0
    eyes_uv: float = 20.0
    muscle_uv: float = 4.0
    bursts_per_min: float = 6.0
    day: int = 0
    cap_shift: float = 0.5
    gain_spread: float = 0.2

    def __post_init__(self) -> None:
        if len(self.labels) < 2 or not self.rate_hz >= 100 or not self.classes:
            raise ConfigError(
                "a participant needs at least 2 electrodes, 1 class and a rate of 100 Hz; found "
                f"{len(self.labels)}, {len(self.classes)} and {self.rate_hz:g} Hz"
            )
        if not 0 <= self.weakening < 1:
            raise ConfigError(f"weakening is a share below 1, not {self.weakening:g}")
        for label in self.labels:
            scalp_position(label)

    def spec(self) -> SignalSpec:
        """Give the signal's rate and electrodes."""
        return SignalSpec(self.rate_hz, self.labels)

    def sit(self, sitting: int | None = None) -> ImagerySignal:
        """Begin a sitting: the number of the day. On day 0 the cap sits where it should."""
        return ImagerySignal(self, self.day if sitting is None else sitting)

    def record(
        self,
        asked: Sequence[str],
        *,
        trial_s: float = 5.0,
        pause_s: float = 2.0,
        sitting: int | None = None,
    ) -> Recording:
        """Give a recording of trials, one after the other, with the events of their onsets.

        Parameters
        ----------
        asked
            What each trial asks for.
        trial_s, pause_s
            Length of a trial and of the pause before it.
        sitting
            See `sit`.
        """
        signal, rate_hz = self.sit(sitting), self.rate_hz
        n_trial, n_pause = round(trial_s * rate_hz), round(pause_s * rate_hz)
        pieces, events, first = [], [], 0
        for label in asked:
            onset, end = first + n_pause, first + n_pause + n_trial
            pieces.append(signal.take(first, onset))
            signal.attend(self.classes.index(label) if label in self.classes else None)
            pieces.append(signal.take(onset, end))
            signal.attend(None)
            events.append(Event(onset / rate_hz, TRIAL_START, {"class": label}))
            events.append(Event(end / rate_hz, "trial_end"))
            first = end
        pieces.append(signal.take(first, first + n_pause))
        samples = np.concatenate(pieces)
        times = np.arange(len(samples)) / rate_hz
        metadata = {"file": f"imagery-{self.seed}-{self.day if sitting is None else sitting}"}
        return Recording(self.spec(), samples, times, tuple(events), metadata)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is imagined from a sample on, and how strongly; None for nothing."""

    start: int
    label: str | None
    strength: float


class ImagerySignal:
    """One sitting of a participant, as samples that come in order.

    Parameters
    ----------
    participant
        Who sits there.
    sitting
        Number of the day.

    Attributes
    ----------
    n_samples : None
        It has no end.
    """

    n_samples: None = None

    def __init__(self, participant: ImageryParticipant, sitting: int = 0) -> None:
        self.participant = participant
        streams = np.random.SeedSequence([participant.seed, 7, sitting]).spawn(5)
        rhythms, self._trials, self._muscle, self._bursts, cap = map(np.random.default_rng, streams)
        person = np.random.default_rng([participant.seed, 6])
        places = np.array([scalp_position(label) for label in participant.labels])
        self._around = _background(participant).sit(sitting)
        self._rhythms = [
            _Rhythm(rhythms, person, place, places, participant.rate_hz)
            for place in _AREAS.values()
        ]
        self._cap = _cap(participant, places, cap) if sitting else None
        self._eyes = np.sign(places[:, 0]) * np.exp(
            -((places[:, 1] - 3.5) ** 2) / 8 - (np.abs(places[:, 0]) - 3) ** 2 / 8
        )
        self._temples = np.exp(-((np.abs(places[:, 0]) - 4.0) ** 2) / 2)
        self._amplitudes = np.ones(len(_AREAS))
        self._eye_since: tuple[int, float] | None = None
        self._burst_start = self._gap(0)
        self._emg_sos = scipy.signal.butter(
            2,
            min(25.0, 0.2 * participant.rate_hz),
            "highpass",
            fs=participant.rate_hz,
            output="sos",
        )
        self._emg = np.zeros((len(self._emg_sos), 2, len(places)))
        self._next = 0
        self._now = _Asked(0, None, 0.0)
        self._asked: list[_Asked] = []
        self._lock = threading.Lock()

    def spec(self) -> SignalSpec:
        """Give the signal's rate and electrodes."""
        return self.participant.spec()

    def target_of(self, event: Event) -> int | None:
        """Give the class that a marker asks for; None where it asks for none."""
        label = event.data.get("class", event.data.get("target"))
        known = self.participant.classes
        return known.index(label) if event.name == TRIAL_START and label in known else None

    @property
    def n_ahead(self) -> int:
        """Number of classes that are yet to be imagined."""
        return len(self._asked)

    def attend(self, target: int | None, *, at_sample: int | None = None) -> None:
        """Imagine a class, or nothing (None), from a sample on; from the next one when None.

        It may be called from another thread while the signal is played.

        Raises
        ------
        ConfigError
            There is no such class, or the sample has gone by too long ago.
        """
        classes = self.participant.classes
        if target is not None and not 0 <= target < len(classes):
            raise ConfigError(f"class {target} of {len(classes)}; allowed: 0 to {len(classes) - 1}")
        with self._lock:
            start = self._next if at_sample is None else at_sample
            if start < self._next - self.participant.latency_s * self.participant.rate_hz:
                raise ConfigError(f"sample {start} has gone by; the next one is {self._next}")
            strength = math.exp(self.participant.trial_spread * self._trials.standard_normal())
            label = None if target is None else classes[target]
            self._asked.append(_Asked(start, label, strength))
            self._asked.sort(key=lambda one: one.start)

    def take(self, first: int, stop: int) -> FloatArray:
        """Give samples ``first`` to ``stop``, shape (n_samples, n_channels), microvolts.

        Raises
        ------
        ConfigError
            They are not the next ones.
        """
        with self._lock:
            samples = self._around.take(first, stop)
            amplitudes, eyes = self._courses(first, stop)
            for number, rhythm in enumerate(self._rhythms):
                wave = self.participant.rhythm_uv * rhythm.take(stop - first)
                samples += (wave * amplitudes[:, number])[:, None] * rhythm.pattern
            samples += self.participant.eyes_uv * eyes[:, None] * self._eyes
            samples += self._muscles(first, stop)
            self._next = stop
            return samples if self._cap is None else _mixed(samples, self._cap)

    def _courses(self, first: int, stop: int) -> tuple[FloatArray, FloatArray]:
        """Give the areas' amplitudes (n_samples, n_areas) and the eyes' position (n_samples,)."""
        participant = self.participant
        decay = math.exp(-1 / (participant.rise_s * participant.rate_hz))
        n_latency = round(participant.latency_s * participant.rate_hz)
        amplitudes = np.empty((stop - first, len(_AREAS)))
        eyes = np.zeros(stop - first)
        for row, number in enumerate(range(first, stop)):
            while self._asked and self._asked[0].start + n_latency <= number:
                self._now = self._asked.pop(0)
                if self._now.label in _EYES:
                    self._eye_since = (self._now.start, _EYES[self._now.label])
            goal = self._goal()
            self._amplitudes = goal + decay * (self._amplitudes - goal)
            amplitudes[row] = self._amplitudes
            if self._eye_since is not None:
                since_s = (number - self._eye_since[0]) / participant.rate_hz - _EYES_LATENCY_S
                eyes[row] = self._eye_since[1] * math.exp(-since_s / _EYES_DECAY_S)
        return amplitudes, eyes

    def _goal(self) -> FloatArray:
        shares = _WEAKENS.get(self._now.label or "", {})
        weakening = min(0.95, self.participant.weakening * self._now.strength)
        return 1.0 - weakening * np.array([shares.get(area, 0.0) for area in _AREAS])

    def _gap(self, since: int) -> float:
        """Draw when the next burst of muscle begins, samples."""
        if self.participant.bursts_per_min <= 0:
            return math.inf
        pause_s = self._bursts.exponential(60 / self.participant.bursts_per_min) + _BURST_S
        return since + float(pause_s * self.participant.rate_hz)

    def _muscles(self, first: int, stop: int) -> FloatArray:
        white = self._muscle.standard_normal((stop - first, len(self._temples)))
        if not len(white):
            return white
        noise: FloatArray
        noise, self._emg = scipy.signal.sosfilt(self._emg_sos, white, axis=0, zi=self._emg)
        loud = np.full(stop - first, 0.1)
        length = _BURST_S * self.participant.rate_hz
        numbers = np.arange(first, stop)
        start = self._burst_start
        while start < stop:
            inside = (numbers >= start) & (numbers < start + length)
            loud[inside] += np.sin(np.pi * (numbers[inside] - start) / length) ** 2
            if start + length >= stop:
                break
            start = self._gap(int(start + length))
        self._burst_start = start
        result: FloatArray = self.participant.muscle_uv * loud[:, None] * noise * self._temples
        return result


class _Rhythm:
    """Mu and beta of one area: noise through resonances, with a deviation of 1 for mu."""

    def __init__(
        self,
        rng: np.random.Generator,
        person: np.random.Generator,
        place: tuple[float, float],
        places: FloatArray,
        rate_hz: float,
    ) -> None:
        squared = ((np.array(place) + person.normal(0, 0.2, 2) - places) ** 2).sum(axis=1)
        self.pattern: FloatArray = np.exp(-squared / (2 * _REACH**2))
        self._rng = rng.spawn(1)[0]
        mu_hz = person.normal(11.0, 0.7)
        self._filters = [
            (_resonance(mu_hz, 1.5, rate_hz), 1.0),
            (_resonance(2 * mu_hz, 3.0, rate_hz), _BETA_SHARE),
        ]
        self._states = [np.zeros(2), np.zeros(2)]

    def take(self, n_samples: int) -> FloatArray:
        """Give the next samples, shape (n_samples,)."""
        total = np.zeros(n_samples)
        white = self._rng.standard_normal((n_samples, 2))
        if not n_samples:
            return total
        for number, ((gain, poles), share) in enumerate(self._filters):
            wave, self._states[number] = scipy.signal.lfilter(
                [share * gain], poles, white[:, number], zi=self._states[number]
            )
            total += wave
        return total


def _resonance(freq_hz: float, width_hz: float, rate_hz: float) -> tuple[float, FloatArray]:
    """Give the gain and poles of a resonance whose output of white noise has a deviation of 1."""
    radius = math.exp(-math.pi * width_hz / rate_hz)
    poles = np.array([1.0, -2 * radius * math.cos(2 * math.pi * freq_hz / rate_hz), radius**2])
    impulse = scipy.signal.lfilter([1.0], poles, np.eye(1, round(20 * rate_hz))[0])
    return 1 / math.sqrt(float(impulse @ impulse)), poles


def _background(participant: ImageryParticipant) -> SsvepParticipant:
    """Give who has the background alone: a flicker is there that is never looked at."""
    return SsvepParticipant(
        seed=participant.seed,
        targets=(Flicker(10.0),),
        labels=participant.labels,
        rate_hz=participant.rate_hz,
        background_uv=participant.background_uv,
        alpha_uv=participant.alpha_uv,
        sensor_uv=participant.sensor_uv,
        mains_uv=participant.mains_uv,
        mains_hz=participant.mains_hz,
        blinks_per_min=participant.blinks_per_min,
    )


def _cap(
    participant: ImageryParticipant, places: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Give how a day's electrodes (columns) mix what the electrodes in their places (rows) see.

    The field between places is interpolated by Gaussian kernels.
    """
    shift = rng.normal(0, participant.cap_shift, 2)
    turn = rng.normal(0, 0.1 * participant.cap_shift)
    rotated: FloatArray = places @ np.array(
        [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    )
    kernel = _kernel(places, places) + 0.05 * np.eye(len(places))
    weights = np.linalg.solve(kernel, _kernel(places, rotated + shift))
    gains = np.exp(rng.normal(0, participant.gain_spread, len(places)))
    mixing: FloatArray = np.asarray(weights * gains, dtype=np.float64)
    return mixing


def _kernel(first: FloatArray, second: FloatArray) -> FloatArray:
    squared = ((first[:, None] - second) ** 2).sum(axis=2)
    result: FloatArray = np.exp(-squared / (2 * 1.5**2))
    return result


def _mixed(samples: FloatArray, mixing: FloatArray) -> FloatArray:
    """Give ``samples @ mixing``, each sum in one order whatever the number of samples."""
    total: FloatArray = np.zeros((len(samples), mixing.shape[1]))
    for number, row in enumerate(mixing):
        total += samples[:, number, None] * row
    return total
