"""What the calibrated SSVEP decoders share: classes of trials, refusal, live and offline.

Each learns, for every sub-band, filters over the channels and a template of every target from
trials whose flicker is locked to their onset; a window is then told by how it correlates with the
templates. A subclass gives two functions: `learned`, from trials to arrays, and `band_scores`, from
arrays and windows to scores. The sub-bands' scores are weighed by k^-1.25 + 0.25 and summed.

A fit leaves out one recording at a time, or of one recording a block (each target's n-th trial),
and decodes it with the rest: what it then gets right is the accuracy that it states, and a fit that
is not above chance is refused.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.fitting.calibration import (
    MOST_CHANCE,
    Calibrated,
    CalibrationData,
    Progress,
    check_enough_to_tell,
)
from volition.decoders.fitting.decoder import FittedDecoder, FittedSettings
from volition.decoders.fitting.fitted import FittedModel, check_fitted_for
from volition.decoders.fitting.metrics import luck
from volition.decoders.ssvep.calibrating import calibrate_selector
from volition.decoders.ssvep.estimator import (
    REST,
    EpochEstimator,
    IntArray,
    check_targets,
    filtered_windows,
)
from volition.decoders.ssvep.example import made_up_flickers
from volition.decoders.ssvep.folds import Folds, folds_of
from volition.decoders.ssvep.scores.bank import sub_band_weights
from volition.decoders.ssvep.scores.correlation import phases, references
from volition.decoders.ssvep.selector import SelectorDecoder, Verdict, softmax
from volition.decoders.ssvep.settings import SelectorSettings
from volition.decoders.ssvep.windows.epochs import Epoch
from volition.decoders.ssvep.windows.stopping import Densities
from volition.errors import ConfigError, DecodeError, ModelError, NotFittedError

#: Added to a covariance's diagonal, as a share of its mean.
RIDGE = 1e-9

#: Arrays of a model: the best score of each calibration trial that was right when left out, and of
#: each that was wrong or at rest.
RIGHT, WRONG = "best_when_right", "best_when_wrong"

#: A channel of less than this share of the largest one's spread is flat.
FLAT = 1e-6
#: A trial that varies by less than this share of its largest sample holds rounding errors.
SILENT = 1e-12

Arrays = dict[str, FloatArray]


class TemplateSettings(SelectorSettings, FittedSettings):
    """Settings of every decoder that is calibrated with templates."""

    window_s: float = Field(default=1.0, gt=0, le=60)
    min_confidence: float = Field(
        default=0.0, ge=0, lt=1, description="Idle (low_confidence) below this confidence."
    )
    sharpness: float = Field(
        default=10.0, gt=0, description="Confidence is the softmax of the scores times this."
    )


S = TypeVar("S", bound=TemplateSettings)


def sine_rows(freqs_hz: FloatArray, n_harmonics: int, rate_hz: float, n: int) -> FloatArray:
    """Give references, shape (n_targets, 2 n_harmonics, n), centred, each target's orthonormal."""
    waves = references(phases(freqs_hz, n_harmonics, rate_hz), 0, n)[:-1]
    rows = waves.reshape(len(freqs_hz), 2 * n_harmonics, n)
    rows = rows - rows.mean(axis=2, keepdims=True)
    basis: FloatArray = np.linalg.qr(rows.transpose(0, 2, 1))[0].transpose(0, 2, 1)
    return basis


def correlations(ours: FloatArray, theirs: FloatArray) -> FloatArray:
    """Give the correlation over the last axis; 0 where either is constant."""
    ours = ours - ours.mean(axis=-1, keepdims=True)
    theirs = theirs - theirs.mean(axis=-1, keepdims=True)
    product = (ours * theirs).sum(axis=-1)
    scale = np.sqrt((ours**2).sum(axis=-1) * (theirs**2).sum(axis=-1))
    result: FloatArray = np.where(scale > 0, product / np.where(scale > 0, scale, 1.0), 0.0)
    return result


def ridged(covariance: FloatArray) -> FloatArray:
    """Give covariances (..., n, n) that can be inverted."""
    n = covariance.shape[-1]
    level = np.trace(covariance, axis1=-2, axis2=-1)[..., None, None] / n
    result: FloatArray = covariance + (RIDGE * level + 1e-300) * np.eye(n)
    return result


