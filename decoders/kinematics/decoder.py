"""What the kinematic decoders share: bins in, the cursor out, resets and missing bins between.

A subclass says how a fit makes a model (`fit`) and how a model becomes something that follows the
state bin by bin (`follower`). Everything else, live, is here. A bin in which any feature is
missing is a missing bin.
"""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from pydantic import ValidationError

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.intent import Intent
from volition.decoders.contract.stage import check_channels
from volition.decoders.contract.trials import HELP, PositionTrials
from volition.decoders.filtering import regular_rate
from volition.decoders.fitting.calibration import Calibrated, CalibrationData, Progress
from volition.decoders.fitting.decoder import FittedDecoder
from volition.decoders.fitting.fitted import Array, FittedModel
from volition.decoders.kinematics.bessel import BesselBlock
from volition.decoders.kinematics.bins import Bins, samples_per_step
from volition.decoders.kinematics.calibrating import calibrate_cursor, refresh_cursor
from volition.decoders.kinematics.click import OFFSET, WEIGHTS, ClickDetector
from volition.decoders.kinematics.cursor import Cursor, Help, help_of
from volition.decoders.kinematics.features import FeatureMap
from volition.decoders.kinematics.settings import KinematicSettings
from volition.errors import ConfigError, ModelError, SpecError, VolitionError

#: A cursor moves in two dimensions where nothing says otherwise.
_PLANE = (0.0, 0.0)


class Follower(Protocol):
    """Follows the state bin by bin. ``velocity`` and the rest are those after the newest bin."""

    @property
    def velocity(self) -> FloatArray:
        """The velocity, shape (n_dimensions,)."""

    @property
    def position(self) -> FloatArray | None:
        """The position, for a decoder whose state has one."""

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the whole state."""

    def see(self, position: list[float]) -> None:
        """Be shown where the cursor is, before each bin; only ReFIT makes use of it."""

    def step(self, features: FloatArray | None) -> bool:
        """Take the next bin, None if missing; say whether it was observed."""

    def resume(self, other: Any) -> None:
        """Go on from where another of the same class is, which a newer model replaces."""

    def restart(self) -> None:
        """Begin a trial: the state starts anew, the features' history stays."""

    def reset(self) -> None:
        """Forget everything."""

    def state(self) -> dict[str, Any]:
        """Say what is believed, as JSON data."""


class Still:
    """Follows nothing: for a decoder that nobody has calibrated yet."""

    position: FloatArray | None = None

    def __init__(self, n_dimensions: int) -> None:
        self.velocity: FloatArray = np.zeros(n_dimensions)
        self.covariance: FloatArray = np.zeros((n_dimensions, n_dimensions))

    def see(self, position: list[float]) -> None:
        """Make nothing of it."""

    def step(self, features: FloatArray | None) -> bool:
        return features is not None

    def resume(self, other: Any) -> None:
        """Stand still all the same."""

    def restart(self) -> None:
        """Go on standing."""

    def reset(self) -> None:
        """Go on standing."""

    def state(self) -> dict[str, Any]:
        return {"calibrated": False}


S = TypeVar("S", bound=KinematicSettings)


