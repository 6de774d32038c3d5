"""What the SSVEP decoders share: targets, sub-bands, windows, and how a verdict is said.

A decoder of this kind waits for a window to end, scores each target on its sub-bands, and says a
selection or idle. What differs between them is the score: a subclass gives `judge`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.contract.decoder import Decoder
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent
from volition.decoders.contract.settings import Settings
from volition.decoders.contract.stage import check_channels
from volition.decoders.filtering import check_below_half_rate, regular_rate
from volition.decoders.ssvep.scores.bank import FilterBank, sub_band_edges
from volition.decoders.ssvep.windows.epochs import Epoch, EpochWindows, Windows
from volition.decoders.ssvep.windows.stopping import Densities, Stopping
from volition.errors import ConfigError, DecodeError

IntArray = npt.NDArray[np.int64]

#: What an estimator gives, and takes, for a trial at rest.
REST = -1
#: What a decoder's filters need to settle before its first window, seconds.
SETTLING_S = 1.0
#: Most numbers that a decoder may keep: half a GiB of them.
MOST_KEPT = 2**26


class Target(BaseModel):
    """A flickering target."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1)
    freq_hz: float = Field(gt=0)


class SelectorSettings(Settings):
    """Settings that every SSVEP decoder has."""

    targets: list[Target] = Field(
        min_length=2, max_length=256, description="What can be selected, each with its flicker."
    )
    n_harmonics: int = Field(default=5, ge=1, le=20, description="Harmonics in the references.")
    n_subbands: int = Field(default=5, ge=1, le=20)
    band_low_hz: float = Field(default=8.0, gt=0, description="Lower edge of the first sub-band.")
    band_step_hz: float = Field(default=8.0, gt=0, description="From one lower edge to the next.")
    band_high_hz: float = Field(
        default=88.0, gt=0, description="Upper edge of every sub-band; kept below 0.45 of the rate."
    )
    band_order: int = Field(default=4, ge=1, le=12, description="Butterworth order of each edge.")
    window_s: float = Field(default=3.0, gt=0, le=60)
    trigger: Literal["markers", "sliding"] = Field(
        default="markers", description="One window after each onset marker, or one every step_s."
    )
    step_s: float = Field(
        default=0.1,
        gt=0,
        le=60,
        description="Between decisions when sliding; fbcca rounds its window to whole steps.",
    )
    delay_s: float = Field(
        default=0.14,
        ge=0,
        le=60,
        description="From an onset marker to the start of its window: the latency of vision.",
    )
    onset_markers: list[str] = Field(
        default_factory=list, description="Names of the markers that start a window; all if empty."
    )
    stopping: Stopping | None = Field(
        default=None, description="Decide before the window is full; after markers alone."
    )
    destructive: list[str] = Field(
        default_factory=list,
        description="Labels of targets that are selected only where the window judged just before "
        "(a shorter look, a step before, or the last trial) says the same.",
    )
    expires_s: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _stopping_and_destructive_fit(self) -> SelectorSettings:
        unknown = sorted({*self.destructive} - {target.label for target in self.targets})
        if unknown:
            raise ValueError(f"destructive names {unknown}, which no target is labelled")
        if self.stopping is not None:
            if self.trigger != "markers":
                raise ValueError("stopping needs windows that markers start (trigger: markers)")
            if self.stopping.min_s > self.window_s:
                raise ValueError(
                    f"the first look, of {self.stopping.min_s:g} s, is longer than the window of "
                    f"{self.window_s:g} s"
                )
        return self

    @model_validator(mode="after")
    def _labels_and_frequencies_differ(self) -> SelectorSettings:
        for name in ("label", "freq_hz"):
            values = [getattr(target, name) for target in self.targets]
            repeated = sorted({value for value in values if values.count(value) > 1})
            if repeated:
                raise ValueError(f"each target needs a {name} of its own; found twice: {repeated}")
        return self

    def looks_s(self) -> list[float]:
        """Give the lengths at which a window is judged; the last is ``window_s``."""
        return [self.window_s] if self.stopping is None else self.stopping.looks(self.window_s)

    def at(self, window_s: float) -> Self:
        """Give the same settings for windows of another length that are judged once."""
        return self.model_copy(update={"window_s": window_s, "stopping": None})

    @property
    def freqs_hz(self) -> FloatArray:
        """Flicker frequency of each target."""
        return np.array([target.freq_hz for target in self.targets])

    def edges(self, rate_hz: float) -> list[tuple[float, float]]:
        """Give the sub-bands' edges at this rate; see `sub_band_edges`."""
        return sub_band_edges(
            self.n_subbands, self.band_low_hz, self.band_step_hz, self.band_high_hz, rate_hz
        )

    @property
    def n_bands(self) -> int:
        """Number of sub-bands."""
        return self.n_subbands

    def window_samples(self, rate_hz: float) -> int:
        """Give the length of a window."""
        return round(self.window_s * rate_hz)

    def bank(self, rate_hz: float, n_channels: int) -> FilterBank:
        """Make the sub-bands' filters."""
        return FilterBank(self.edges(rate_hz), self.band_order, rate_hz, n_channels)

    def check(self, rate_hz: float, n_channels: int) -> None:
        """Refuse what the signal does not allow.

        Raises
        ------
        ConfigError
            A target or a harmonic lies above what the rate allows, the window is too short, or it
            would fill the memory.
        """
        check_frequencies(self, rate_hz)
        window_samples = self.window_samples(rate_hz)
        check_window(self, window_samples, rate_hz, n_channels)
        kept = self.n_bands * n_channels * window_samples
        if kept > MOST_KEPT:
            raise ConfigError(
                f"{self.kind}: {n_channels} channels, {self.n_bands} sub-bands and a window of "
                f"{window_samples} samples would keep {kept:.2g} numbers; at most {MOST_KEPT:.2g} "
                "are allowed. Use fewer channels, a lower rate or a shorter window",
                found=kept,
                allowed=MOST_KEPT,
            )