class TemplateEstimator(EpochEstimator[S]):
    """A calibrated decoder on epochs.

    Parameters
    ----------
    settings
        Those of the streaming decoder.
    rate_hz
        Sampling rate of the epochs.
    model
        What an earlier `fit` gave.
    """

    #: Trials of each target that a fit needs; one fewer is left where a block is left out.
    least_trials: ClassVar[int] = 2

    def __init__(self, settings: S, rate_hz: float, model: FittedModel | None = None) -> None:
        super().__init__(settings, rate_hz)
        self.model = model
        self._bases: dict[int, FloatArray] = {}

    def basis(self, n_samples: int) -> FloatArray:
        """Give each target's sines, orthonormal, for windows of ``n_samples``; see `sine_rows`."""
        if n_samples not in self._bases:
            self._bases[n_samples] = sine_rows(
                self.settings.freqs_hz,
                self.settings.harmonics(self.rate_hz),
                self.rate_hz,
                n_samples,
            )
        return self._bases[n_samples]

    @abstractmethod
    def learned(self, trials: FloatArray) -> Arrays:
        """Learn from trials, shape (n_targets, n_trials, n_bands, n_channels, window_samples)."""

    def learned_of_rest(self, windows: FloatArray) -> Arrays:
        """Learn from trials at rest, shape (n_trials, n_bands, n_channels, window_samples)."""
        return {}

    @abstractmethod
    def band_scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        """Score a window (n_bands, n_channels, window_samples): (n_bands, n_targets)."""

    def scores(self, arrays: Arrays, window: FloatArray) -> FloatArray:
        """Give the score of each target, shape (n_targets,)."""
        result: FloatArray = sub_band_weights(len(window)) @ self.band_scores(arrays, window)
        return result

    def confidence(self, scores: FloatArray) -> float:
        """Give the confidence in the best of a window's scores, 0 to 1."""
        return float(softmax(self.settings.sharpness * scores).max())

    def is_rest(self, arrays: Arrays, window: FloatArray, scores: FloatArray) -> bool:
        """Say whether the window is more like rest than like any target; never, if not learned."""
        return False

    def fit(
        self,
        epochs: FloatArray,
        targets: npt.ArrayLike,
        recordings: IntArray | None = None,
    ) -> FittedModel:
        """Learn from calibration trials.

        Parameters
        ----------
        epochs : ndarray, shape (n_trials, n_channels, n_samples)
            The last ``window_s`` are the window, at the same time after the onset in each.
        targets : array-like of int, shape (n_trials,)
            Index of each trial's target; `REST` for a trial at rest, which some decoders learn
            from.
        recordings : ndarray of int, shape (n_trials,)
            Number of each trial's recording; one for all when left out.

        Returns
        -------
        FittedModel
            Also kept in ``model``. Its facts state the ``accuracy`` of what was left out, and
            whether that were recordings or blocks (``left_out``).

        Raises
        ------
        DecodeError
            A target has fewer than ``least_trials`` trials, samples are missing, a channel is flat,
            or the accuracy is not above chance.
        """
        if self.settings.stopping is None:
            self.model = self.fitted_once(epochs, targets, recordings)
        else:
            self.model = self._fitted_for_looks(epochs, targets, recordings)
        return self.model

    def at_length(self, window_s: float) -> Self:
        """Make an unfitted one like this for windows of another length."""
        return type(self)(self.settings.at(window_s), self.rate_hz)

    def _fitted_for_looks(
        self,
        epochs: FloatArray,
        targets: npt.ArrayLike,
        recordings: IntArray | None,
    ) -> FittedModel:
        """Fit for each look; only the whole window must be above chance."""
        arrays: Arrays = {}
        facts: dict[str, Any] = {}
        n_samples = epochs.shape[2]
        whole = self.settings.window_samples(self.rate_hz)
        for length_s in self.settings.looks_s():
            one = self.at_length(length_s)
            cut = whole - one.settings.window_samples(self.rate_hz)
            model = one.fitted_once(
                epochs[..., : n_samples - cut],
                targets,
                recordings,
                check=length_s == self.settings.window_s,
            )
            facts = {
                **model.facts,
                "looks": {**facts.get("looks", {}), _prefix(length_s): model.facts},
            }
            arrays |= {_prefix(length_s) + name: found for name, found in model.arrays.items()}
        return FittedModel(self.settings.kind, arrays, facts)

    def fitted_once(
        self,
        epochs: FloatArray,
        targets: npt.ArrayLike,
        recordings: IntArray | None = None,
        *,
        check: bool = True,
    ) -> FittedModel:
        """Fit for the whole window alone; without ``check`` chance is good enough."""
        n_targets = len(self.settings.targets)
        windows, wanted = self._checked(epochs, targets)
        rest = self._rest(epochs, targets)
        folds = folds_of(wanted, recordings, n_targets, max(self.least_trials - 1, 1))
        right, wrong = self._cross_validated(windows, wanted, folds)
        n_right, n_tried = len(right), len(right) + len(wrong)
        by_chance = luck(n_right, n_tried, 1 / n_targets)
        if check and by_chance > MOST_CHANCE:
            check_enough_to_tell(n_tried, 1 / n_targets)
            raise DecodeError(
                f"{self.settings.kind}: this calibration is not above chance: {n_right} of "
                f"{n_tried} trials right with their {folds.of.removesuffix('s')} left out, and "
                f"guessing among {n_targets} targets does as well in {100 * by_chance:.2g} % of "
                "cases. Check that the onset markers are locked to the flicker, and the electrodes",
                right=n_right,
                n_trials=n_tried,
            )
        facts = {
            **facts_of(self.settings, self.rate_hz, int(epochs.shape[1])),
            "n_trials": n_tried,
            "accuracy": n_right / n_tried,
            "left_out": folds.of,
        }
        trials = _by_target(windows, wanted, n_targets)
        arrays = {**self.learned(trials), **self.learned_of_rest(rest)}
        at_rest = [float(self.scores(arrays, window).max()) for window in rest]
        arrays |= {RIGHT: np.array(right), WRONG: np.array(wrong + at_rest)}
        return FittedModel(self.settings.kind, arrays, facts)

    def window_scorer(self, n_channels: int) -> Callable[[FloatArray], FloatArray]:
        if self.model is None:
            raise NotFittedError(
                f"{self.settings.kind} needs a fit, or a model, before it decides",
                decoder=self.settings.kind,
            )
        model = model_at(self.model, self.settings.window_s)
        arrays = checked(self.settings, model, self.rate_hz, n_channels)
        return functools.partial(self.scores, arrays)

    def is_idle(self, scores: FloatArray, n_channels: int) -> npt.NDArray[np.bool_]:
        confidence = np.array([self.confidence(one) for one in scores])
        idle: npt.NDArray[np.bool_] = confidence < self.settings.min_confidence
        return idle

    def by_target(self, epochs: FloatArray, targets: npt.ArrayLike) -> FloatArray:
        """Give the trials as `learned` takes them; raise `DecodeError` for what `fit` refuses."""
        return _by_target(*self._checked(epochs, targets), len(self.settings.targets))

    def _checked(self, epochs: FloatArray, targets: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
        """Give every trial's window and target."""
        n_targets = len(self.settings.targets)
        wanted = check_targets(targets, len(epochs), n_targets)
        counts = np.bincount(wanted[wanted != REST], minlength=n_targets)
        if counts.min() < self.least_trials:
            few = self.settings.targets[int(counts.argmin())].label
            raise DecodeError(
                f"{self.settings.kind} needs at least {self.least_trials} trials of each target; "
                f"target {few!r} has {counts.min()}",
                target=few,
                found=int(counts.min()),
            )
        windows = filtered_windows(self.settings, epochs, self.rate_hz)
        if not np.isfinite(windows).all():
            n_bad = int((~np.isfinite(windows).all(axis=(1, 2, 3))).sum())
            raise DecodeError(
                f"{self.settings.kind}: {n_bad} of {len(epochs)} trials hold missing samples; "
                "leave them out",
                found=n_bad,
            )
        silent = _silent(epochs, windows) & (wanted != REST)
        if silent.any():
            raise DecodeError(
                f"{self.settings.kind}: in {silent.sum()} of {len(epochs)} trials every channel is "
                "flat; leave them out",
                found=int(silent.sum()),
            )
        spread = windows.std(axis=-1).max(axis=(0, 1))
        flat = spread <= FLAT * spread.max()
        if flat.any():
            raise DecodeError(
                f"{self.settings.kind}: channel {int(flat.argmax())} is flat in every trial",
                channel=int(flat.argmax()),
            )
        return windows, wanted

    def _rest(self, epochs: FloatArray, targets: npt.ArrayLike) -> FloatArray:
        """Give the windows of the trials at rest that lack no sample."""
        windows = filtered_windows(self.settings, epochs[np.asarray(targets) == REST], self.rate_hz)
        return windows[np.isfinite(windows).all(axis=(1, 2, 3))]

    def _cross_validated(
        self, windows: FloatArray, wanted: IntArray, folds: Folds
    ) -> tuple[list[float], list[float]]:
        """Give the best score of each trial that is told rightly, and wrongly, when left out."""
        right: list[float] = []
        wrong: list[float] = []
        for learn, tested in folds.parts:
            arrays = self.learned(windows[learn])
            for place in tested[wanted[tested] != REST].tolist():
                scores = self.scores(arrays, windows[place])
                is_right = int(scores.argmax()) == wanted[place]
                (right if is_right else wrong).append(float(scores.max()))
        return right, wrong


def _by_target(windows: FloatArray, wanted: IntArray, n_targets: int) -> FloatArray:
    """Give the windows by target, as many of each as there are of the rarest."""
    places = [np.flatnonzero(wanted == target) for target in range(n_targets)]
    n_blocks = min(len(one) for one in places)
    return np.stack([windows[one[:n_blocks]] for one in places])


def _silent(epochs: FloatArray, windows: FloatArray) -> npt.NDArray[np.bool_]:
    """Say of each trial whether nothing but rounding is in some sub-band of it."""
    rounding = SILENT * np.abs(epochs).max(axis=(1, 2))
    silent: npt.NDArray[np.bool_] = (
        windows.std(axis=-1).max(axis=2).min(axis=1, initial=np.inf) <= rounding
    )
    return silent


def _prefix(window_s: float) -> str:
    """Give what the names of a look's arrays begin with."""
    return f"{round(1000 * window_s)}ms/"


def model_at(model: FittedModel, window_s: float) -> FittedModel:
    """Give the part of a model that is for one length of the window; itself where it has one."""
    looks = model.facts.get("looks")
    if looks is None:
        return model
    prefix = _prefix(window_s)
    if prefix not in looks:
        raise ConfigError(
            f"{model.kind}: the model was not fitted for a look of {window_s:g} s; allowed: "
            f"{', '.join(sorted(looks))}",
            found=window_s,
            allowed=sorted(looks),
        )
    arrays = {
        name.removeprefix(prefix): array
        for name, array in model.arrays.items()
        if name.startswith(prefix)
    }
    return FittedModel(model.kind, arrays, looks[prefix])


def facts_of(settings: SelectorSettings, rate_hz: float, n_channels: int) -> dict[str, Any]:
    """Give what a model must have been fitted for, as its manifest states it."""
    return {
        "rate_hz": rate_hz,
        "n_channels": n_channels,
        "window_s": settings.window_s,
        "freqs_hz": settings.freqs_hz.tolist(),
    }


def check_facts(
    settings: SelectorSettings, facts: Mapping[str, Any], rate_hz: float, n_channels: int
) -> None:
    """Raise `ConfigError` for a model that was fitted for something else; see `facts_of`."""
    check_fitted_for(settings.kind, facts, facts_of(settings, rate_hz, n_channels))


def checked(
    settings: TemplateSettings, model: FittedModel, rate_hz: float, n_channels: int
) -> Arrays:
    """Give the model's arrays; refuse a model that was fitted for something else.

    Raises
    ------
    ModelError
        It was fitted by another decoder.
    ConfigError
        It was fitted for another rate, montage, window or set of targets.
    """
    if model.kind != settings.kind:
        raise ModelError(f"{settings.kind} was given a model that was fitted for {model.kind}")
    check_facts(settings, model.facts, rate_hz, n_channels)
    arrays = {name: np.asarray(array, dtype=np.float64) for name, array in model.arrays.items()}
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise ModelError(f"the model for {settings.kind} holds what is not finite: {broken}")
    return arrays


class TemplateDecoder(FittedDecoder[S], SelectorDecoder[S]):
    """A calibrated decoder on a stream; a subclass names its ``estimator``."""

    estimator: ClassVar[type[TemplateEstimator[Any]]]

    @classmethod
    def calibrate(cls, settings: S, calibration: CalibrationData, progress: Progress) -> Calibrated:
        return calibrate_selector(
            cls.estimator,
            settings,
            calibration,
            progress,
            least_trials=cls.estimator.least_trials,
        )

    @classmethod
    def example_model(cls, settings: S, spec: SignalSpec) -> FittedModel:
        return cls.estimator(settings, spec.rate_hz).fit(*made_up_flickers(settings, spec))

    def _for_look(self, window_s: float) -> Self:
        return type(self)(self.settings.at(window_s), self.fitted_model())

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        model = model_at(self.fitted_model(), self.settings.window_s)
        self._arrays = checked(self.settings, model, rate_hz, n_channels)
        if RIGHT in self._arrays and WRONG in self._arrays:
            self.densities = Densities(self._arrays[RIGHT], self._arrays[WRONG])
        self._scorer = self.estimator(self.settings, rate_hz, model)

    def judge(self, filtered: FloatArray, epoch: Epoch) -> Verdict:
        scores = self._scorer.scores(self._arrays, filtered)
        if self._scorer.is_rest(self._arrays, filtered, scores):
            return Verdict(scores, 1.0, "rest")
        confidence = self._scorer.confidence(scores)
        if confidence < self.settings.min_confidence:
            below = 1.0 - confidence / self.settings.min_confidence
            return Verdict(scores, below, "low_confidence")
        return Verdict(scores, confidence)
