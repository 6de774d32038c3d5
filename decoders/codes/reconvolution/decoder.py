"""Which item is looked at: the one whose events' learned responses the signal follows.

A template of each item is the sum of the responses to its events; the signal behind the learned
filters is compared with it over all of the attempt so far, look after look. So items that were
never looked at in the calibration are known, and any code is: noise tags, m-sequences, rows and
columns.

Where flashes are marked, a look waits for markers that are on their way: it is due `late_s` after
its newest sample, and is not changed by what comes later still.
"""

from __future__ import annotations

import contextlib
from typing import ClassVar

import numpy as np

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.codes.attempt import Attempt
from volition.decoders.codes.decoder import CodedDecoder
from volition.decoders.codes.marked import solvable
from volition.decoders.codes.markers import Flash
from volition.decoders.codes.reconvolution.calibrating import calibrate, facts_of, made_up_model
from volition.decoders.codes.reconvolution.events import event_trains, lagged
from volition.decoders.codes.reconvolution.looks import Looks
from volition.decoders.codes.reconvolution.responses import Responses, Running, Sums, learn
from volition.decoders.codes.reconvolution.settings import ReconvolutionSettings
from volition.decoders.codes.reconvolution.shown import Shown
from volition.decoders.codes.reconvolution.templates import templates_between, whitened
from volition.decoders.codes.stopping import Moments
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.calibration import Calibrated, CalibrationData, Progress
from volition.decoders.fitting.fitted import FittedModel, check_fitted_for

#: A selection is learned from when it was at least as probable.
SURE_ENOUGH = 0.9