S = TypeVar("S", bound=SelectorSettings)


def check_frequencies(settings: SelectorSettings, rate_hz: float) -> None:
    """Refuse a target or harmonic that is not below half the rate."""
    kind = settings.kind
    for target in settings.targets:
        check_below_half_rate(kind, f"target {target.label!r}", target.freq_hz, rate_hz)
    highest = max(target.freq_hz for target in settings.targets)
    if settings.n_harmonics * highest >= rate_hz / 2:
        allowed = math.ceil(rate_hz / 2 / highest) - 1
        raise ConfigError(
            f"{kind}: harmonic {settings.n_harmonics} of {highest:g} Hz is "
            f"{settings.n_harmonics * highest:g} Hz, not below half the rate, {rate_hz / 2:g} Hz; "
            f"n_harmonics may be at most {allowed}",
            found=settings.n_harmonics,
            allowed=allowed,
        )


def check_window(
    settings: SelectorSettings, window_samples: int, rate_hz: float, n_channels: int
) -> None:
    """Refuse a window that is too short to tell a target by."""
    lowest = min(target.freq_hz for target in settings.targets)
    # A full period, and more samples than channels and references can fit between them.
    needed = max(math.ceil(rate_hz / lowest), n_channels + 2 * settings.n_harmonics + 2)
    if window_samples < needed:
        raise ConfigError(
            f"{settings.kind}: a window of {window_samples} samples ({settings.window_s:g} s) is "
            f"too short for {n_channels} channels, {settings.n_harmonics} harmonics and "
            f"{lowest:g} Hz; at {rate_hz:g} Hz it must have at least {needed} "
            f"({needed / rate_hz:.3g} s)",
            found=window_samples,
            allowed_from=needed,
        )


def softmax(logits: FloatArray) -> FloatArray:
    """Give the softmax over the last axis."""
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: FloatArray = odds / odds.sum(axis=-1, keepdims=True)
    return result


def filtered_windows(settings: SelectorSettings, epochs: FloatArray, rate_hz: float) -> FloatArray:
    """Give the sub-bands of each epoch's last window.

    Parameters
    ----------
    epochs : ndarray, shape (n_trials, n_channels, n_samples)
        What lies before the window settles the causal filters, which start in the steady state of
        the epoch's first sample.

    Returns
    -------
    ndarray, shape (n_trials, n_bands, n_channels, window_samples)
        NaN for an epoch in which a sample is missing.

    Raises
    ------
    DecodeError
        The epochs are shorter than a window.
    """
    n_trials, n_channels, n_samples = epochs.shape
    settings.check(rate_hz, n_channels)
    window_samples = settings.window_samples(rate_hz)
    if n_samples < window_samples:
        raise DecodeError(
            f"epochs of {n_samples} samples are shorter than the window of {window_samples}",
            found=n_samples,
            allowed_from=window_samples,
        )
    bank = settings.bank(rate_hz, n_channels)
    filtered = np.empty((settings.n_bands, n_channels, n_samples))
    windows = np.empty((n_trials, settings.n_bands, n_channels, window_samples))
    for epoch, window in zip(epochs, windows, strict=True):
        bank.reset()
        missing = bank.run(np.array(epoch, dtype=np.float64, order="C"), filtered)
        window[...] = filtered[..., -window_samples:] if missing is None else np.nan
    return windows


