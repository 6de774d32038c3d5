"""Filter-bank canonical correlation analysis: which flicker does the user look at.

Each target flickers at its own frequency. Over a window, the canonical correlation of each
sub-band with sines at a target's harmonics is squared, weighed and summed (Chen et al., J. Neural
Eng. 12:046008, 2015, equations 5 to 7); the largest score is the target. Nothing is learned, so it
works for a new user at once. A calibration only sets when to say idle.

Two triggers. ``markers``: one window after each onset marker. ``sliding``: a decision every step
over the newest window; its cost does not grow with the window, since moments of steps are summed
in two stacks (the suffix sums of the last full round of steps, the running sum of this one)
without ever subtracting one: an artifact that has left the window leaves nothing behind.

What is computed depends on a count of samples alone. Times only say at which sample a marker lies.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from decoders.decoder import Decoder
from decoders.filtering import check_below_half_rate, regular_rate
from decoders.intent import IdleIntent, Intent, SelectionIntent
from decoders.settings import Settings
from decoders.ssvep.bank import FilterBank, sub_band_edges, sub_band_weights
from decoders.ssvep.correlation import (
    Moments,
    ReferenceFactor,
    phases,
    references,
    squared_correlations,
    turn,
)
from decoders.stage import check_channels
from streams.chunk import Chunk, Event, FloatArray, SignalSpec
from streams.errors import ConfigError

#: A marker-triggered window is summed in pieces of this length as it comes, so that only the last
#: piece is left to do when the window ends.
PIECE_S = 0.25
#: How long after the end of its window a marker may still come and be answered.
LATE_S = 2.0
#: How long after its due time the first sample of a window may lie. More means that the samples
#: of that time were never seen.
LARGEST_LAG_S = 0.05
#: Windows that are summed as they come; further ones overlap these and are summed at their end.
SUMMED_AS_THEY_COME = 8


class Target(BaseModel):
    """A flickering target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1)
    freq_hz: float = Field(gt=0)


class FbccaSettings(Settings):
    """Settings of `FbccaDecoder`."""

    kind: Literal["fbcca"] = "fbcca"
    targets: list[Target] = Field(min_length=2, description="What can be selected.")
    n_harmonics: int = Field(default=5, ge=1, le=20, description="Harmonics in the references.")
    n_subbands: int = Field(default=5, ge=1, le=20)
    band_low_hz: float = Field(default=8.0, gt=0, description="Lower edge of the first sub-band.")
    band_step_hz: float = Field(default=8.0, gt=0, description="From one lower edge to the next.")
    band_high_hz: float = Field(
        default=88.0, gt=0, description="Upper edge of every sub-band; kept below 0.45 of the rate."
    )
    band_order: int = Field(default=4, ge=1, le=12, description="Butterworth order of each edge.")
    window_s: float = Field(default=3.0, gt=0, le=60)
    trigger: Literal["markers", "sliding"] = Field(
        default="markers", description="One window after each onset marker, or one every step_s."
    )
    step_s: float = Field(
        default=0.1,
        gt=0,
        description="Between decisions when sliding; the window is rounded to whole steps.",
    )
    delay_s: float = Field(
        default=0.14, ge=0, description="From an onset marker to its window: the eye's latency."
    )
    onset_markers: list[str] = Field(
        default_factory=list, description="Names of the markers that start a window; all if empty."
    )
    idle_threshold: float = Field(
        default=0.0, ge=0, description="Idle below this distance between the best two scores."
    )
    temperature: float = Field(
        default=0.1, gt=0, description="Scores over this are the logits of the confidence."
    )
    expires_s: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _labels_differ(self) -> FbccaSettings:
        labels = [target.label for target in self.targets]
        repeated = sorted({label for label in labels if labels.count(label) > 1})
        if repeated:
            raise ValueError(f"each target needs a label of its own; found twice: {repeated}")
        return self


