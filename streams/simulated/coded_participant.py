"""A simulated participant who attends to items that flash: for trying spellers with nobody.

Background, alpha, blinks, mains and sensors are those of
`volition.streams.simulated.ssvep_participant`. Each flash then adds what it leaves:

- every flash a small visual response, for all of the display is seen;
- a flash that holds the attended item a larger one (N1, P2) and the late positivity (P300) over the
  middle of the head, with a latency and a size of its own each time, smaller when the last one was
  less than half a second ago (refractory), and smaller the more have come without a pause
  (habituation). Responses of flashes that overlap in time add up;
- a rise or fall of the attended item's light, for codes that are locked to the display's frames, a
  short response over the back of the head;
- an error (`err`) the negativity and positivity that follow a wrong answer (ErrN, Pe).

All follow from the seed, sample by sample, however they are cut. Whoever runs the display says what
flashes and when, by the number of a sample, and what is attended; it may be told as late as the
shortest latency, 50 ms.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from volition.chunk import Event, FloatArray, SignalSpec
from volition.errors import ConfigError
from volition.streams.files.recording import REST, TRIAL_START, Recording
from volition.streams.simulated.ssvep_participant import SsvepParticipant, scalp_position

#: Electrodes for both kinds of responses: the middle of the head and the back.
SPELLER = ("Fz", "Cz", "Pz", "PO7", "PO8", "O1", "Oz", "O2")
TRIAL_END = "trial_end"
#: No response is due sooner after its flash.
SOONEST_S = 0.05
#: How long a response makes the next smaller, in seconds.
_REFRACTORY_S = 0.5
_RESPONSE_S = 0.9


@dataclass(frozen=True, slots=True)
class _Wave:
    """A bump: when it is largest, how wide it is, how large, and where on the head."""

    at_s: float
    width_s: float
    size: float
    place: tuple[float, float]
    spread: float


_SEEN = (_Wave(0.11, 0.02, -0.25, (0.0, -3.6), 1.6), _Wave(0.17, 0.03, 0.25, (0.0, -3.6), 1.8))
_ATTENDED = (
    _Wave(0.17, 0.025, -0.8, (0.0, -3.2), 2.0),
    _Wave(0.23, 0.03, 0.4, (0.0, -3.0), 2.2),
)
_P300 = (_Wave(0.36, 0.07, 1.0, (0.0, -1.4), 2.4),)
_ERROR = (_Wave(0.25, 0.035, -0.9, (0.0, 0.8), 1.8), _Wave(0.36, 0.06, 1.1, (0.0, 0.4), 2.2))
_RISE = (_Wave(0.09, 0.014, -1.0, (0.3, -4.0), 1.3), _Wave(0.135, 0.02, 0.9, (0.0, -3.8), 1.4))
_FALL = (_Wave(0.10, 0.018, 0.45, (0.0, -3.9), 1.3), _Wave(0.15, 0.022, -0.35, (0.2, -3.8), 1.4))


@dataclass(frozen=True, slots=True)
class CodedParticipant:
    """A person before items that flash.

    Attributes
    ----------
    seed
        Who it is, and what happens in a sitting.
    labels, rate_hz
        Labels and sampling rate of the signal; electrodes of the 10-10 system.
    response_uv
        Size of the P300 where it is largest.
    visual_uv
        Amplitude of the response to a rise of the attended item's light, for codes.
    jitter_s
        Standard deviation of the P300's latency, from flash to flash.
    habituation
        Share that is lost, at most, as flashes of the attended item follow each other.
    background_uv, alpha_uv, blinks_per_min
        See `SsvepParticipant`.
    """

    seed: int = 0
    labels: tuple[str, ...] = SPELLER
    rate_hz: float = 250.0
    response_uv: float = 9.0
    visual_uv: float = 2.5
    jitter_s: float = 0.03
    habituation: float = 0.3
    background_uv: float = 5.0
    alpha_uv: float = 3.0
    blinks_per_min: float = 8.0

    def __post_init__(self) -> None:
        self._background()

    def _background(self) -> SsvepParticipant:
        return SsvepParticipant(
            seed=self.seed,
            labels=self.labels,
            rate_hz=self.rate_hz,
            background_uv=self.background_uv,
            alpha_uv=self.alpha_uv,
            blinks_per_min=self.blinks_per_min,
        )

    def spec(self) -> SignalSpec:
        """Give the signal's rate and electrodes."""
        return SignalSpec(self.rate_hz, self.labels)

    def sit(self, sitting: int = 0) -> CodedSignal:
        """Begin a sitting; another number is another day's noise."""
        return CodedSignal(self, sitting)