def check_targets(targets: npt.ArrayLike, n_trials: int, n_targets: int) -> IntArray:
    """Give ``targets`` as an array; raise `DecodeError` unless there is one for each trial."""
    wanted: IntArray = np.asarray(targets, dtype=np.int64)
    if wanted.shape != (n_trials,) or not ((wanted >= REST) & (wanted < n_targets)).all():
        raise DecodeError(
            f"{n_trials} epochs need as many targets, each 0 to {n_targets - 1} or {REST} for "
            f"rest; found {wanted.tolist()}",
        )
    return wanted


class EpochEstimator(Generic[S]):
    """Base of the decoders on epochs.

    Parameters
    ----------
    settings
        Those of the streaming decoder.
    rate_hz
        Sampling rate of the epochs.
    """

    def __init__(self, settings: S, rate_hz: float) -> None:
        self.settings = settings
        self.rate_hz = rate_hz

    @abstractmethod
    def window_scorer(self, n_channels: int) -> Callable[[FloatArray], FloatArray]:
        """Give what scores a window, (n_bands, n_channels, window_samples): (n_targets,)."""

    @abstractmethod
    def is_idle(self, scores: FloatArray, n_channels: int) -> npt.NDArray[np.bool_]:
        """Say of which trials' scores, (n_trials, n_targets), the decoder selects nothing."""

    def decision_function(self, epochs: FloatArray) -> FloatArray:
        """Give the scores, shape (n_trials, n_targets), of the last windows.

        Parameters
        ----------
        epochs : ndarray, shape (n_trials, n_channels, n_samples)
            NaN where a sample is missing, as the scores then are.
        """
        n_channels = epochs.shape[1]
        self.settings.check(self.rate_hz, n_channels)
        score = self.window_scorer(n_channels)
        windows = filtered_windows(self.settings, epochs, self.rate_hz)
        rows = [score(window) for window in windows]
        return np.array(rows).reshape(len(epochs), len(self.settings.targets))

    def predict(self, epochs: FloatArray, *, idle: bool = True) -> IntArray:
        """Give each trial's target, shape (n_trials,); `REST` where the decoder says idle.

        With ``idle=False`` the best target is given whatever its score.
        """
        scores = self.decision_function(epochs)
        best: IntArray = scores.argmax(axis=1).astype(np.int64)
        if idle:
            best[self.is_idle(scores, epochs.shape[1])] = REST
        return best

    def score(self, epochs: FloatArray, targets: npt.ArrayLike) -> float:
        """Give the share of trials whose best target is the right one."""
        wanted = check_targets(targets, len(epochs), len(self.settings.targets))
        return float((self.predict(epochs, idle=False) == wanted).mean())


class Verdict(NamedTuple):
    """What a window says.

    Attributes
    ----------
    scores : ndarray, shape (n_targets,)
        The largest is the best target.
    confidence
        Of the selection or, when ``idle`` is given, of that; 0 to 1.
    idle
        Why nothing is selected; None for a selection.
    """

    scores: FloatArray
    confidence: float
    idle: Literal["rest", "low_confidence"] | None = None


class SelectorDecoder(Decoder[S]):
    """Base of the decoders that score a window of filtered samples."""

    #: Calibration scores, for the stopping rule that asks for them.
    densities: Densities | None = None

    def prepare(self, spec: SignalSpec) -> None:
        settings = self.settings
        rate_hz = regular_rate(spec, settings.kind)
        lengths_s = settings.looks_s()
        settings.at(lengths_s[0]).check(rate_hz, spec.n_channels)
        settings.check(rate_hz, spec.n_channels)
        self._n_channels = spec.n_channels
        self.make_ready(rate_hz, spec.n_channels)
        # Who judges each look: one like this decoder for a shorter window, and itself.
        self._judges: list[SelectorDecoder[S]] = []
        for length_s in lengths_s[:-1]:
            judge = self._for_look(length_s)
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
        if self.settings.trigger == "markers":
            return None
        return max(1, round(self.settings.step_s * rate_hz))

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