class WindowScorer:
    """Scores windows of filtered samples: what streaming and batch share.

    Parameters
    ----------
    settings
        Targets, harmonics and sub-bands.
    rate_hz, n_channels
        The signal.

    Raises
    ------
    ConfigError
        A harmonic or a sub-band above what the rate allows, or too short a window.
    """

    def __init__(self, settings: FbccaSettings, rate_hz: float, n_channels: int) -> None:
        self.n_channels = n_channels
        self.edges = sub_band_edges(
            settings.n_subbands,
            settings.band_low_hz,
            settings.band_step_hz,
            settings.band_high_hz,
            rate_hz,
        )
        self.weights = sub_band_weights(settings.n_subbands)
        step_s = settings.step_s if settings.trigger == "sliding" else PIECE_S
        self.piece_samples = max(1, round(step_s * rate_hz))
        self.window_samples = round(settings.window_s * rate_hz)
        if settings.trigger == "sliding":
            n_steps = max(1, round(self.window_samples / self.piece_samples))
            self.window_samples = n_steps * self.piece_samples
        self._check(settings, rate_hz)
        freqs_hz = np.array([target.freq_hz for target in settings.targets])
        self.radians = phases(freqs_hz, settings.n_harmonics, rate_hz)
        self.references = references(self.radians, 0, self.window_samples)
        self.factor = ReferenceFactor(self.radians, 0, self.window_samples)

    def _check(self, settings: FbccaSettings, rate_hz: float) -> None:
        for target in settings.targets:
            check_below_half_rate("fbcca", f"target {target.label!r}", target.freq_hz, rate_hz)
        highest = max(target.freq_hz for target in settings.targets)
        if settings.n_harmonics * highest >= rate_hz / 2:
            allowed = int(np.ceil(rate_hz / 2 / highest)) - 1
            raise ConfigError(
                f"fbcca: harmonic {settings.n_harmonics} of {highest:g} Hz is "
                f"{settings.n_harmonics * highest:g} Hz, not below half the rate "
                f"({rate_hz / 2:g} Hz); n_harmonics may be at most {allowed}",
                found=settings.n_harmonics,
                allowed=allowed,
            )
        lowest = min(target.freq_hz for target in settings.targets)
        needed = max(self.n_channels + 2 * settings.n_harmonics + 1, int(rate_hz / lowest) + 1)
        if self.window_samples < needed:
            raise ConfigError(
                f"fbcca: a window of {self.window_samples} samples ({settings.window_s:g} s) is "
                f"too short for {self.n_channels} channels, {settings.n_harmonics} harmonics and "
                f"{lowest:g} Hz; at {rate_hz:g} Hz it must have at least {needed} samples "
                f"({needed / rate_hz:.3g} s)",
                found=self.window_samples,
                allowed_from=needed,
            )

    def new_moments(self, flat: FloatArray | None = None) -> Moments:
        return Moments(len(self.edges), self.n_channels, self.references.shape[0] - 1, flat)

    def waves(self, start: int, stop: int) -> FloatArray:
        """Give the references from sample ``start`` to ``stop`` of a window."""
        return self.references[:, start:stop]

    def scores(self, moments: Moments, factor: ReferenceFactor | None = None) -> FloatArray:
        """Give the score of each target, shape (n_targets,)."""
        result: FloatArray = self.weights @ squared_correlations(moments, factor or self.factor)
        return result

    def scores_of(self, filtered: FloatArray) -> FloatArray:
        """Score one window of filtered samples.

        Parameters
        ----------
        filtered : ndarray, shape (n_bands, n_channels, window_samples)

        Returns
        -------
        ndarray, shape (n_targets,)
        """
        total, piece = self.new_moments(), self.new_moments()
        for start in range(0, self.window_samples, self.piece_samples):
            stop = min(start + self.piece_samples, self.window_samples)
            # Laid out anew: the same sums in the same order wherever the samples came from.
            piece.measure(np.ascontiguousarray(filtered[:, :, start:stop]), self.waves(start, stop))
            total.flat += piece.flat
        return self.scores(total)


@dataclasses.dataclass(slots=True, eq=False)
class _Window:
    """A window that a marker asked for: its first sample, and the sums over what has come."""

    onset: float
    start: int
    moments: Moments | None = None
    summed: int = 0


