"""Which item is attended: the one whose flashes left a response, flash after flash.

Each flash's epoch is scored; the score's log-likelihood ratio counts for every item that was on.
What was thought of an item before, times the ratios of all its flashes, is its posterior.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import Any, ClassVar, NamedTuple

import numpy as np

from volition.chunk import SignalSpec
from volition.decoders.codes.attempt import Attempt
from volition.decoders.codes.decoder import CodedDecoder
from volition.decoders.codes.erp.calibrating import calibrate, facts_of, made_up_model
from volition.decoders.codes.erp.classifier import Scorer, epoch_of
from volition.decoders.codes.erp.densities import Densities
from volition.decoders.codes.erp.settings import ErpSettings
from volition.decoders.codes.marked import solvable
from volition.decoders.codes.markers import Flash
from volition.decoders.codes.sequences import BoolArray
from volition.decoders.codes.stopping import Moments
from volition.decoders.contract.settings import Settings
from volition.decoders.fitting.calibration import Calibrated, CalibrationData, Progress
from volition.decoders.fitting.fitted import FittedModel, check_fitted_for

#: Number of flashes whose scores are kept for whoever watches single flashes.
_SCORES_KEPT = 256


class _Open(NamedTuple):
    """A flash whose epoch has not ended: how many samples must have been seen, and which it is."""

    end: int
    number: int
    first: int
    time: float
    on: BoolArray


class ErpDecoder(CodedDecoder[ErpSettings]):
    """Selects the item whose flashes are followed by the response of an attended one."""

    settings_model: ClassVar[type[Settings]] = ErpSettings

    #: Time and log-likelihood ratio of the last flashes, the newest last.
    flash_scores: deque[tuple[float, float]]

    @classmethod
    def calibrate(
        cls, settings: ErpSettings, calibration: CalibrationData, progress: Progress
    ) -> Calibrated:
        with solvable():
            return calibrate(settings, calibration, progress)

    @classmethod
    def example_model(cls, settings: ErpSettings, spec: SignalSpec) -> FittedModel:
        return made_up_model(settings, spec)

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        settings = self.settings
        model = self.fitted_model()
        check_fitted_for(settings.kind, model.facts, facts_of(settings, rate_hz, n_channels))
        arrays = {name: np.asarray(array, np.float64) for name, array in model.arrays.items()}
        self._scorer = Scorer(settings, arrays)
        self._limit = self.parameter("limit", (n_channels,)) if settings.limit_sd else None
        self._densities = Densities(
            self.parameter("grid", (None,)), self.parameter("log_ratio", (None,))
        )
        self._flash_moments = self.parameter("flash_moments", (4,))
        self._epoch, self._before = (
            settings.epoch_samples(rate_hz),
            settings.baseline_samples(rate_hz),
        )
        self.tail_s = (self._epoch + 1) / rate_hz

    def _forget(self) -> None:
        super()._forget()
        self._open: list[_Open] = []
        self._numbers = itertools.count()
        self._n_steps = 0
        self.flash_scores = deque(maxlen=_SCORES_KEPT)

    def begin(self, attempt: Attempt) -> None:
        self._open = []
        self._n_steps = 0
        step_hz = self.settings.step_hz
        if step_hz is None:
            return
        steps = self.settings.book.steps
        for number in range(int(self.settings.max_s * step_hz + 1e-6)):
            first = attempt.first + round(number * self.rate_hz / step_hz)
            on = steps[:, number % steps.shape[1]]
            self._ask(attempt.onset + number / step_hz, first, on)

    def flashed(self, attempt: Attempt, flash: Flash, first: int, time: float) -> bool:
        if not flash.on.any():
            return True
        if not self.ring.is_kept(first - self._before):
            return False
        self._ask(time, first, flash.on)
        return True

    def _ask(self, time: float, first: int, on: BoolArray) -> None:
        end = first + self._epoch
        heapq.heappush(self._open, _Open(end, next(self._numbers), first, time, on))

    def next_due(self) -> int | None:
        return self._open[0].end if self._open else None

    def advance(self, attempt: Attempt) -> bool:
        is_more = False
        while self._open and self._open[0].end <= self.ring.n_taken:
            flash = heapq.heappop(self._open)
            if flash.time > attempt.ends:
                continue
            first = flash.first - self._before
            samples = self.ring.between(first, flash.end) if first >= 0 else None
            if samples is None:
                self._tell("missing", "a flash whose samples are missing is left out")
                continue
            epoch = epoch_of(samples, self.settings, self.rate_hz, self._limit)
            ratio = float(self._densities.log_ratios(self._scorer.scores(epoch[None]))[0])
            self.flash_scores.append((flash.time, ratio))
            attempt.evidence += ratio * flash.on
            attempt.n_flashes += flash.on
            self._n_steps += 1
            is_more = True
        return is_more

    def moments(self, attempt: Attempt) -> Moments | None:
        """Give what the evidence is like after as many flashes of each item: of a sum of each."""
        n = float(attempt.n_flashes.min())
        if n < 1:
            return None
        high, high_sd, low, low_sd = self._flash_moments
        return Moments(n * high, n**0.5 * high_sd, n * low, n**0.5 * low_sd)

    def state(self) -> dict[str, Any]:
        newest = self.flash_scores[-1] if self.flash_scores else None
        return {
            **super().state(),
            "newest_flash": None
            if newest is None
            else {"time": newest[0], "log_likelihood_ratio": newest[1]},
        }
