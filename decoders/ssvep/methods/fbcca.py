"""Filter-bank canonical correlation analysis: which flicker the user looks at.

Each target flickers at its own frequency. Over a window, the canonical correlation of each
sub-band with sines at a target's harmonics is squared, weighed and summed (Chen et al., J. Neural
Eng. 12:046008, 2015, equations 5 to 7); the largest score is the target. Nothing is learned, so it
works for a new user at once; a calibration sets no more than when to say idle, and how confident
to be. `FbccaDecoder` runs on a stream, `FBCCA` on epochs; both score by `WindowScorer`.

Idle and confidence are measured in multiples of the score that noise reaches (`WindowScorer`),
which makes them hold for other windows, montages and banks than those they were chosen with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import scipy
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.ssvep.estimator import REST, EpochEstimator, IntArray, check_targets
from volition.decoders.ssvep.scores.scorer import WindowScorer
from volition.decoders.ssvep.selector import SelectorDecoder, Verdict, softmax
from volition.decoders.ssvep.settings import (
    MOST_KEPT,
    SUB_BANDS,
    SelectorSettings,
    check_frequencies,
    check_window,
)
from volition.decoders.ssvep.windows.epochs import Epoch, Windows
from volition.decoders.ssvep.windows.scored import SlidingWindows, TriggeredWindows
from volition.errors import ConfigError, DecodeError

#: A marker-triggered window is summed in pieces of this length as it comes.
PIECE_S = 0.1


class CorrelationSettings(SelectorSettings):
    """Settings of decoders whose scores are squared correlations of sub-bands, weighed."""

    passed_on: ClassVar[tuple[str, ...]] = (*SelectorSettings.passed_on, *SUB_BANDS)

    idle_ratio: float = Field(
        default=1.2,
        ge=0,
        description="Idle (rest) unless the best score is this many times what noise reaches; 0: "
        "never.",
    )
    min_confidence: float = Field(
        default=0.0, ge=0, lt=1, description="Idle (low_confidence) below this confidence."
    )
    sharpness: float = Field(
        default=5.0,
        gt=0,
        description="Confidence is the softmax of the scores times this, over what noise reaches.",
    )

    def piece_samples(self, rate_hz: float) -> int:
        """Give how many samples of a window are summed at a time: all of them."""
        return self.window_samples(rate_hz)

    def scorer(
        self, rate_hz: float, n_channels: int, spec: SignalSpec | None = None
    ) -> WindowScorer:
        """Make what scores windows of such a signal, which `check` allows.

        Raises
        ------
        ConfigError
            A sub-band lies above what the rate allows.
        """
        return WindowScorer(
            self.freqs_hz,
            self.harmonics(rate_hz),
            self.edges(rate_hz),
            window_samples=self.window_samples(rate_hz),
            piece_samples=self.piece_samples(rate_hz),
            rate_hz=rate_hz,
            n_channels=n_channels,
            spec=spec,
            order=self.band_order,
        )


class FbccaSettings(CorrelationSettings):
    """Settings of `FbccaDecoder` and `FBCCA`."""

    kind: Literal["fbcca"] = "fbcca"

    @property
    def is_summed(self) -> bool:
        """Whether windows are scored as their samples come: each is judged once, by itself."""
        return self.stopping is None and not self.destructive

    def piece_samples(self, rate_hz: float) -> int:
        """Give how many samples of a window are summed at a time."""
        slides = self.is_summed and self.trigger == "sliding"
        return max(1, round((self.step_s if slides else PIECE_S) * rate_hz))

    def window_samples(self, rate_hz: float) -> int:
        n_samples = super().window_samples(rate_hz)
        if not self.is_summed or self.trigger == "markers":
            return n_samples
        step_samples = self.piece_samples(rate_hz)
        return max(1, round(n_samples / step_samples)) * step_samples

    def check(self, rate_hz: float, n_channels: int) -> None:
        """Refuse what the signal does not allow.

        Raises
        ------
        ConfigError
            A target or a harmonic lies above what the rate allows, the window is too short, or it
            is cut into more steps than fit into memory.
        """
        check_frequencies(self, rate_hz)
        window_samples = self.window_samples(rate_hz)
        check_window(self, window_samples, rate_hz, n_channels)
        piece_samples = self.piece_samples(rate_hz)
        if self.is_summed and self.trigger == "sliding":
            n_references = 2 * self.harmonics(rate_hz) * len(self.targets)
            per_step = n_channels * (n_channels + n_references + 1)
            per_band = per_step * window_samples // piece_samples
        else:
            ring_samples = TriggeredWindows.ring_samples(window_samples, piece_samples, rate_hz)
            per_band = n_channels * ring_samples
        kept = self.n_subbands * per_band
        if kept > MOST_KEPT:
            raise ConfigError(
                f"fbcca: {n_channels} channels, {self.n_subbands} sub-bands and a window of "
                f"{window_samples} samples in steps of {piece_samples} would keep {kept:.2g} "
                f"numbers; at most {MOST_KEPT:.2g} are allowed. Use fewer channels, a lower rate, "
                "a shorter window or longer steps",
                found=kept,
                allowed=MOST_KEPT,
            )


def probabilities(scores: FloatArray, sharpness: float, noise_score: float) -> FloatArray:
    """Give how likely each target is, from scores (..., n_targets): a softmax."""
    return softmax(scores * (sharpness / noise_score))


def verdict_of(scores: FloatArray, settings: CorrelationSettings, noise_score: float) -> Verdict:
    """Say selection or idle from each target's score."""
    best, threshold = float(scores.max()), settings.idle_ratio * noise_score
    if best < threshold:
        return Verdict(scores, 1.0 - best / threshold, "rest")
    confidence = float(probabilities(scores, settings.sharpness, noise_score).max())
    if confidence < settings.min_confidence:
        return Verdict(scores, 1.0 - confidence / settings.min_confidence, "low_confidence")
    return Verdict(scores, confidence)