class ReconvolutionDecoder(CodedDecoder[ReconvolutionSettings]):
    """Selects the item whose code the signal follows."""

    settings_model: ClassVar[type[Settings]] = ReconvolutionSettings

    @classmethod
    def calibrate(
        cls, settings: ReconvolutionSettings, calibration: CalibrationData, progress: Progress
    ) -> Calibrated:
        with solvable():
            return calibrate(settings, calibration, progress)

    @classmethod
    def example_model(cls, settings: ReconvolutionSettings, spec: SignalSpec) -> FittedModel | None:
        return None if settings.learning == "unsupervised" else made_up_model(settings, spec)

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        settings = self.settings
        self._lags, self._delays = settings.lags(rate_hz), settings.delays(rate_hz)
        self._look = settings.look_samples(rate_hz)
        self._late = settings.late_samples(rate_hz)
        self.tail_s = self._late / rate_hz
        self.told_of_late = (
            f"a flash was marked later than late_s ({settings.late_s:g} s) allows; left out"
        )
        self._sums: Sums | None = None
        self._learned: Responses | None = None
        self._heard_s = 0.0
        if settings.learning == "unsupervised" and self._model is None and settings.model is None:
            self._looks = Looks.of_chance(settings)
        else:
            self._use_model(self.fitted_model(), rate_hz, n_channels)
        if settings.learning == "unsupervised":
            self._learned = None
        self._start = self._sums, self._learned, self._heard_s

    def _use_model(self, model: FittedModel, rate_hz: float, n_channels: int) -> None:
        settings = self.settings
        check_fitted_for(settings.kind, model.facts, facts_of(settings, rate_hz, n_channels))
        n_events = len(settings.events) * self._lags
        sums = Sums(
            self.parameter("xx", (n_channels, n_channels)),
            self.parameter("xm", (n_channels, n_events)),
            self.parameter("mm", (n_events, n_events)),
            self.parameter("over_time", (self._delays, n_channels, n_channels)),
        )
        self._learned = learn(sums, len(settings.events), settings.n_components)
        self._sums = sums.scaled(settings.start_weight)
        self._heard_s = settings.start_weight * float(model.facts.get("seconds", 0.0))
        self._looks = Looks(self.parameter("looks", (None, 4)))

    def _forget(self) -> None:
        super()._forget()
        self._sums, self._learned, self._heard_s = self._start
        self._done = 0
        self._shown: Shown | None = None

    def begin(self, attempt: Attempt) -> None:
        settings = self.settings
        self._done = 0
        self._shown = self._new_shown()
        n_components = (
            settings.n_components if self._learned is None else self._learned.filters.shape[1]
        )
        self._running = Running(len(self._labels), n_components)

    def _new_shown(self) -> Shown:
        settings, rate_hz = self.settings, self.rate_hz
        return Shown(
            settings.book.steps, settings.step_samples(rate_hz), settings.flash_samples(rate_hz)
        )

    def flashed(self, attempt: Attempt, flash: Flash, first: int, time: float) -> bool:
        if first - attempt.first < self._done or self._shown is None:
            return False
        self._shown.flash(first - attempt.first, flash.on)
        return True

    def next_due(self) -> int | None:
        attempt = self._attempt
        if attempt is None:
            return None
        looked = attempt.first + self._done + self._look
        if looked <= self.ring.n_taken and self.ring.time_of(looked - 1) > attempt.ends:
            return None  # what comes after the end is not looked at
        return looked + self._late

    def advance(self, attempt: Attempt) -> bool:
        due = self.next_due()
        if due is None or self.ring.n_taken < due or attempt.missing:
            return False
        assert self._shown is not None
        start, stop = self._done, self._done + self._look
        self._done = stop
        attempt.n_flashes = self._shown.counts(stop)
        if self._learned is None:
            attempt.missing = not self._agree(attempt, stop)
            return True
        signal = self._signal(attempt.first + start - self._delays + 1, attempt.first + stop)
        if signal is None:
            attempt.missing = True
            return True
        templates = templates_between(
            self.settings, self._shown, self._learned, start=start, stop=stop, rate_hz=self.rate_hz
        )
        self._running.add(whitened(signal, self._learned), templates)
        attempt.evidence = self._looks.evidence(self._running.scores(), stop / self.rate_hz)
        return True

    def moments(self, attempt: Attempt) -> Moments:
        return self._looks.moments(self._done / self.rate_hz)

    def learn_from(self, attempt: Attempt, item: int, probability: float) -> None:
        learning = self.settings.learning
        if learning == "none" or (learning == "refine" and probability < SURE_ENOUGH):
            return
        sums = self._sums_of(attempt, item)
        if sums is None:
            return
        together = sums if self._sums is None else self._sums.plus(sums)
        if learning == "unsupervised":
            self._sums, self._heard_s = together, self._heard_s + self._done / self.rate_hz
            return
        with contextlib.suppress(np.linalg.LinAlgError):  # what was learned so far then stays
            self._learned = learn(together, len(self.settings.events), self.settings.n_components)
            self._sums = together

    # -- parts -------------------------------------------------------------------------------

    def _signal(self, first: int, stop: int) -> FloatArray | None:
        """Give filtered samples; what lies before all samples is 0."""
        lacking = max(0, -first)
        found = self.ring.between(max(first, 0), stop)
        return None if found is None else np.pad(found, ((0, 0), (lacking, 0)))

    def _sums_of(self, attempt: Attempt, item: int) -> Sums | None:
        """Give the sums over an attempt so far, if an item is what was looked at."""
        assert self._shown is not None
        signal = self._signal(attempt.first, attempt.first + self._done)
        if signal is None:
            return None
        trains = event_trains(
            self._shown.between(0, self._done)[item : item + 1],
            np.zeros(1, dtype=bool),
            self.settings.events,
            self.settings.short_samples(self.rate_hz),
            0,
        )
        return Sums.of(signal, lagged(trains[0], self._lags), self._delays)

    def _agree(self, attempt: Attempt, stop: int) -> bool:
        """Score each item by how well all that was heard agrees, if that item is attended now.

        What was selected before, and other people's trials where there is a model of them, is
        heard too: the item whose events leave the signals most alike is the likeliest.
        """
        if stop / self.rate_hz < self.settings.min_s:
            return True
        shares = np.zeros(len(self._labels))
        for item in range(len(shares)):
            sums = self._sums_of(attempt, item)
            if sums is None:
                return False
            together = sums if self._sums is None else self._sums.plus(sums)
            try:
                found = learn(together, len(self.settings.events), self.settings.n_components)
            except np.linalg.LinAlgError:
                return False
            shares[item] = float((found.correlations**2).sum())
        heard_s = self._heard_s + stop / self.rate_hz
        attempt.evidence = self._looks.agreement(shares, heard_s)
        return True
