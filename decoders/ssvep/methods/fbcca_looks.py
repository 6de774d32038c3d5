"""Filter-bank canonical correlation at several lengths of a window, and with second thoughts.

`volition.decoders.ssvep.methods.fbcca` sums a window of one length as its samples come. Where a
window is judged at several lengths (``stopping``), or a selection needs two windows that agree
(``destructive``), it hands over to this: the same scores, from the windows that the other decoders
share.
"""

from __future__ import annotations

from volition.chunk import FloatArray
from volition.decoders.ssvep.methods.fbcca import FbccaSettings, probabilities
from volition.decoders.ssvep.selector import SelectorDecoder, Verdict
from volition.decoders.ssvep.windows.epochs import Epoch


class FbccaLooks(SelectorDecoder[FbccaSettings]):
    """What `FbccaDecoder` is for settings with ``stopping`` or ``destructive``."""

    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        # A sliding window's length is not rounded to whole steps here.
        whole = self.settings.model_copy(update={"trigger": "markers"})
        self._scorer = whole.scorer(rate_hz, n_channels)
        self._threshold = self.settings.idle_ratio * self._scorer.noise_score

    def judge(self, filtered: FloatArray, epoch: Epoch) -> Verdict:
        scorer, settings = self._scorer, self.settings
        scores = scorer.scores_of(filtered)
        best = float(scores.max())
        if best < self._threshold:
            return Verdict(scores, 1.0 - best / self._threshold, "rest")
        likely = probabilities(scores, settings.sharpness, scorer.noise_score)
        confidence = float(likely.max())
        if confidence < settings.min_confidence:
            return Verdict(scores, 1.0 - confidence / settings.min_confidence, "low_confidence")
        return Verdict(scores, confidence)
