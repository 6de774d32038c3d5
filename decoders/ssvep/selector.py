"""What the SSVEP decoders share on a stream: when a window is judged, and how a verdict is said.

A decoder of this kind waits for a window to end, scores each target on its sub-bands, and says a
selection or idle. What differs between them is the score: a subclass gives `judge`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar

import numpy as np

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent
from volition.decoders.contract.stage import check_channels
from volition.decoders.contract.trials import TargetTrials
from volition.decoders.filtering import regular_rate
from volition.decoders.ssvep.settings import SelectorSettings
from volition.decoders.ssvep.windows.epochs import Epoch, EpochWindows, Windows
from volition.decoders.ssvep.windows.stopping import Densities
from volition.errors import ConfigError

#: What a decoder's filters need to settle before its first window, seconds.
SETTLING_S = 1.0

S = TypeVar("S", bound=SelectorSettings)


def softmax(logits: FloatArray) -> FloatArray:
    """Give the softmax over the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: FloatArray = odds / odds.sum(axis=-1, keepdims=True)
    return result


class Verdict(NamedTuple):
    """What a window says.

    Attributes
    ----------
    scores : ndarray, shape (n_targets,)
        The largest is the best target.
    confidence
        Confidence in the selection or, when ``idle`` is given, in that; 0 to 1.
    idle
        Why nothing is selected; None for a selection.
    """

    scores: FloatArray
    confidence: float
    idle: Literal["rest", "low_confidence"] | None = None


