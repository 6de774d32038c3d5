"""Are the eyes open or closed? The alpha rhythm over the back of the head says.

With closed eyes the rhythm of 8 to 13 Hz grows (Berger, Arch. Psychiatr. Nervenkr. 87:527, 1929).
The decoder's one feature is the logarithm of the share that the rhythm has of the power between 4
and 30 Hz, over a window that slides. A calibration gives the two means of that feature and its
spread; what follows for a window is Bayes' rule for two normal distributions of equal spread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import scipy
from pydantic import Field

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.intent import ClassIntent, IdleIntent, Intent
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import check_channels
from volition.decoders.contract.trials import Choice, ClassTrials, Trials
from volition.decoders.filtering import SosFilter, check_below_half_rate, regular_rate
from volition.decoders.fitting.calibration import (
    MOST_CHANCE,
    Calibrated,
    CalibrationData,
    CalibrationError,
    Progress,
    check_channels_live,
)
from volition.decoders.fitting.decoder import FittedDecoder, FittedSettings
from volition.decoders.fitting.fitted import FittedModel

ALPHA_HZ, BROAD_HZ = (8.0, 13.0), (4.0, 30.0)
CLASSES = ("open", "closed")
#: The rhythm needs this long to follow the eyelids, in seconds.
SETTLE_S = 0.5
#: Fewer trials of a class than this say little of its spread.
LEAST_TRIALS = 3


class AlphaSettings(FittedSettings):
    """Settings of `AlphaDecoder`."""

    kind: Literal["alpha"] = "alpha"
    window_s: float = Field(default=2.0, gt=0.2, le=10, description="Length of a window, seconds.")
    step_s: float = Field(default=0.5, gt=0, le=10, description="Time between decisions, seconds.")


class AlphaPower:
    """Power of the rhythm and of the broad band, sample by sample, averaged over channels."""

    def __init__(self, spec: SignalSpec) -> None:
        rate_hz = regular_rate(spec, "alpha")
        check_below_half_rate("alpha", "the broad band's upper edge", BROAD_HZ[1], rate_hz)
        self._filters = [
            SosFilter(
                scipy.signal.butter(2, band, "bandpass", fs=rate_hz, output="sos"), spec.n_channels
            )
            for band in (ALPHA_HZ, BROAD_HZ)
        ]

    def reset(self) -> None:
        for one in self._filters:
            one.reset()

    def of(self, samples: FloatArray) -> FloatArray:
        """Give the powers (n_samples, 2) of samples (n_samples, n_channels)."""
        powers = np.zeros((len(samples), 2))
        for band, one in enumerate(self._filters):
            # Channel by channel: a sum over an axis may differ by how the signal was cut.
            for channel in one.process(samples.copy()).T:
                powers[:, band] += channel * channel
        return powers / samples.shape[1]


def feature(powers: FloatArray) -> float:
    """Give the logarithm of the rhythm's share of a window's power; NaN if a sample is missing."""
    alpha, broad = powers.sum(axis=0)
    return math.log(alpha / broad) if broad > 0 < alpha else math.nan


class AlphaDecoder(FittedDecoder[AlphaSettings]):
    """Eyes open or closed, from the alpha rhythm."""

    settings_model: ClassVar[type[Settings]] = AlphaSettings

    @classmethod
    def trials(cls, settings: AlphaSettings) -> Trials:
        return ClassTrials(tuple(Choice(label, {"class": label}) for label in CLASSES))

    @classmethod
    def example_model(cls, settings: AlphaSettings, spec: SignalSpec) -> FittedModel:
        return FittedModel("alpha", {"means": np.array([-2.0, -0.5]), "spread": np.array([0.4])})

    def prepare(self, spec: SignalSpec) -> None:
        self._means = self.parameter("means", (2,))
        self._spread = float(self.parameter("spread", (1,))[0])
        rate_hz = regular_rate(spec, "alpha")
        self._n_channels = spec.n_channels
        self._power = AlphaPower(spec)
        self._step = max(1, round(self.settings.step_s * rate_hz))
        self._window = np.full((max(2, round(self.settings.window_s * rate_hz)), 2), np.nan)
        self.reset()

    @property
    def memory_s(self) -> float:
        return self.settings.window_s

    def reset(self) -> None:
        self._power.reset()
        self._window[:] = np.nan
        self._n_samples = 0
        self._probability = math.nan

    def decode(self, chunk: Chunk, events: Sequence[Event]) -> list[Intent]:
        check_channels(chunk, self._n_channels, "alpha")
        intents: list[Intent] = []
        powers = self._power.of(chunk.samples)
        begin = 0
        while begin < len(chunk):
            end = min(len(chunk), begin + self._step - self._n_samples % self._step)
            self._take(powers[begin:end])
            if self._n_samples % self._step == 0 and self._n_samples >= len(self._window):
                intents.append(self._decide(float(chunk.times[end - 1])))
            begin = end
        return intents

    def _take(self, powers: FloatArray) -> None:
        self._n_samples += len(powers)
        newest = powers[-len(self._window) :]
        kept = len(self._window) - len(newest)
        self._window[:kept] = self._window[len(self._window) - kept :]
        self._window[kept:] = newest

    def _decide(self, t_sample: float) -> Intent:
        found = feature(self._window)
        self._probability = self._closed(found)
        if not math.isfinite(found):
            return IdleIntent(reason="missing_samples", t_sample=t_sample)
        probabilities = dict(zip(CLASSES, (1 - self._probability, self._probability), strict=True))
        label = max(probabilities, key=lambda one: probabilities[one])
        return ClassIntent(label=label, probabilities=probabilities, t_sample=t_sample)

    def _closed(self, found: float) -> float:
        """Give the probability of closed eyes by Bayes' rule, both classes being as likely."""
        opened, closed = self._means
        slope = (closed - opened) / self._spread**2
        return float(scipy.special.expit(slope * (found - (opened + closed) / 2)))

    def state(self) -> dict[str, Any]:
        known = math.isfinite(self._probability)
        return {"closed": self._probability if known else None}

    # -- calibration --------------------------------------------------------------------------

    @classmethod
    def calibrate(
        cls, settings: AlphaSettings, calibration: CalibrationData, progress: Progress
    ) -> Calibrated:
        """Learn the means and the spread from trials whose events name their class."""
        check_channels_live(calibration.spec, calibration.samples)
        progress(0.1, "measuring the rhythm")
        found, classes = _features(calibration)
        for number, label in enumerate(CLASSES):
            n_trials = int((classes == number).sum())
            if n_trials < LEAST_TRIALS:
                raise CalibrationError(
                    "too-few-trials",
                    f"{LEAST_TRIALS} trials of {label!r} are needed, and {n_trials} were found",
                    found=n_trials,
                    needed=LEAST_TRIALS,
                )
        progress(0.5, "leaving each trial out")
        right = sum(
            _nearer(_fit(np.delete(found, i), np.delete(classes, i))[0], found[i]) == classes[i]
            for i in range(len(found))
        )
        chance = scipy.stats.binomtest(right, len(found), 0.5, alternative="greater").pvalue
        if chance > MOST_CHANCE:
            raise CalibrationError(
                "not-above-chance",
                f"{right} of {len(found)} trials were told apart, as chance might do (p = "
                f"{chance:.2g})",
            )
        means, spread = _fit(found, classes)
        model = FittedModel("alpha", {"means": means, "spread": np.array([spread])})
        scores = {"accuracy": right / len(found), "n_trials": len(found)}
        return Calibrated(model, settings.model_dump(mode="json"), scores, len(found))


def _features(calibration: CalibrationData) -> tuple[FloatArray, np.ndarray[Any, Any]]:
    """Give each trial's feature and the number of its class; a trial lasts until the next event."""
    powers = AlphaPower(calibration.spec).of(calibration.samples)
    ends = [event.time for event in calibration.events[1:]] + [math.inf]
    found, classes = [], []
    for event, end in zip(calibration.events, ends, strict=True):
        if event.data.get("class") not in CLASSES:
            continue
        inside = (calibration.times >= event.time + SETTLE_S) & (calibration.times < end)
        value = feature(powers[inside])
        if math.isfinite(value):
            found.append(value)
            classes.append(CLASSES.index(event.data["class"]))
    return np.array(found), np.array(classes, dtype=np.int64)


def _fit(found: FloatArray, classes: np.ndarray[Any, Any]) -> tuple[FloatArray, float]:
    """Give the mean of each class and the spread that they share."""
    means = np.array([found[classes == number].mean() for number in range(len(CLASSES))])
    return means, max(1e-3, float(np.std(found - means[classes])))


def _nearer(means: FloatArray, value: float) -> int:
    return int(np.argmin(np.abs(means - value)))
