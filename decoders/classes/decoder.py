"""A decoder of classes: one window machine, one method, one way to say what was found.

    samples ──> channels of the model ──> bands ──> window ──> feature ──> probabilities ──> intent
                                                       └── one a second ──> centre, drift

Without a model it is idle, and waits to be calibrated. After a marker, each window is answered by
itself. Sliding windows are too, or add up to commands
(`volition.decoders.classes.evidence`). Nothing is said on a window that misses a sample, while the
probability is too low, while the class of rest leads, and, where the settings say so, while the
signal has drifted from what the model was calibrated on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.classes.calibrating import calibrate_classes
from volition.decoders.classes.centre import RunningCentre
from volition.decoders.classes.drift import DriftWatch
from volition.decoders.classes.evidence import Accumulator
from volition.decoders.classes.method import Arrays, ClassMethod
from volition.decoders.classes.models import CENTRED, PLAIN, arrays_of, example_of
from volition.decoders.classes.settings import ClassSettings, RecentringSettings
from volition.decoders.classes.windows import centre_step, make_windows
from volition.decoders.contract.intent import ClassIntent, IdleIntent, Intent
from volition.decoders.contract.stage import check_channels
from volition.decoders.contract.trials import Trials
from volition.decoders.filtering import regular_rate
from volition.decoders.fitting.calibration import Calibrated, CalibrationData, Progress
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.fitted import FittedModel
from volition.decoders.ssvep.windows.epochs import Epoch
from volition.errors import ConfigError, ModelError

S = TypeVar("S", bound=ClassSettings)

Idle = Literal["rest", "low_confidence", "missing_samples", "drifted", "settling", "uncalibrated"]

#: Length of the signal that a new decoder is shown, to find the session's centre, in seconds.
CENTRE_MEMORY_S = 60.0


class ClassDecoder(FittedDecoder[S]):
    """Base of the decoders of classes; a subclass names its `method`."""

    method: ClassVar[type[ClassMethod[Any]]]

    @classmethod
    def trials(cls, settings: S) -> Trials:
        return settings.trials_asked()

    @classmethod
    def example_model(cls, settings: S, spec: SignalSpec) -> FittedModel | None:
        return example_of(cls.method(settings, regular_rate(spec, settings.kind)), spec)

    @classmethod
    def calibrate(cls, settings: S, calibration: CalibrationData, progress: Progress) -> Calibrated:
        return calibrate_classes(cls.method, settings, calibration, progress)

    def prepare(self, spec: SignalSpec) -> None:
        settings = self.settings
        rate_hz = regular_rate(spec, settings.kind)
        self._n_channels = spec.n_channels
        self._judge = self.method(settings, rate_hz)
        self._used = list(range(spec.n_channels))
        self._arrays: dict[str, Arrays] = {}
        self._recentring = "off"
        self._drift: DriftWatch | None = None
        if self.is_calibrated:
            self._take_model(self.fitted_model(), spec)
        self._centre = RunningCentre()
        sliding = settings.trigger == "sliding"
        self._centre_step = centre_step(self._judge)
        step = settings.step_samples(rate_hz) if sliding else self._centre_step
        watches = sliding or self._judge.of_covariances
        self._windows = make_windows(
            self._judge, len(self._used), step_samples=step if watches else None
        )
        evidence = settings.evidence
        self._accumulator = (
            None
            if evidence is None
            else Accumulator(evidence, len(settings.classes), settings.rest_place, step / rate_hz)
        )
        self.reset()

    @property
    def is_calibrated(self) -> bool:
        """Whether there is a model; without one every answer is idle."""
        return self._model is not None or self.settings.model is not None

    def _take_model(self, model: FittedModel, spec: SignalSpec) -> None:
        self._used = channels_of(model, spec, self.settings)
        fits = [name for name in (PLAIN, CENTRED) if name in model.facts["fits"]]
        self._arrays = {name: arrays_of(self, name) for name in fits}
        self._recentring = _recentring(self.settings, model)
        if self._judge.of_covariances:
            self._drift = DriftWatch.of(model)

    def reset(self) -> None:
        self._windows.reset()
        self._centre.reset()
        if self._drift is not None:
            self._drift.reset()
        if self._accumulator is not None:
            self._accumulator.reset()
        self._next_centre = 0
        self._probabilities: FloatArray | None = None
        self._n_commands = 0

    @property
    def memory_s(self) -> float:
        return self.settings.window_s + (CENTRE_MEMORY_S if self._judge.of_covariances else 0.0)

    def decode(self, chunk: Chunk, events: Sequence[Event]) -> list[Intent]:
        check_channels(chunk, self._n_channels, self.settings.kind)
        settings = self.settings
        if settings.trigger == "markers":
            for event in events:
                if not settings.onset_markers or event.name in settings.onset_markers:
                    self._windows.ask(event.time, event.time + settings.delay_s)
        used = Chunk(chunk.samples[:, self._used], chunk.times)
        return [one for epoch in self._windows.feed(used) if (one := self._answer(epoch))]

    def _answer(self, epoch: Epoch) -> Intent | None:
        """Give what is said of a window; None for one that only tells how the session lies."""
        feature = None if epoch.filtered is None else self._judge.feature(epoch.filtered)
        wanted = epoch.t_trigger is not None or self.settings.trigger == "sliding"
        if epoch.t_trigger is None and self._judge.of_covariances and feature is not None:
            self._follow(feature, epoch.end)
        return self._decided(feature, epoch) if wanted else None

    def _follow(self, feature: FloatArray, end: int) -> None:
        """Take a window for the session's centre, one a second."""
        if end < self._next_centre:
            return
        self._next_centre = end + self._centre_step
        rest_is_over = (
            isinstance(self.settings, RecentringSettings)
            and self._recentring == "rest"
            and self._centre.n_windows >= self.settings.centre_windows()
        )
        if not rest_is_over:
            self._centre.take(feature)
        if self._drift is not None:
            self._drift.take(feature)

    def _decided(self, feature: FloatArray | None, epoch: Epoch) -> Intent:
        if feature is None:
            if self._accumulator is not None:
                self._accumulator.reset()
            return self._idle("missing_samples", epoch)
        if not self._arrays:
            return self._idle("uncalibrated", epoch)
        settings = self.settings
        is_on = self._recentring in ("running", "rest")
        arrays = self._arrays[CENTRED if is_on else PLAIN]
        seen = self._centre.recentred(feature) if is_on else feature
        probabilities = np.exp(self._judge.log_probabilities(arrays, seen[None])[0])
        self._probabilities = probabilities
        if is_on and self._is_settling():
            return self._idle("settling", epoch)
        if self._is_out():
            return self._idle("drifted", epoch)
        if self._accumulator is not None:
            place = self._accumulator.take(probabilities)
            if place is None:
                leader = int(probabilities.argmax())
                return self._idle(
                    "rest" if leader == settings.rest_place else "low_confidence", epoch
                )
        else:
            place = int(probabilities.argmax())
            if place == settings.rest_place:
                return self._idle("rest", epoch)
            if probabilities[place] < settings.min_probability:
                return self._idle("low_confidence", epoch)
        self._n_commands += 1
        return ClassIntent(
            label=settings.classes[place],
            probabilities=self._by_label(probabilities),
            t_sample=epoch.t_sample,
            t_trigger=epoch.t_trigger,
            expires_s=settings.expires_s,
        )

    def _is_settling(self) -> bool:
        settings = self.settings
        assert isinstance(settings, RecentringSettings)
        needed = settings.centre_windows() if self._recentring == "rest" else 1
        return self._centre.n_windows < needed

    def _is_out(self) -> bool:
        """Whether the signal has drifted, and is not brought back."""
        settings = self.settings
        return (
            self._recentring == "off"
            and isinstance(settings, RecentringSettings)
            and settings.when_drifted == "idle"
            and self._drift is not None
            and self._drift.drifted
        )

    def _idle(self, reason: Idle, epoch: Epoch) -> Intent:
        found = None if reason == "missing_samples" else self._probabilities
        return IdleIntent(
            reason=reason,
            confidence=1.0 if found is None else float(found.max()),
            evidence={} if found is None else self._by_label(found),
            t_sample=epoch.t_sample,
            t_trigger=epoch.t_trigger,
            expires_s=self.settings.expires_s,
        )

    def _by_label(self, probabilities: FloatArray) -> dict[str, float]:
        return dict(zip(self.settings.classes, probabilities.tolist(), strict=True))

    def warnings(self) -> Mapping[str, str]:
        if self._drift is None or not self._drift.drifted or self._recentring != "off":
            return {}
        return {"drifted": self._drift.told()}

    def state(self) -> dict[str, Any]:
        found = self._probabilities
        said: dict[str, Any] = {
            "calibrated": self.is_calibrated,
            "probabilities": None if found is None else self._by_label(found),
            "commands": self._n_commands,
            "open_windows": self._windows.open_windows,
        }
        if self._accumulator is not None:
            said["evidence"] = self._by_label(self._accumulator.evidence)
        if self._judge.of_covariances:
            said["recentring"] = {"mode": self._recentring, "windows": self._centre.n_windows}
        if self._drift is not None:
            said["drift"] = self._drift.state()
        return said