@dataclass(slots=True)
class _Due:
    """A response on its way: from which sample on, and what it adds."""

    first: int
    rows: FloatArray = field(repr=False)


class CodedSignal:
    """One sitting, as samples that come in order.

    Attributes
    ----------
    n_samples : None
        It has no end.
    """

    n_samples: None = None

    def __init__(self, participant: CodedParticipant, sitting: int = 0) -> None:
        self.participant = participant
        self._behind = participant._background().sit(sitting)  # noqa: SLF001 - its own person
        own = np.random.default_rng([participant.seed, 7])
        self._places = np.array([scalp_position(label) for label in participant.labels])
        self._late_s = float(own.normal(0, 0.02))
        self._moved = own.normal(0, 0.4, 2)
        self._trials = np.random.default_rng([participant.seed, 8, sitting])
        self._attended: int | None = None
        self._due: list[_Due] = []
        self._next = 0
        self._last_target = -math.inf
        self._in_a_row = 0.0
        self._lock = threading.Lock()

    def spec(self) -> SignalSpec:
        """Give the signal's rate and electrodes."""
        return self.participant.spec()

    @property
    def n_ahead(self) -> int:
        """Number of responses that have not ended."""
        return len(self._due)

    def attend(self, item: int | None) -> None:
        """Attend to an item from now on, by its place; None for none."""
        with self._lock:
            self._attended = item

    def forget_to_come(self) -> None:
        """Leave out what was to flash later than the samples so far."""
        ahead = math.ceil(SOONEST_S * self.participant.rate_hz)
        with self._lock:
            self._due = [due for due in self._due if due.first - ahead <= self._next]

    def flash(self, on: Sequence[int], at_sample: int) -> None:
        """Flash items, each by its place, at a sample.

        Raises
        ------
        ConfigError
            The sample has gone by too long ago.
        """
        with self._lock:
            is_target = self._attended is not None and self._attended in on
            at_s = at_sample / self.participant.rate_hz
            self._add(_SEEN, at_sample, self.participant.response_uv)
            if not is_target:
                return
            gain = self._gain(at_s)
            self._add(_ATTENDED, at_sample, gain * self.participant.response_uv)
            jitter_s = float(self._trials.normal(0, self.participant.jitter_s))
            self._add(_P300, at_sample, gain * self.participant.response_uv, jitter_s)

    def turn(self, is_on: bool, at_sample: int) -> None:
        """Turn the attended item's light on or off, for codes locked to frames."""
        with self._lock:
            self._add(_RISE if is_on else _FALL, at_sample, self.participant.visual_uv)

    def err(self, at_sample: int) -> None:
        """See a wrong answer at a sample."""
        with self._lock:
            jitter_s = float(self._trials.normal(0, self.participant.jitter_s / 2))
            self._add(_ERROR, at_sample, self.participant.response_uv, jitter_s)

    def take(self, first: int, stop: int) -> FloatArray:
        """Give samples ``first`` to ``stop``, shape (n_samples, n_channels), microvolts.

        Raises
        ------
        ConfigError
            They are not the next ones.
        """
        samples = self._behind.take(first, stop)
        with self._lock:
            for due in self._due:
                begin, end = max(first, due.first), min(stop, due.first + len(due.rows))
                if begin < end:
                    samples[begin - first : end - first] += due.rows[
                        begin - due.first : end - due.first
                    ]
            self._due = [due for due in self._due if due.first + len(due.rows) > stop]
            self._next = stop
        return samples

    def _gain(self, at_s: float) -> float:
        """Give the size of a target's response: smaller soon after another, and after many."""
        since_s = at_s - self._last_target
        self._in_a_row = self._in_a_row * math.exp(-max(since_s, 0.0) / 8.0) + 1.0
        self._last_target = at_s
        fresh = 1.0 - 0.6 * math.exp(-since_s / (_REFRACTORY_S / 2)) if since_s > 0 else 1.0
        tired = 1.0 - self.participant.habituation * (1.0 - math.exp(-self._in_a_row / 6.0))
        return fresh * tired * math.exp(0.25 * float(self._trials.standard_normal()))

    def _add(
        self, waves: Sequence[_Wave], at_sample: int, size_uv: float, jitter_s: float = 0.0
    ) -> None:
        rate_hz = self.participant.rate_hz
        soonest = at_sample + math.ceil(SOONEST_S * rate_hz)
        if soonest < self._next:
            raise ConfigError(f"sample {at_sample} has gone by; the next one is {self._next}")
        since_s = np.arange(math.ceil(SOONEST_S * rate_hz), round(_RESPONSE_S * rate_hz)) / rate_hz
        rows = np.zeros((len(since_s), len(self._places)))
        for wave in waves:
            away = (since_s - wave.at_s - self._late_s - jitter_s) / wave.width_s
            apart = ((self._places - np.array(wave.place) - self._moved) ** 2).sum(axis=1)
            pattern = np.exp(-apart / (2 * wave.spread**2))
            rows += size_uv * wave.size * np.exp(-0.5 * away**2)[:, None] * pattern
        self._due.append(_Due(soonest, rows))