def is_idle(
    scores: FloatArray, settings: CorrelationSettings, noise_score: float
) -> npt.NDArray[np.bool_]:
    """Say of which windows' scores, (n_windows, n_targets), `verdict_of` selects nothing."""
    confidence = probabilities(scores, settings.sharpness, noise_score).max(axis=1)
    selected = scores.max(axis=1) >= settings.idle_ratio * noise_score
    idle: npt.NDArray[np.bool_] = ~(selected & (confidence >= settings.min_confidence))
    return idle


class FbccaDecoder(SelectorDecoder[FbccaSettings]):
    """Selects the target whose flicker the signal follows, or says idle.

    A selection's ``confidence`` is the softmax over the targets (`probabilities`): how sure it is
    which target, given that one is looked at. An idle's is how far the best score stays below the
    threshold: 0 at it, 1 with no correlation at all. ``evidence`` holds the scores of both.

    Windows of one length are scored as their samples come. Where one is judged at several lengths
    (``stopping``), or two must agree (``destructive``), their samples are kept instead.
    """

    settings_model: ClassVar[type[Settings]] = FbccaSettings

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        self._scorer = self.settings.scorer(rate_hz, n_channels, self.spec)
        self._edges = self.settings.edges(rate_hz)

    def windows(self, rate_hz: float, n_channels: int) -> Windows:
        if not self.settings.is_summed:
            return super().windows(rate_hz, n_channels)
        bank = self.settings.bank(rate_hz, n_channels)
        if self.settings.trigger == "sliding":
            return SlidingWindows(self._scorer, bank)
        return TriggeredWindows(self._scorer, bank, rate_hz)

    def verdict(self, epoch: Epoch) -> Verdict | None:
        if epoch.scores is not None:
            return self._verdict_of(epoch.scores)
        return super().verdict(epoch)

    def judge(self, filtered: FloatArray, epoch: Epoch) -> Verdict:
        return self._verdict_of(self._scorer.scores_of(filtered))

    def _verdict_of(self, scores: FloatArray) -> Verdict:
        return verdict_of(scores, self.settings, self._scorer.noise_score)

    def state(self) -> dict[str, Any]:
        return {
            "window_samples": self._scorer.window_samples,
            "sub_bands_hz": [list(edges) for edges in self._edges],
            "threshold": self.settings.idle_ratio * self._scorer.noise_score,
            "n_harmonics": self._scorer.radians.shape[1],
            **super().state(),
        }