class FbccaDecoder(Decoder[FbccaSettings]):
    """Selects the target whose flicker the signal follows, or says idle."""

    settings_model: ClassVar[type[Settings]] = FbccaSettings

    def prepare(self, spec: SignalSpec) -> None:
        rate_hz = regular_rate(spec, "fbcca")
        self._n_channels = spec.n_channels
        self._scorer = WindowScorer(self.settings, rate_hz, spec.n_channels)
        self._bank = FilterBank(
            self._scorer.edges, self.settings.band_order, rate_hz, spec.n_channels
        )
        self._labels = [target.label for target in self.settings.targets]
        self._onsets = frozenset(self.settings.onset_markers)
        self._run: _Sliding | _Triggered
        if self.settings.trigger == "sliding":
            self._run = _Sliding(self._scorer, self._bank)
        else:
            self._run = _Triggered(self._scorer, self._bank, rate_hz)
        self.reset()

    def reset(self) -> None:
        self._bank.reset()
        self._run.reset()
        self._decided: dict[str, Any] = {}

    def state(self) -> dict[str, Any]:
        return {
            "window_samples": self._scorer.window_samples,
            "sub_bands_hz": [list(band) for band in self._scorer.edges],
            "open_windows": self._run.open_windows,
            "last": self._decided,
        }

    def decode(self, chunk: Chunk, events: Sequence[Event]) -> list[Intent]:
        check_channels(chunk, self._n_channels, "fbcca")
        for event in events:
            if not self._onsets or event.name in self._onsets:
                self._run.ask(event.time, event.time + self.settings.delay_s)
        return [self._intent(*found) for found in self._run.feed(chunk)]

    def _intent(
        self, t_sample: float, t_trigger: float | None, scores: FloatArray | None
    ) -> Intent:
        if scores is None or not np.isfinite(scores).all():
            return self._idle("missing_samples", 1.0, {}, t_sample, t_trigger)
        evidence = dict(zip(self._labels, scores.tolist(), strict=True))
        best = int(scores.argmax())
        logits = scores / self.settings.temperature
        odds = np.exp(logits - logits[best])
        confidence = float(1 / odds.sum())
        second, first = np.partition(scores, -2)[-2:]
        if first - second < self.settings.idle_threshold:
            return self._idle("low_confidence", 1 - confidence, evidence, t_sample, t_trigger)
        self._decided = {
            "selected": self._labels[best],
            "confidence": confidence,
            "evidence": evidence,
        }
        return SelectionIntent(
            target=best,
            label=self._labels[best],
            confidence=confidence,
            evidence=evidence,
            t_sample=t_sample,
            t_trigger=t_trigger,
            expires_s=self.settings.expires_s,
        )

    def _idle(
        self,
        reason: Literal["low_confidence", "missing_samples"],
        confidence: float,
        evidence: dict[str, float],
        t_sample: float,
        t_trigger: float | None,
    ) -> IdleIntent:
        self._decided = {"selected": None, "reason": reason, "evidence": evidence}
        return IdleIntent(
            reason=reason,
            confidence=confidence,
            evidence=evidence,
            t_sample=t_sample,
            t_trigger=t_trigger,
            expires_s=self.settings.expires_s,
        )


#: When the newest sample was taken, which onset asked for it, and the scores (None: missing).
_Found = tuple[float, float | None, FloatArray | None]