def record_flashes(
    participant: CodedParticipant,
    steps: np.ndarray,
    asked: Sequence[tuple[int | None, str]],
    *,
    repetitions: int = 8,
    flash_every_s: float = 0.16,
    pause_s: float = 2.0,
    sitting: int = 0,
) -> Recording:
    """Give a recording of trials whose steps flash in a drawn order, each marked ``step N``.

    Parameters
    ----------
    participant
        Who it is.
    steps : ndarray of bool, shape (n_items, n_steps)
        The code book's.
    asked
        For each trial the place and the label of the item that is attended; None and "rest" where
        none is.
    repetitions
        How often each step flashes in a trial.
    flash_every_s, pause_s
        From one flash to the next, and before each trial.
    """
    signal, rate_hz = participant.sit(sitting), participant.rate_hz
    drawn = np.random.default_rng([participant.seed, 9, sitting])
    pieces, events, at = [], [], 0
    every, pause = round(flash_every_s * rate_hz), round(pause_s * rate_hz)
    for item, label in asked:
        pieces.append(signal.take(at, at + pause))
        at += pause
        signal.attend(item)
        events.append(Event(at / rate_hz, TRIAL_START, {"target": label}))
        for _ in range(repetitions):
            for step in drawn.permutation(steps.shape[1]):
                signal.flash(np.flatnonzero(steps[:, step]).tolist(), at)
                events.append(Event((at + 0.25) / rate_hz, f"step {step}"))
                pieces.append(signal.take(at, at + every))
                at += every
        events.append(Event((at - 0.5) / rate_hz, TRIAL_END))
        pieces.append(signal.take(at, at + round(rate_hz)))
        at += round(rate_hz)
        signal.attend(None)
    return _recording(participant, pieces, events, sitting)


def record_codes(
    participant: CodedParticipant,
    steps: np.ndarray,
    asked: Sequence[tuple[int | None, str]],
    *,
    step_hz: float = 60.0,
    trial_s: float = 4.2,
    pause_s: float = 2.0,
    sitting: int = 0,
) -> Recording:
    """Give a recording of trials whose codes are locked to an onset; see `record_flashes`."""
    signal, rate_hz = participant.sit(sitting), participant.rate_hz
    pieces, events, at = [], [], 0
    for item, label in asked:
        pieces.append(signal.take(at, at + round(pause_s * rate_hz)))
        at += round(pause_s * rate_hz)
        events.append(Event(at / rate_hz, TRIAL_START, {"target": label}))
        if item is not None:
            show_code(signal, steps[item], at, step_hz, trial_s)
        pieces.append(signal.take(at, at + round(trial_s * rate_hz)))
        at += round(trial_s * rate_hz)
        events.append(Event((at - 0.5) / rate_hz, TRIAL_END))
    pieces.append(signal.take(at, at + round(rate_hz)))
    return _recording(participant, pieces, events, sitting)


def show_code(
    signal: CodedSignal, code: np.ndarray, at_sample: int, step_hz: float, lasts_s: float
) -> None:
    """Show an attended item's code from a sample on."""
    rate_hz = signal.participant.rate_hz
    was_on = False
    for number in range(int(lasts_s * step_hz)):
        is_on = bool(code[number % len(code)])
        if is_on != was_on:
            signal.turn(is_on, at_sample + round(number * rate_hz / step_hz))
        was_on = is_on


def _recording(
    participant: CodedParticipant,
    pieces: Sequence[FloatArray],
    events: Sequence[Event],
    sitting: int,
) -> Recording:
    samples = np.concatenate(pieces)
    times = np.arange(len(samples)) / participant.rate_hz
    metadata = {"file": f"simulated-{participant.seed}-{sitting}"}
    return Recording(participant.spec(), samples, times, tuple(events), metadata)


__all__ = [
    "REST",
    "CodedParticipant",
    "CodedSignal",
    "record_codes",
    "record_flashes",
    "show_code",
]