class SelectorDecoder(Decoder[S]):
    """Base of the decoders that score a window of filtered samples."""

    #: The signal it was prepared for.
    spec: SignalSpec | None = None
    #: Seconds between windows that are made though no marker asks for them, to be learned from.
    grid_s: ClassVar[float | None] = None
    #: Calibration scores, for the stopping rule that asks for them.
    densities: Densities | None = None

    @classmethod
    def trials(cls, settings: S) -> TargetTrials:
        return settings.trials()

    def prepare(self, spec: SignalSpec) -> None:
        settings = self.settings
        rate_hz = regular_rate(spec, settings.kind)
        lengths_s = settings.looks_s()
        settings.at(lengths_s[0]).check(rate_hz, spec.n_channels)
        settings.check(rate_hz, spec.n_channels)
        self._n_channels = spec.n_channels
        self.spec = spec
        self.make_ready(rate_hz, spec.n_channels)
        # Who judges each look: one like this decoder for a shorter window, and itself.
        self._judges: list[SelectorDecoder[S]] = []
        for length_s in lengths_s[:-1]:
            judge = self._for_look(length_s)
            judge.spec = spec
            judge.make_ready(rate_hz, spec.n_channels)
            self._judges.append(judge)
        self._judges.append(self)
        by_scores = settings.stopping is not None and settings.stopping.rule == "bayes"
        if by_scores and any(judge.densities is None for judge in self._judges):
            raise ConfigError(
                f"{settings.kind}: the stopping rule 'bayes' needs a model that knows the scores "
                "of its calibration; allowed without: margin, cost, confidence",
                found="bayes",
            )
        self._windows = self.windows(rate_hz, spec.n_channels)
        self._labels = [target.label for target in settings.targets]
        self._onsets = frozenset(settings.onset_markers)
        self._forget()

    def windows(self, rate_hz: float, n_channels: int) -> Windows:
        """Make the windows to judge; `make_ready` has been called."""
        settings = self.settings
        looks_s = settings.looks_s()[:-1]
        return EpochWindows(
            settings.bank(rate_hz, n_channels),
            settings.n_bands,
            n_channels,
            rate_hz,
            window_samples=settings.window_samples(rate_hz),
            step_samples=self._step_samples(rate_hz),
            looks=[settings.at(look_s).window_samples(rate_hz) for look_s in looks_s],
        )

    def _for_look(self, window_s: float) -> Self:
        """Make a decoder of this kind that judges windows of another length."""
        return type(self)(self.settings.at(window_s))

    def _forget(self) -> None:
        self._last: Intent | None = None
        self._said: str | None = None  # what the window judged last would select
        self._decided: set[int] = set()  # markers that were answered before their last look

    def _step_samples(self, rate_hz: float) -> int | None:
        step_s = self.grid_s if self.settings.trigger == "markers" else self.settings.step_s
        return None if step_s is None else max(1, round(step_s * rate_hz))

    @abstractmethod
    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        """Make what `judge` needs."""

    @abstractmethod
    def judge(self, filtered: FloatArray, epoch: Epoch) -> Verdict:
        """Judge a window, shape (n_bands, n_channels, window_samples), with no sample missing."""

    def verdict(self, epoch: Epoch) -> Verdict | None:
        """Judge a window; None where a sample of it is missing."""
        return None if epoch.filtered is None else self.judge(epoch.filtered, epoch)

    @property
    def memory_s(self) -> float:
        return self.settings.window_s + self.settings.delay_s + SETTLING_S

    def reset(self) -> None:
        self._windows.reset()
        for judge in self._judges:
            judge.forget_learned()
        self._forget()

    def decode(self, chunk: Chunk, events: Sequence[Event]) -> list[Intent]:
        check_channels(chunk, self._n_channels, self.settings.kind)
        if self.settings.trigger == "markers":
            for event in events:
                if not self._onsets or event.name in self._onsets:
                    self._windows.ask(event.time, event.time + self.settings.delay_s)
        intents = []
        for epoch in self._windows.feed(chunk):
            if self._is_asked(epoch) and (intent := self._decide(epoch)) is not None:
                self._last = intent
                intents.append(intent)
        return intents

    def learn_from(self, epoch: Epoch) -> None:
        """Learn from the end of a window, whether or not it is to be judged."""
        return  # most learn nothing from the stream

    def forget_learned(self) -> None:
        """Forget what `learn_from` has learned."""
        return  # as above

    def _is_asked(self, epoch: Epoch) -> bool:
        """Say whether a decision is wanted; a window may be there only to be learned from."""
        return True

    def state(self) -> dict[str, Any]:
        last = self._last
        return {
            "open_windows": self._windows.open_windows,
            "selected": last.label if isinstance(last, SelectionIntent) else None,
            "evidence": last.evidence if isinstance(last, SelectionIntent | IdleIntent) else {},
            "t_sample": None if last is None else last.t_sample,
        }

    def _decide(self, epoch: Epoch) -> Intent | None:
        """Answer a look; None where a longer one is to answer, or a shorter one has."""
        judge, is_last = self._judges[epoch.look], epoch.look == len(self._judges) - 1
        if epoch.number in self._decided:
            if is_last:
                self._decided.discard(epoch.number)
            return None
        verdict = judge.verdict(epoch)
        if verdict is None or not np.isfinite(verdict.scores).all():
            self._said = None
            return self._idle(epoch, "missing_samples", 1.0, {}) if is_last else None
        evidence = dict(zip(self._labels, verdict.scores.tolist(), strict=True))
        best = int(verdict.scores.argmax())
        sure = self._is_sure(judge, verdict, self._labels[best], is_last=is_last)
        if not sure and not is_last:
            return None
        if not sure:
            reason = verdict.idle or "low_confidence"
            unsure = verdict.confidence if verdict.idle else 1.0 - verdict.confidence
            return self._idle(epoch, reason, unsure, evidence)
        if not is_last:
            self._decided.add(epoch.number)
        return SelectionIntent(
            target=best,
            label=self._labels[best],
            confidence=verdict.confidence,
            evidence=evidence,
            t_sample=epoch.t_sample,
            t_trigger=epoch.t_trigger,
            expires_s=self.settings.expires_s,
        )

    def _is_sure(
        self, judge: SelectorDecoder[S], verdict: Verdict, label: str, *, is_last: bool
    ) -> bool:
        """Say whether a look's best target may be selected."""
        stopping = self.settings.stopping
        before, self._said = self._said, None
        if verdict.idle is not None:
            return False
        is_free = stopping is None or (is_last and stopping.otherwise == "select")
        if not (is_free or self._holds(judge, verdict)):
            return False
        self._said = label
        return label not in self.settings.destructive or before == label

    def _holds(self, judge: SelectorDecoder[S], verdict: Verdict) -> bool:
        assert self.settings.stopping is not None
        return self.settings.stopping.holds(verdict.scores, verdict.confidence, judge.densities)

    def _idle(
        self,
        epoch: Epoch,
        reason: Literal["rest", "low_confidence", "missing_samples"],
        confidence: float,
        evidence: dict[str, float],
    ) -> IdleIntent:
        return IdleIntent(
            reason=reason,
            confidence=confidence,
            evidence=evidence,
            t_sample=epoch.t_sample,
            t_trigger=epoch.t_trigger,
            expires_s=self.settings.expires_s,
        )