C = TypeVar("C", bound=CorrelationSettings)


class CorrelationEstimator(EpochEstimator[C]):
    """What estimators share whose idle and confidence are multiples of what noise reaches."""

    def predict_proba(self, epochs: FloatArray) -> FloatArray:
        """Give how likely each target is, shape (n_trials, n_targets), if one is looked at."""
        noise_score = self._scorer(epochs.shape[1]).noise_score
        return probabilities(self.decision_function(epochs), self.settings.sharpness, noise_score)

    def is_idle(self, scores: FloatArray, n_channels: int) -> npt.NDArray[np.bool_]:
        return is_idle(scores, self.settings, self._scorer(n_channels).noise_score)

    def _scorer(self, n_channels: int) -> WindowScorer:
        return self.settings.scorer(self.rate_hz, n_channels, self.spec)


class FBCCA(CorrelationEstimator[FbccaSettings]):
    """The same decoder on epochs, as an estimator.

    Parameters
    ----------
    settings
        Those of the streaming decoder; `fit` replaces them.
    rate_hz
        Sampling rate of the epochs.
    spec
        The signal that they are of, where stages cleaned it: give it to whoever fits, or a fitted
        ``idle_ratio`` is of a band that the decoder behind those stages does not have.

    Notes
    -----
    An epoch's window is its last ``window_s``; what lies before only settles the causal filters,
    which start in the steady state of the epoch's first sample. Given the same filtered window,
    the scores have the same bits as those of `FbccaDecoder`.
    """

    def fit(self, epochs: FloatArray, targets: npt.ArrayLike, *, false_share: float = 0.1) -> FBCCA:
        """Set ``idle_ratio`` from the trials at rest and ``sharpness`` from the others.

        Parameters
        ----------
        epochs : ndarray, shape (n_trials, n_channels, n_samples)
        targets : array-like of int, shape (n_trials,)
            Index of each trial's target, `REST` for none. Either kind may be absent; what it sets
            then stays.
        false_share
            Share of the trials at rest that may be taken for a selection.

        Raises
        ------
        DecodeError
            The trials and targets do not fit each other, or a trial has no score: a sample is
            missing, or too large to be squared.
        """
        wanted = check_targets(targets, len(epochs), len(self.settings.targets))
        scores = self.decision_function(epochs)
        scored = np.isfinite(scores).all(axis=1)
        if not scored.all():
            raise DecodeError(
                f"{int((~scored).sum())} of {len(epochs)} trials have no score: samples are "
                "missing, or too large; leave these trials out",
                found=int((~scored).sum()),
            )
        noise_score = self._scorer(epochs.shape[1]).noise_score
        at_rest = wanted == REST
        fitted: dict[str, float] = {}
        if at_rest.any():
            best = np.sort(scores[at_rest].max(axis=1) / noise_score)[::-1]
            n_above = math.floor(false_share * len(best))
            # Half way between the smallest that may be selected and the largest that may not.
            least = best[n_above - 1] if n_above else 1.05 * best[0]
            fitted["idle_ratio"] = float((least + best[min(n_above, len(best) - 1)]) / 2)
        if not at_rest.all():
            fitted["sharpness"] = _fit_sharpness(scores[~at_rest], wanted[~at_rest], noise_score)
        self.settings = self.settings.model_copy(update=fitted)
        return self

    def window_scorer(self, n_channels: int) -> Callable[[FloatArray], FloatArray]:
        return self._scorer(n_channels).scores_of


def _fit_sharpness(scores: FloatArray, targets: IntArray, noise_score: float) -> float:
    """Give the sharpness under which the right targets are most likely (temperature scaling)."""

    def loss(log_sharpness: float) -> float:
        chances = probabilities(scores, math.exp(log_sharpness), noise_score)
        right = np.take_along_axis(chances, targets[:, None], axis=1)
        return -float(np.log(np.maximum(right, 1e-300)).mean())

    # Bounds keep a calibration without one mistake from claiming certainty.
    found = scipy.optimize.minimize_scalar(
        loss, bounds=(math.log(0.1), math.log(20.0)), method="bounded"
    )
    return math.exp(float(found.x))