class _Sliding:
    """A decision every step, over the newest window of whole steps.

    Steps are counted in rounds of as many as a window has. Row r of ``_rows`` holds step r of this
    round or, for the rows not yet reached, the sum of steps r to the last of the round before. A
    window that ends with step r is then this round's running sum plus row r + 1. Rows count their
    references from the start of the round in which they are read, the next one.
    """

    def __init__(self, scorer: WindowScorer, bank: FilterBank) -> None:
        self._scorer, self._bank = scorer, bank
        self._step = scorer.piece_samples
        self._n_steps = scorer.window_samples // self._step
        self._pending = np.empty((scorer.n_channels, self._step))
        self._filtered = np.empty((bank.n_bands, scorer.n_channels, self._step))
        self._sum, self._window = scorer.new_moments(), scorer.new_moments()
        self._rows = np.empty((self._n_steps, self._sum.flat.size))
        self._row_moments = [scorer.new_moments(row) for row in self._rows]
        self._waves = [
            np.ascontiguousarray(scorer.waves(r * self._step, (r + 1) * self._step))
            for r in range(self._n_steps)
        ]
        self._factors = [
            ReferenceFactor(
                scorer.radians, (r + 1 - self._n_steps) * self._step, scorer.window_samples
            )
            for r in range(self._n_steps)
        ]
        self._missing = np.zeros(self._n_steps, dtype=bool)
        self.reset()

    open_windows = 1

    def reset(self) -> None:
        self._n_pending = 0
        self._n_done = 0
        self._suffixes_due = False
        self._missing[:] = False

    def ask(self, onset: float, due: float) -> None:
        """Markers ask for nothing here."""

    def feed(self, chunk: Chunk) -> list[_Found]:
        if self._suffixes_due:
            self._sum_suffixes()
        n_samples = len(chunk)
        room = self._step - self._n_pending
        if n_samples < room:  # most calls end here
            self._pending[:, self._n_pending : self._n_pending + n_samples] = chunk.samples.T
            self._n_pending += n_samples
            return []
        found: list[_Found] = []
        rows = chunk.samples.T
        position = 0
        while position + room <= n_samples:
            self._pending[:, self._n_pending :] = rows[:, position : position + room]
            position += room
            room, self._n_pending = self._step, 0
            if self._suffixes_due:
                self._sum_suffixes()
            decision = self._take_step()
            if self._n_done >= self._n_steps:
                found.append((float(chunk.times[position - 1]), None, decision))
        self._n_pending = n_samples - position
        self._pending[:, : self._n_pending] = rows[:, position:]
        return found

    def _take_step(self) -> FloatArray | None:
        """Filter and sum the pending step; score the window that ends with it."""
        row = self._n_done % self._n_steps
        self._missing[row] = self._bank.run(self._pending, self._filtered) is not None
        moments = self._row_moments[row]
        moments.measure(self._filtered, self._waves[row])
        if row == 0:
            self._sum.flat[:] = moments.flat
        else:
            self._sum.flat += moments.flat
        turn(moments.cross, self._scorer.radians, self._scorer.window_samples)
        self._n_done += 1
        self._suffixes_due = row == self._n_steps - 1
        if self._n_done < self._n_steps or self._missing.any():
            return None
        if row == self._n_steps - 1:
            return self._scorer.scores(self._sum, self._factors[row])
        np.add(self._sum.flat, self._rows[row + 1], out=self._window.flat)
        return self._scorer.scores(self._window, self._factors[row])

    def _sum_suffixes(self) -> None:
        """Make each row of the round that is full the sum of itself and all later ones.

        Done when the next samples come, not when the round's last decision is awaited.
        """
        for row in range(self._n_steps - 2, -1, -1):
            self._rows[row] += self._rows[row + 1]
        self._suffixes_due = False