def channels_of(model: FittedModel, spec: SignalSpec, settings: ClassSettings) -> list[int]:
    """Give the places of the channels that a model uses; refuse a signal that lacks them.

    Raises
    ------
    ModelError
        The model's facts are none of a decoder of classes.
    ConfigError
        The signal lacks a channel, or has another rate, or the settings name other classes.
    """
    facts = model.facts
    lacking = {"channels", "classes", "rate_hz", "fits", "window_s"} - facts.keys()
    if lacking:
        raise ModelError(f"the model for {model.kind} does not say its {', '.join(lacking)}")
    found = {
        "classes": list(settings.classes),
        "rate_hz": spec.rate_hz,
        "window_s": settings.window_s,
    }
    for name, value in found.items():
        if facts[name] != value:
            raise ConfigError(
                f"{settings.kind}: the model was calibrated with {name} {facts[name]}; the "
                f"session has {value}",
                setting=name,
                found=value,
                allowed=facts[name],
            )
    missing = [label for label in facts["channels"] if label not in spec.labels]
    if missing:
        raise ConfigError(
            f"{settings.kind}: the model uses the channels {', '.join(missing)}, which the signal "
            f"has not; it has {', '.join(spec.labels)}",
            missing=missing,
        )
    return [spec.labels.index(label) for label in facts["channels"]]


def _recentring(settings: ClassSettings, model: FittedModel) -> str:
    """Give how the session re-centres: as it is set, or as the calibration found it to help.

    Raises
    ------
    ConfigError
        It is to be re-centred, and the model holds no fit to re-centred windows.
    """
    if not isinstance(settings, RecentringSettings):
        return "off"
    mode = settings.recentre
    if mode == "auto":
        mode = "running" if model.facts.get("recentring_helps") else "off"
    if mode != "off" and CENTRED not in model.facts["fits"]:
        raise ConfigError(f"{settings.kind}: the model holds no fit to re-centred windows")
    return mode
