"""FBCCA that comes to know its user: a filter learned from their own signal joins its scores.

It begins as `volition.decoders.ssvep.methods.fbcca` and needs no calibration, no other people and
no phase. Every half second a window, whether anybody asked for it or not, teaches a filter over the
channels (`volition.decoders.ssvep.scores.own_filter`), and the score of a target becomes

    (1 - s) x FBCCA's + s x the weighed squared correlations of the filter's output,

s rising with the windows that it has seen, less what the target's score was while another led
(`volition.decoders.ssvep.scores.while_others_led`). The filter of a window is the one learned from
windows that had ended when it began: nothing is learned from what is to be decided. Long
windows need it less, so ``s`` falls as one over their length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from volition.chunk import FloatArray, SignalSpec
from volition.decoders.contract.settings import Settings
from volition.decoders.ssvep.methods.fbcca import (
    CorrelationEstimator,
    CorrelationSettings,
    verdict_of,
)
from volition.decoders.ssvep.scores.own_filter import OwnFilter, Projected, Projection
from volition.decoders.ssvep.scores.while_others_led import WhileOthersLed
from volition.decoders.ssvep.selector import SelectorDecoder, Verdict
from volition.decoders.ssvep.windows.epochs import GRID_S, Epoch, n_grid_windows

#: Number of windows after which the filter counts half of what it may.
TRUSTED_WINDOWS = 10.0


class AdaptiveSettings(CorrelationSettings):
    """Settings of `AdaptiveDecoder` and `ADAPTIVE`."""

    kind: Literal["ssvep_adaptive"] = "ssvep_adaptive"
    own_share: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="The most that the person's own filter counts in the scores of a window of one "
        "second or less; in a longer one as many times less. 0: never.",
    )
    own_ridge: float = Field(
        default=0.01,
        ge=1e-6,
        le=1,
        description="Added to the diagonal of the covariance that the filter is learned from, as a "
        "share of its mean.",
    )
    recentre: bool = Field(
        default=True,
        description="Take from each target's score what it was while another target led.",
    )

    def share(self, n_windows: int) -> float:
        """Give the weight of a filter that was learned from ``n_windows`` windows."""
        most = self.own_share / max(1.0, self.window_s)
        return most * n_windows / (n_windows + TRUSTED_WINDOWS)


class AdaptiveScorer:
    """Scores windows and learns from them.

    Parameters
    ----------
    settings
        Settings of the decoder, for windows of one length.
    rate_hz, n_channels, spec
        The signal, as for `volition.decoders.ssvep.scores.scorer.WindowScorer`.
    """

    def __init__(
        self,
        settings: AdaptiveSettings,
        rate_hz: float,
        n_channels: int,
        spec: SignalSpec | None = None,
    ) -> None:
        self.window_samples = settings.window_samples(rate_hz)
        self._settings = settings
        self._fbcca = settings.scorer(rate_hz, n_channels, spec)
        self.noise_score = self._fbcca.noise_score
        self._project = Projection(
            settings.freqs_hz, settings.harmonics(rate_hz), rate_hz, self.window_samples
        )
        n_kept = n_grid_windows(settings.window_s)
        self.own = OwnFilter(self._fbcca.n_bands, n_channels, n_kept, settings.own_ridge)
        self._background = WhileOthersLed((len(settings.targets),), n_kept)
        self._newest: tuple[int, FloatArray, Projected] | None = None

    def reset(self) -> None:
        """Be FBCCA again."""
        self.own.reset()
        self._background.reset()
        self._newest = None

    def scores(self, filtered: FloatArray, end: int) -> FloatArray:
        """Score a window (n_bands, n_channels, window_samples) that ended with sample ``end``."""
        mixed = self._mixed(*self._measured(filtered, end), end)
        if not self._settings.recentre:
            return mixed
        centred: FloatArray = mixed - self._background.before(end - self.window_samples)
        return centred

    def learn(self, filtered: FloatArray, end: int) -> None:
        """Learn from a window that ended with sample ``end``, whoever asked for it."""
        scores, projected = self._measured(filtered, end)
        mixed = self._mixed(scores, projected, end)
        if np.isfinite(mixed).all():
            self._background.take(end, mixed, int(mixed.argmax()))
            self.own.learn(end, projected, scores)

    def _measured(self, filtered: FloatArray, end: int) -> tuple[FloatArray, Projected]:
        """Give FBCCA's scores and the projection, once for a window that teaches and is judged."""
        if self._newest is None or self._newest[0] != end:
            self._newest = end, self._fbcca.scores_of(filtered), self._project.of(filtered)
        return self._newest[1:]

    def _mixed(self, scores: FloatArray, projected: Projected, end: int) -> FloatArray:
        known = self.own.before(end - self.window_samples)
        if known is None:
            return scores
        n_windows, filters = known
        share = self._settings.share(n_windows)
        own = self._fbcca.weights @ projected.correlations(filters)
        mixed: FloatArray = (1 - share) * scores + share * own
        return mixed


class AdaptiveDecoder(SelectorDecoder[AdaptiveSettings]):
    """Selects the target whose flicker the signal follows, by what it learned of it, or says idle.

    ``confidence`` and ``evidence`` are as those of `volition.decoders.ssvep.methods.fbcca`. What
    was learned is forgotten with the signal; ``own_windows`` in the state counts the windows.
    """

    settings_model: ClassVar[type[Settings]] = AdaptiveSettings
    grid_s: ClassVar[float | None] = GRID_S

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        self._scorer = AdaptiveScorer(self.settings, rate_hz, n_channels, self.spec)
        self._grid_samples = max(1, round(GRID_S * rate_hz))
        self._learned_at = 0

    def forget_learned(self) -> None:
        self._scorer.reset()
        self._learned_at = 0

    def learn_from(self, epoch: Epoch) -> None:
        """Learn from the end of a window, unless one that ended just before was learned from."""
        if epoch.filtered is None or epoch.end - self._learned_at < self._grid_samples:
            return
        self._learned_at = epoch.end
        window = np.ascontiguousarray(epoch.filtered[..., -self._scorer.window_samples :])
        self._scorer.learn(window, epoch.end)

    def _is_asked(self, epoch: Epoch) -> bool:
        if epoch.t_trigger is not None:
            return True
        for judge in self._judges:
            judge.learn_from(epoch)
        return self.settings.trigger == "sliding"

    def judge(self, filtered: FloatArray, epoch: Epoch) -> Verdict:
        scores = self._scorer.scores(filtered, epoch.end)
        return verdict_of(scores, self.settings, self._scorer.noise_score)

    def state(self) -> dict[str, Any]:
        return {"own_windows": self._scorer.own.n_windows, **super().state()}


class ADAPTIVE(CorrelationEstimator[AdaptiveSettings]):
    """The same decoder on epochs in the order of time, as an estimator.

    Each epoch's window is scored by the filter that the windows before it taught. (The stream
    learns from windows between the trials too.)
    """

    def window_scorer(self, n_channels: int) -> Callable[[FloatArray], FloatArray]:
        scorer = AdaptiveScorer(self.settings, self.rate_hz, n_channels, self.spec)
        end = 0

        def score(window: FloatArray) -> FloatArray:
            nonlocal end
            end += scorer.window_samples
            scores = scorer.scores(window, end)
            scorer.learn(window, end)
            return scores

        return score