class KinematicDecoder(FittedDecoder[S]):
    """Base of the decoders that move a cursor: one intent a bin, and one for a click.

    One that needs a model and has none stands still, with velocity zero, until a calibration brings
    one.
    """

    #: Settings that must be the same when a model is fitted and when it decodes.
    fitted_settings: ClassVar[tuple[str, ...]] = ("features",)

    @classmethod
    @abstractmethod
    def fit(
        cls,
        settings: S,
        features: FloatArray,
        velocities: FloatArray,
        *,
        positions: FloatArray | None = None,
        trials: Array | None = None,
    ) -> FittedModel:
        """Learn a model.

        Parameters
        ----------
        settings
            Those that will decode.
        features : ndarray, shape (n_bins, n_features)
            One row a bin, none missing.
        velocities : ndarray, shape (n_bins, n_dimensions)
            Velocities of the same bins, measured or intended.
        positions : ndarray, shape (n_bins, n_dimensions), optional
            Where they are known; most decoders do without.
        trials : ndarray of int, shape (n_bins,), optional
            Number of each bin's trial, where rows of different trials do not follow each other.

        Raises
        ------
        DecodeError
            These data cannot be fitted on.
        """

    @classmethod
    def calibrate(cls, settings: S, calibration: CalibrationData, progress: Progress) -> Calibrated:
        return calibrate_cursor(
            settings,
            calibration,
            progress,
            fit=functools.partial(cls._fit_to_rows, settings),
            decode=functools.partial(cls.decoded, settings),
        )

    @classmethod
    def refresh(cls, settings: S, calibration: CalibrationData) -> FittedModel:
        return refresh_cursor(
            settings, calibration, fit=functools.partial(cls._fit_to_rows, settings)
        )

    @classmethod
    def _fit_to_rows(
        cls, settings: S, features: FloatArray, velocities: FloatArray, positions: FloatArray
    ) -> FittedModel:
        return cls.fit(settings, features, velocities, positions=positions)

    @classmethod
    def decoded(cls, settings: S, model: FittedModel, features: FloatArray) -> FloatArray:
        """Give the velocities (n_bins, n_dimensions) that a model decodes from bins in a row.

        Parameters
        ----------
        settings, model
            As for a decoder on a stream.
        features : ndarray, shape (n_bins, n_features)
        """
        decoder = cls(settings, model)
        follower, _ = decoder.follower(features.shape[1])
        velocities = []
        for row in features:
            follower.step(row)
            velocities.append(follower.velocity.copy())
        return np.array(velocities)

    @classmethod
    def trials(cls, settings: S) -> PositionTrials:
        cursor = settings.cursor
        return PositionTrials(
            None if cursor.workspace is None else tuple(cursor.workspace),
            None if cursor.start is None else tuple(cursor.start),
        )

    @abstractmethod
    def follower(self, n_features: int) -> tuple[Follower, int]:
        """Make what follows the state, and say how many dimensions the velocity has.

        Raises
        ------
        ModelError, NotFittedError
            See `FittedDecoder.fitted_model` and `FittedDecoder.parameter`.
        """

    def feature_map(self, n_features: int) -> FeatureMap:
        """Give the model's preparation of the features.

        Raises
        ------
        SpecError
            The signal has not the features that the model was fitted on.
        """
        found = FeatureMap.load(self.parameter, self.settings.features, self.fitted_model().arrays)
        if n_features != found.n_given:
            raise SpecError(
                f"the model of {self.settings.kind} was fitted on {found.n_given} features, and "
                f"the signal has {n_features} channels",
                expected=found.n_given,
                found=n_features,
            )
        return found

    def prepare(self, spec: SignalSpec) -> None:
        kind = self.settings.kind
        rate_hz = regular_rate(spec, kind)
        n_samples = samples_per_step(self.settings.step_s, rate_hz, kind)
        self.bin_s = n_samples / rate_hz
        cursor = self.settings.cursor
        n_dimensions = len(cursor.workspace or cursor.start or _PLANE)
        self._follower: Follower = Still(n_dimensions)
        if not self._is_uncalibrated:
            self._check_fitted_alike()
            self._follower, n_dimensions = self.follower(spec.n_channels)
        for name, values in (("workspace", cursor.workspace), ("start", cursor.start)):
            if values is not None and len(values) != n_dimensions:
                raise ConfigError(
                    f"{kind}: {name} has {len(values)} dimensions, the model's velocity has "
                    f"{n_dimensions}",
                    setting=name,
                    found=len(values),
                    allowed=n_dimensions,
                )
        self._n_channels, self._n_dimensions = spec.n_channels, n_dimensions
        self._bins = Bins(n_samples, spec.n_channels, self.settings.step_value)
        self._cursor = Cursor(cursor, n_dimensions, self.bin_s)
        bessel = self.settings.bessel
        self._bessel = None if bessel is None else BesselBlock(bessel, self.bin_s, n_dimensions)
        self._click = self._click_detector(spec.n_channels)
        self._reset_names = frozenset(self.settings.reset_markers)
        #: What is due at which time: help, or its end; a trial that begins where it is "reset".
        self._due: deque[tuple[float, Help | Literal["reset"] | None]] = deque()
        self._covariance: FloatArray | None = None
        self._covariance_list: list[list[float]] = []

    def _click_detector(self, n_features: int) -> ClickDetector | None:
        settings = self.settings.click
        if settings is None or self._is_uncalibrated:
            return None
        if not self.needs_model:
            raise ConfigError(
                f"{self.settings.kind}: clicks are decoded by a fitted model, and these settings "
                "use none",
                setting="click",
            )
        return ClickDetector(
            settings,
            self.parameter(WEIGHTS, (n_features,)),
            float(self.parameter(OFFSET, ())),
            bin_s=self.bin_s,
            expires_s=self.settings.cursor.expires_s,
        )

    def _check_fitted_alike(self) -> None:
        """Raise `ConfigError` where settings that a fit depends on are not those of the model's."""
        if not self.needs_model:
            return
        facts = self.fitted_model().facts
        try:
            fitted = type(self.settings).model_validate(facts.get("settings"))
        except ValidationError as error:
            raise ModelError(
                f"the model of {self.settings.kind} was fitted with settings that are not known "
                f"here: {error.errors(include_url=False)[0]['msg']}"
            ) from None
        for name in self.fitted_settings:
            found, wanted = getattr(self.settings, name), getattr(fitted, name)
            if found != wanted:
                raise ConfigError(
                    f"{self.settings.kind}: the model was fitted with {name} ({wanted}), and the "
                    f"settings say ({found}); fit anew, or set what the model was fitted with",
                    setting=name,
                    found=str(found),
                    allowed=str(wanted),
                )

    @property
    def needs_model(self) -> bool:
        """Whether these settings are complete only with a fitted model."""
        return True

    @property
    def _is_uncalibrated(self) -> bool:
        """Whether there is no model yet to decode by."""
        return self.needs_model and self._model is None and self.settings.model is None

    def adopt(self, model: FittedModel) -> None:
        """Decode by ``model`` from the next bin on; what is believed of the movement stays.

        For a model that is refreshed while it is used. One that does not fit leaves the decoder as
        it was.

        Raises
        ------
        ModelError, ConfigError, SpecError
            As `prepare` does.
        """
        before, version = self._model, self.model_version
        self.use(model)
        try:
            self._check_fitted_alike()
            follower, _ = self.follower(self._n_channels)
            click = self._click_detector(self._n_channels)
        except VolitionError:
            self._model, self.model_version = before, version
            raise
        follower.resume(self._follower)
        if click is not None and self._click is not None:
            click.resume(self._click)
        self._follower, self._click = follower, click

    def take_over(self, other: Decoder[Any]) -> bool:
        if type(other) is not type(self):
            return False
        assert isinstance(other, KinematicDecoder)
        if not self._moves_as(other):
            return False
        self._go_on_from(other)
        return True

    def _moves_as(self, other: KinematicDecoder[Any]) -> bool:
        """Whether another decoder has the same settings, but for the model, and dimensions."""
        own, theirs = (one.settings.model_dump(exclude={"model"}) for one in (self, other))
        return own == theirs and self._n_dimensions == other._n_dimensions

    def _go_on_from(self, other: KinematicDecoder[Any]) -> None:
        if not isinstance(other._follower, Still):
            self._follower.resume(other._follower)
        self._bins, self._cursor, self._due = other._bins, other._cursor, other._due
        self._bessel = other._bessel
        if self._click is not None and other._click is not None:
            self._click.resume(other._click)

    def reset(self) -> None:
        self._bins.reset()
        self._cursor.reset()
        self._follower.reset()
        self._due.clear()
        for part in (self._bessel, self._click):
            if part is not None:
                part.reset()

    def decode(self, chunk: Chunk, events: Sequence[Event]) -> list[Intent]:
        check_channels(chunk, self._n_channels, self.settings.kind)
        if events:
            self._take(events)
        intents = []
        for row, time in self._bins.feed(chunk):
            # The sum is finite if every feature is: one pass, and one that overflows is no signal.
            whole = row if math.isfinite(row.sum()) else None
            decoded = None if self._click is None else self._click.push(whole, time)
            intents.append(self._decode_bin(whole, time))
            if decoded is not None:
                intents.append(decoded)
            click = self._cursor.dwelt(time)
            if click is not None:
                intents.append(click)
        return intents

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.name in self._reset_names:
                self._due.append((event.time, "reset"))
            elif event.name == HELP:
                self._due.append((event.time, help_of(event, len(self._cursor.position))))
        self._due = deque(sorted(self._due, key=itemgetter(0)))

    def _decode_bin(self, row: FloatArray | None, time: float) -> Intent:
        # An event counts from the first bin on whose newest sample is not before it.
        while self._due and self._due[0][0] <= time:
            _, what = self._due.popleft()
            if what == "reset":
                self._follower.restart()
                if self._bessel is not None:
                    self._bessel.reset()
            else:
                self._cursor.help = what
        follower = self._follower
        follower.see(self._cursor.position)
        observed = follower.step(row)
        covariance = follower.covariance
        if covariance is not self._covariance:
            self._covariance, self._covariance_list = covariance, covariance.tolist()
        velocity, position, delay_s = follower.velocity, follower.position, 0.0
        if self._bessel is not None:
            if observed:
                velocity, delay_s = self._bessel.push(velocity)
                position = None  # the cursor goes by the velocity that it is told
            else:
                self._bessel.reset()  # a block does not reach over what is missing
        if self.still or (self._click is not None and self._click.freezes):
            velocity, position = np.zeros_like(velocity), None
        return self._cursor.move(
            velocity.tolist(),
            self._covariance_list,
            time,
            position=None if position is None else position.tolist(),
            missing=not observed,
            delay_s=delay_s,
        )

    def state(self) -> dict[str, Any]:
        return {
            **self._follower.state(),
            "velocity": list(self._cursor.velocity),
            "position": list(self._cursor.position),
            "bias": list(self._cursor.bias),
            "missing_bins": self._cursor.missing_bins,
            "click_probability": None if self._click is None else self._click.probability,
        }


def surprise_state(surprise: tuple[FloatArray, float] | None) -> dict[str, Any]:
    """Give innovation and NIS as JSON data."""
    if surprise is None:
        return {"innovation": None, "nis": None}
    innovation, nis = surprise
    return {"innovation": np.asarray(innovation).tolist(), "nis": nis}
