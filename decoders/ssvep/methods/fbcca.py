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
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import scipy
from pydantic import Field

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import check_channels
from volition.decoders.contract.trials import TargetTrials
from volition.decoders.filtering import regular_rate
from volition.decoders.ssvep.scores.bank import FilterBank
from volition.decoders.ssvep.scores.scorer import WindowScorer
from volition.decoders.ssvep.selector import (
    MOST_KEPT,
    REST,
    SETTLING_S,
    IntArray,
    SelectorSettings,
    check_frequencies,
    check_targets,
    check_window,
    softmax,
)
from volition.decoders.ssvep.windows.scored import Scored, SlidingWindows, TriggeredWindows, Windows
from volition.errors import ConfigError, DecodeError

#: A marker-triggered window is summed in pieces of this length as it comes.
PIECE_S = 0.1


class FbccaSettings(SelectorSettings):
    """Settings of `FbccaDecoder` and `FBCCA`."""

    kind: Literal["fbcca"] = "fbcca"
    idle_ratio: float = Field(
        default=1.2,
        ge=0,
        description="Idle (rest) unless the best score is so many times what noise reaches; 0: "
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

    def scorer(self, rate_hz: float, n_channels: int) -> WindowScorer:
        """Make what scores windows of such a signal.

        Raises
        ------
        ConfigError
            A target, a harmonic or a sub-band lies above what the rate allows, the window is too
            short, or it is cut into so many steps that they would fill the memory.
        """
        edges = self.edges(rate_hz)
        check_frequencies(self, rate_hz)
        window_samples = round(self.window_s * rate_hz)
        if self.trigger == "sliding":
            piece_samples = max(1, round(self.step_s * rate_hz))
            window_samples = max(1, round(window_samples / piece_samples)) * piece_samples
        else:
            piece_samples = max(1, round(PIECE_S * rate_hz))
        check_window(self, window_samples, rate_hz, n_channels)
        _check_size(self, window_samples, piece_samples, rate_hz, n_channels)
        return WindowScorer(
            np.array([target.freq_hz for target in self.targets]),
            self.n_harmonics,
            edges,
            window_samples=window_samples,
            piece_samples=piece_samples,
            rate_hz=rate_hz,
            n_channels=n_channels,
        )


def _check_size(
    settings: FbccaSettings,
    window_samples: int,
    piece_samples: int,
    rate_hz: float,
    n_channels: int,
) -> None:
    per_band = n_channels * window_samples
    if settings.trigger == "sliding":
        n_references = 2 * settings.n_harmonics * len(settings.targets)
        per_band = n_channels * (n_channels + n_references + 1) * window_samples // piece_samples
    else:
        kept = TriggeredWindows.ring_samples(window_samples, piece_samples, rate_hz)
        per_band = n_channels * kept
    if settings.n_subbands * per_band > MOST_KEPT:
        raise ConfigError(
            f"fbcca: {n_channels} channels, {settings.n_subbands} sub-bands and a window of "
            f"{window_samples} samples in steps of {piece_samples} would keep "
            f"{settings.n_subbands * per_band:.2g} numbers; at most {MOST_KEPT:.2g} are allowed. "
            "Use fewer channels, a lower rate, a shorter window or longer steps",
            found=settings.n_subbands * per_band,
            allowed=MOST_KEPT,
        )


def probabilities(scores: FloatArray, sharpness: float, noise_score: float) -> FloatArray:
    """Give how likely each target is, from scores (..., n_targets): a softmax."""
    return softmax(scores * (sharpness / noise_score))


class FbccaDecoder(Decoder[FbccaSettings]):
    """Selects the target whose flicker the signal follows, or says idle.

    A selection's ``confidence`` is the softmax over the targets (`probabilities`): how sure it is
    which target, given that one is looked at. An idle's is how far the best score stays below the
    threshold: 0 at it, 1 with no correlation at all. ``evidence`` holds the scores of both.
    """

    settings_model: ClassVar[type[Settings]] = FbccaSettings

    #: Decides in place of this one where a window is judged more than once.
    _looks: Decoder[FbccaSettings] | None = None

    @classmethod
    def trials(cls, settings: FbccaSettings) -> TargetTrials:
        return settings.trials()

    def prepare(self, spec: SignalSpec) -> None:
        rate_hz = regular_rate(spec, "fbcca")
        settings = self.settings
        if settings.stopping is not None or settings.destructive:
            from volition.decoders.ssvep.methods.fbcca_looks import FbccaLooks

            self._looks = FbccaLooks(settings)
            self._looks.prepare(spec)
            return
        self._n_channels = spec.n_channels
        self._scorer = settings.scorer(rate_hz, spec.n_channels)
        self._edges = settings.edges(rate_hz)
        self._bank = FilterBank(self._edges, settings.band_order, rate_hz, spec.n_channels)
        self._labels = [target.label for target in settings.targets]
        self._onsets = frozenset(settings.onset_markers)
        self._threshold = settings.idle_ratio * self._scorer.noise_score
        self._windows: Windows
        if settings.trigger == "sliding":
            self._windows = SlidingWindows(self._scorer, self._bank)
        else:
            self._windows = TriggeredWindows(self._scorer, self._bank, rate_hz)
        self._last: Intent | None = None

    @property
    def memory_s(self) -> float:
        return self.settings.window_s + self.settings.delay_s + SETTLING_S

    def reset(self) -> None:
        if self._looks is not None:
            self._looks.reset()
            return
        self._bank.reset()
        self._windows.reset()
        self._last = None

    def decode(self, chunk: Chunk, events: Sequence[Event]) -> list[Intent]:
        if self._looks is not None:
            return self._looks.decode(chunk, events)
        check_channels(chunk, self._n_channels, "fbcca")
        for event in events:
            if not self._onsets or event.name in self._onsets:
                self._windows.ask(event.time, event.time + self.settings.delay_s)
        ended = self._windows.feed(chunk)
        return [self._decide(window) for window in ended] if ended else []

    def state(self) -> dict[str, Any]:
        if self._looks is not None:
            return self._looks.state()
        last = self._last
        return {
            "window_samples": self._scorer.window_samples,
            "sub_bands_hz": [list(edges) for edges in self._edges],
            "threshold": self._threshold,
            "open_windows": self._windows.open_windows,
            "selected": last.label if isinstance(last, SelectionIntent) else None,
            "evidence": last.evidence if isinstance(last, SelectionIntent | IdleIntent) else {},
            "t_sample": None if last is None else last.t_sample,
        }

    def _decide(self, window: Scored) -> Intent:
        scores = window.scores
        if scores is None or not np.isfinite(scores).all():
            self._last = self._idle("missing_samples", 1.0, {}, window)
            return self._last
        evidence = dict(zip(self._labels, scores.tolist(), strict=True))
        best = int(scores.argmax())
        confidence = float(
            probabilities(scores, self.settings.sharpness, self._scorer.noise_score)[best]
        )
        if scores[best] < self._threshold:
            below = 1.0 - float(scores[best]) / self._threshold
            self._last = self._idle("rest", below, evidence, window)
        elif confidence < self.settings.min_confidence:
            below = 1.0 - confidence / self.settings.min_confidence
            self._last = self._idle("low_confidence", below, evidence, window)
        else:
            self._last = SelectionIntent(
                target=best,
                label=self._labels[best],
                confidence=confidence,
                evidence=evidence,
                t_sample=window.t_sample,
                t_trigger=window.t_trigger,
                expires_s=self.settings.expires_s,
            )
        return self._last

    def _idle(
        self,
        reason: Literal["rest", "low_confidence", "missing_samples"],
        confidence: float,
        evidence: dict[str, float],
        window: Scored,
    ) -> IdleIntent:
        return IdleIntent(
            reason=reason,
            confidence=confidence,
            evidence=evidence,
            t_sample=window.t_sample,
            t_trigger=window.t_trigger,
            expires_s=self.settings.expires_s,
        )


class FBCCA:
    """The same decoder on epochs, as an estimator.

    Parameters
    ----------
    settings
        Those of the streaming decoder; `fit` replaces them.
    rate_hz
        Sampling rate of the epochs.

    Notes
    -----
    An epoch's window is its last ``window_s``; what lies before only settles the causal filters,
    which start in the steady state of the epoch's first sample. Given the same filtered window,
    the scores have the same bits as those of `FbccaDecoder`.
    """

    def __init__(self, settings: FbccaSettings, rate_hz: float) -> None:
        self.settings = settings
        self.rate_hz = rate_hz

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
            The trials and targets do not fit each other.
        """
        scorer = self._scorer(epochs)
        wanted = check_targets(targets, len(epochs), len(self.settings.targets))
        scores = self.decision_function(epochs)
        at_rest = wanted == REST
        fitted: dict[str, float] = {}
        if at_rest.any():
            best = np.sort(scores[at_rest].max(axis=1) / scorer.noise_score)[::-1]
            n_above = math.floor(false_share * len(best))
            # Half way between the smallest that may be selected and the largest that may not.
            least = best[n_above - 1] if n_above else 1.05 * best[0]
            fitted["idle_ratio"] = float((least + best[min(n_above, len(best) - 1)]) / 2)
        if not at_rest.all():
            fitted["sharpness"] = _fit_sharpness(
                scores[~at_rest], wanted[~at_rest], scorer.noise_score
            )
        self.settings = self.settings.model_copy(update=fitted)
        return self

    def filtered(self, epochs: FloatArray) -> FloatArray:
        """Give the sub-bands of each epoch, shape (n_trials, n_bands, n_channels, n_samples)."""
        n_trials, n_channels, n_samples = epochs.shape
        bank = FilterBank(
            self.settings.edges(self.rate_hz), self.settings.band_order, self.rate_hz, n_channels
        )
        result = np.empty((n_trials, self.settings.n_subbands, n_channels, n_samples))
        for epoch, out in zip(epochs, result, strict=True):
            bank.reset()
            if bank.run(np.array(epoch, dtype=np.float64, order="C"), out) is not None:
                out[...] = np.nan
        return result

    def decision_function(self, epochs: FloatArray) -> FloatArray:
        """Give the scores, shape (n_trials, n_targets); NaN for an epoch with missing samples."""
        scorer = self._scorer(epochs)
        windows = self.filtered(epochs)[..., -scorer.window_samples :]
        scores = [scorer.scores_of(window) for window in windows]
        return np.array(scores).reshape(len(epochs), len(self.settings.targets))

    def predict_proba(self, epochs: FloatArray) -> FloatArray:
        """Give how likely each target is, shape (n_trials, n_targets), if one is looked at."""
        noise_score = self._scorer(epochs).noise_score
        return probabilities(self.decision_function(epochs), self.settings.sharpness, noise_score)

    def predict(self, epochs: FloatArray, *, idle: bool = True) -> IntArray:
        """Give each trial's target, shape (n_trials,); `REST` where the decoder says idle.

        With ``idle=False`` the best target is given whatever its score.
        """
        scores = self.decision_function(epochs)
        best: IntArray = scores.argmax(axis=1).astype(np.int64)
        if idle:
            noise_score = self._scorer(epochs).noise_score
            confidence = probabilities(scores, self.settings.sharpness, noise_score).max(axis=1)
            selected = scores.max(axis=1) >= self.settings.idle_ratio * noise_score
            best[~(selected & (confidence >= self.settings.min_confidence))] = REST
        return best

    def score(self, epochs: FloatArray, targets: npt.ArrayLike) -> float:
        """Give the share of trials whose best target is the right one."""
        wanted = check_targets(targets, len(epochs), len(self.settings.targets))
        return float((self.predict(epochs, idle=False) == wanted).mean())

    def _scorer(self, epochs: FloatArray) -> WindowScorer:
        scorer = self.settings.scorer(self.rate_hz, epochs.shape[1])
        if epochs.shape[2] < scorer.window_samples:
            raise DecodeError(
                f"epochs of {epochs.shape[2]} samples are shorter than the window of "
                f"{scorer.window_samples}",
                found=epochs.shape[2],
                allowed_from=scorer.window_samples,
            )
        return scorer


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