class _Triggered:
    """One decision for each onset marker, over the window that begins when it is due."""

    def __init__(self, scorer: WindowScorer, bank: FilterBank, rate_hz: float) -> None:
        self._scorer, self._bank = scorer, bank
        self._piece = scorer.piece_samples
        self._largest_lag_s = max(LARGEST_LAG_S, 2 / rate_hz)
        capacity = scorer.window_samples + self._piece + round(LATE_S * rate_hz)
        self._ring = np.empty((bank.n_bands, scorer.n_channels, capacity))
        self._times = np.empty(capacity)
        self._bad = np.zeros(capacity, dtype=bool)
        self._pending = np.empty((scorer.n_channels, self._piece))
        self._scratch = scorer.new_moments()
        self.reset()

    @property
    def open_windows(self) -> int:
        return len(self._waiting) + len(self._windows)

    def reset(self) -> None:
        self._n_taken = 0  # samples seen
        self._n_filtered = 0  # of them filtered; the rest is pending
        self._waiting: list[tuple[float, float]] = []  # (due, onset), samples not seen yet
        self._next_due = np.inf
        self._windows: list[_Window] = []
        self._next_end = np.inf
        self._lost: list[float] = []

    def ask(self, onset: float, due: float) -> None:
        """Ask for the window that begins with the first sample at or after ``due``."""
        self._waiting.append((due, onset))
        self._next_due = min(self._next_due, due)

    def feed(self, chunk: Chunk) -> list[_Found]:
        found: list[_Found] = []
        if self._n_taken and self._times[(self._n_taken - 1) % len(self._times)] >= self._next_due:
            self._open_windows()  # a marker that came after its samples
            self._finish(found)
        n_samples, position = len(chunk), 0
        while position < n_samples:
            n_pending = self._n_taken - self._n_filtered
            take = min(n_samples - position, self._piece - n_pending)
            piece = slice(position, position + take)
            self._pending[:, n_pending : n_pending + take] = chunk.samples[piece].T
            self._keep_times(chunk.times[piece])
            position += take
            if chunk.times[position - 1] >= self._next_due:
                self._open_windows()
            if n_pending + take == self._piece or self._n_taken >= self._next_end or self._lost:
                self._finish(found)
        return found

    def _keep_times(self, times: FloatArray) -> None:
        at = self._n_taken % len(self._times)
        room = len(self._times) - at
        if len(times) <= room:
            self._times[at : at + len(times)] = times
        else:
            self._times[at:] = times[:room]
            self._times[: len(times) - room] = times[room:]
        self._n_taken += len(times)

    def _open_windows(self) -> None:
        """Find the first sample of each window that is due."""
        oldest = max(0, self._n_taken - len(self._times))
        at = oldest % len(self._times) if oldest else 0
        times = np.concatenate([self._times[at : self._n_taken], self._times[:at]])
        still: list[tuple[float, float]] = []
        for due, onset in self._waiting:
            if times[-1] < due:
                still.append((due, onset))
                continue
            first = int(np.searchsorted(times, due))
            if times[first] - due > self._largest_lag_s:
                self._lost.append(onset)
            else:
                self._windows.append(_Window(onset, oldest + first))
        self._waiting = still
        self._next_due = min((due for due, _ in still), default=np.inf)
        self._windows.sort(key=lambda window: window.start)
        self._set_next_end()

    def _set_next_end(self) -> None:
        first = min((window.start for window in self._windows), default=None)
        self._next_end = np.inf if first is None else first + self._scorer.window_samples

    def _finish(self, found: list[_Found]) -> None:
        """Filter what is pending, sum what windows can take of it, score those that are full."""
        self._filter_pending()
        newest = float(self._times[(self._n_taken - 1) % len(self._times)])
        found.extend((newest, onset, None) for onset in self._lost)
        self._lost.clear()
        for window in self._windows[:SUMMED_AS_THEY_COME]:
            self._sum_pieces(window)
        while self._n_taken >= self._next_end:
            window = self._windows.pop(0)
            end = window.start + self._scorer.window_samples
            t_sample = float(self._times[(end - 1) % len(self._times)])
            found.append((t_sample, window.onset, self._scores(window)))
            self._set_next_end()

    def _filter_pending(self) -> None:
        n_pending = self._n_taken - self._n_filtered
        if not n_pending:
            return
        rows = self._pending[:, :n_pending].copy()
        filtered = np.empty((self._bank.n_bands, *rows.shape))
        missing = self._bank.run(rows, filtered)
        at = (self._n_filtered + np.arange(n_pending)) % len(self._times)
        self._ring[:, :, at] = filtered
        self._bad[at] = False if missing is None else missing.any(axis=0)
        self._n_filtered = self._n_taken

    def _sum_pieces(self, window: _Window) -> None:
        """Add to the window's sums each piece of it that is complete."""
        if window.moments is None:
            window.moments = self._scorer.new_moments()
        length = self._scorer.window_samples
        while window.summed < length:
            stop = min(window.summed + self._piece, length)
            if window.start + stop > self._n_filtered:
                return
            at = (window.start + np.arange(window.summed, stop)) % len(self._times)
            filtered = np.ascontiguousarray(self._ring[:, :, at])
            self._scratch.measure(filtered, self._scorer.waves(window.summed, stop))
            window.moments.flat += self._scratch.flat
            window.summed = stop

    def _scores(self, window: _Window) -> FloatArray | None:
        at = (window.start + np.arange(self._scorer.window_samples)) % len(self._times)
        if self._bad[at].any():
            return None
        self._sum_pieces(window)
        assert window.moments is not None
        return self._scorer.scores(window.moments)
