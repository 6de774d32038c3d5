"""What the decoders of coded items share on a stream: attempts, their onsets, flashes and answers.

An onset marker begins an attempt to select. Flashes belong to the attempt that is open at their
time; each is read by the code book, and one that cannot be used (unknown, twice at once, after its
samples are gone, outside an attempt) is left out and told in `state`. An attempt is answered once:
by a selection as soon as the stopping rule allows, and at its end by a selection or idle.

Events and deadlines cut the signal where they lie in time, so that a signal cut into other chunks
meets them at the same samples.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np

from volition.chunk import Chunk, Event, FloatArray, SignalSpec
from volition.decoders.codes.attempt import Attempt
from volition.decoders.codes.markers import Flash, read_flash
from volition.decoders.codes.ring import MOST_AT_ONCE, SignalRing
from volition.decoders.codes.settings import CodedSettings
from volition.decoders.codes.stopping import Moments, attention, holds, posterior
from volition.decoders.codes.words.text import Text
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent
from volition.decoders.contract.stage import check_channels
from volition.decoders.contract.trials import TargetTrials
from volition.decoders.filtering import regular_rate
from volition.decoders.fitting.decoder import FittedDecoder

#: Signal before an onset in which the filters settle, in seconds.
SETTLING_S = 2.0
#: The same step sooner after itself than this is one flash that was marked twice.
TWICE_S = 0.03
_MOST_TOLD = 8

S = TypeVar("S", bound=CodedSettings)


class CodedDecoder(FittedDecoder[S]):
    """Base of the decoders of coded items; a subclass turns signal and flashes into evidence."""

    @classmethod
    def trials(cls, settings: S) -> TargetTrials:
        return settings.trials()

    #: Each frame of a display of 240 Hz is marked, and selections begin and end.
    most_events_per_s: ClassVar[int] = 300

    # -- what a subclass gives ---------------------------------------------------------------

    #: Signal that is needed after the last flash, seconds.
    tail_s: float = 0.0

    #: What is said of a flash that was marked too late.
    told_of_late: str = "a flash was marked after its samples were gone; left out"

    @abstractmethod
    def make_ready(self, rate_hz: float, n_channels: int) -> None:
        """Make what the evidence needs, by the model; set ``tail_s`` where it takes one."""

    @abstractmethod
    def begin(self, attempt: Attempt) -> None:
        """Take a new attempt; forget what was open for the one before."""

    @abstractmethod
    def flashed(self, attempt: Attempt, flash: Flash, first: int, time: float) -> bool:
        """Take a flash whose first sample is number ``first``; False where that is kept no more."""

    @abstractmethod
    def next_due(self) -> int | None:
        """Give how many samples must have been seen before `advance` has something to do."""

    @abstractmethod
    def advance(self, attempt: Attempt) -> bool:
        """Add what the samples so far say to the evidence; give whether anything was added."""

    @abstractmethod
    def moments(self, attempt: Attempt) -> Moments | None:
        """Give what the evidence is like at this moment, for the rule ``bayes``."""

    def learn_from(self, attempt: Attempt, item: int, probability: float) -> None:
        """Go on learning from a selection that was made; most do not."""

    # -- the contract of decoders -------------------------------------------------------------

    def prepare(self, spec: SignalSpec) -> None:
        settings = self.settings
        rate_hz = regular_rate(spec, settings.kind)
        settings.check(rate_hz, spec.n_channels)
        self._n_channels, self.rate_hz = spec.n_channels, rate_hz
        self.make_ready(rate_hz, spec.n_channels)
        self.ring = SignalRing(
            (settings.low_hz, settings.high_hz),
            settings.band_order,
            rate_hz,
            spec.n_channels,
            settings.kept_s() + self.tail_s,
        )
        self._labels = settings.items
        self._text = Text(settings.words, self._labels)
        self._forget()

    def reset(self) -> None:
        self.ring.reset()
        self._forget()

    def _forget(self) -> None:
        self._attempt: Attempt | None = None
        self._waiting: list[Event] = []
        self._newest_onset = -np.inf
        self._is_answered = False  # and what still flashes is left alone, until the end
        self._counts: Counter[str] = Counter()
        self._told: list[str] = []
        self._last: SelectionIntent | IdleIntent | None = None
        self._text.clear()

    @property
    def memory_s(self) -> float:
        return self.settings.max_s + self.tail_s + SETTLING_S

    def decode(self, chunk: Chunk, events: Sequence[Event]) -> list[Intent]:
        check_channels(chunk, self._n_channels, self.settings.kind)
        if events:
            self._waiting = sorted([*self._waiting, *events], key=lambda event: event.time)
        intents: list[Intent] = []
        at, n_samples = 0, len(chunk)
        while at < n_samples:
            stop = n_samples
            if self._waiting:
                stop = max(at, int(np.searchsorted(chunk.times, self._waiting[0].time)))
            if stop > at:
                self._feed(chunk.samples[at:stop], chunk.times[at:stop], intents)
                at = stop
            if self._waiting and at < n_samples:
                self._meet(self._waiting.pop(0), intents)
        return intents

    def state(self) -> dict[str, Any]:
        attempt, last = self._attempt, self._last
        is_open = attempt is not None
        return {
            "open": is_open,
            "probabilities": self._by_label(posterior(attempt.log_prior, attempt.evidence))
            if attempt is not None
            else {},
            "attention": attention(attempt.log_prior, attempt.evidence) if attempt else None,
            "flashes": int(attempt.n_flashes.min()) if attempt is not None else 0,
            "selected": last.label if isinstance(last, SelectionIntent) else None,
            "evidence": {} if last is None else last.evidence,
            "t_sample": None if last is None else last.t_sample,
            "left_out": dict(self._counts),
            "told": list(self._told),
            **self._text.state(),
        }

    # -- on the way ---------------------------------------------------------------------------

    def _feed(self, samples: FloatArray, times: FloatArray, intents: list[Intent]) -> None:
        at, n_samples = 0, len(times)
        while at < n_samples:
            stop = min(n_samples, at + MOST_AT_ONCE)
            attempt = self._attempt
            if attempt is not None:
                due = self.next_due()
                if due is not None:
                    stop = min(stop, at + max(1, due - self.ring.n_taken))
                reached = int(np.searchsorted(times[at:], attempt.deadline)) + 1
                stop = min(stop, at + reached)
            self.ring.take(samples[at:stop], times[at:stop])
            at = stop
            if attempt is not None:
                self._go_on(attempt, intents)

    def _go_on(self, attempt: Attempt, intents: list[Intent]) -> None:
        is_over = self.ring.newest >= attempt.deadline
        if self.advance(attempt) and not is_over and self._may_select(attempt):
            self._answer(attempt, intents, sure=True)
        elif is_over:
            stopping = self.settings.stopping
            is_free = stopping is None or stopping.otherwise == "select"
            self._answer(attempt, intents, sure=is_free or self._may_select(attempt))

    def _may_select(self, attempt: Attempt) -> bool:
        settings = self.settings
        if settings.stopping is None or attempt.missing:
            return False
        if self.ring.newest < attempt.onset + settings.min_s:
            return False
        if int(attempt.n_flashes.min()) < settings.min_flashes:
            return False
        return holds(
            settings.stopping, attempt.log_prior, attempt.evidence, self.moments(attempt)
        ) and self._attends(attempt)

    def _attends(self, attempt: Attempt) -> bool:
        return attention(attempt.log_prior, attempt.evidence) >= self.settings.idle_log_odds

    def _answer(self, attempt: Attempt, intents: list[Intent], *, sure: bool) -> None:
        self._attempt, self._is_answered = None, True
        probabilities = posterior(attempt.log_prior, attempt.evidence)
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        t_sample = self.ring.newest
        evidence = self._by_label(attempt.log_prior + attempt.evidence)
        common: dict[str, Any] = {
            "t_sample": t_sample,
            "t_trigger": attempt.onset,
            "expires_s": self.settings.expires_s,
        }
        intent: SelectionIntent | IdleIntent
        reason: Literal["rest", "low_confidence", "missing_samples"] | None = None
        if attempt.missing or not np.isfinite(probabilities).all():
            reason, confidence, evidence = "missing_samples", 0.0, {}
        elif not self._attends(attempt):
            reason = "rest"
        elif not sure or not attempt.n_flashes.any():
            reason = "low_confidence"
        if reason is None:
            label = self._labels[best]
            intent = SelectionIntent(
                target=best, label=label, confidence=confidence, evidence=evidence, **common
            )
            self._text.select(label)
            self.learn_from(attempt, best, confidence)
        else:
            intent = IdleIntent(
                reason=reason, confidence=1.0 - confidence, evidence=evidence, **common
            )
        self._last = intent
        intents.append(intent)

    def _meet(self, event: Event, intents: list[Intent]) -> None:
        """Take an event whose time the samples have come to."""
        settings = self.settings
        if event.name in settings.onset_markers:
            self._begin(event, intents)
        elif event.name in settings.end_markers:
            self._is_answered = False
            if self._attempt is not None:
                attempt = self._attempt
                attempt.ends = min(attempt.ends, event.time)
                attempt.deadline = min(attempt.deadline, event.time + self.tail_s)
        elif self._text.read(event.name):
            return
        elif settings.step_hz is None:
            flash = read_flash(event.name, settings.book, settings.convention)
            if flash is not None:
                self._flash(event.time, flash)

    def _begin(self, event: Event, intents: list[Intent]) -> None:
        if event.time <= self._newest_onset:
            self._tell("two_onsets", f"two onsets at {event.time:.3f} s: the second is left out")
            return
        if self._attempt is not None:
            self._tell("cut_off", "an onset came before the attempt was over: it is answered now")
            self._answer(self._attempt, intents, sure=False)
        self._newest_onset = event.time
        first = self._first_at(event.time)
        if first is None:
            self._tell("late", "an onset came after its samples were gone, and is left out")
            return
        n_items = len(self._labels)
        attempt = Attempt(
            onset=event.time,
            first=first,
            log_prior=self._text.log_prior(),
            evidence=np.zeros(n_items),
            n_flashes=np.zeros(n_items, dtype=np.int64),
            deadline=event.time + self.settings.max_s + self.tail_s,
            ends=event.time + self.settings.max_s,
        )
        self._attempt = attempt
        self.begin(attempt)

    def _first_at(self, time: float) -> int | None:
        """Give the number of an event's first sample, which is the next one where it is on time."""
        return self.ring.n_taken if time > self.ring.newest else self.ring.first_at(time)

    def _flash(self, time: float, flash: Flash) -> None:
        attempt = self._attempt
        if flash.fault:
            self._tell("unknown", flash.fault)
        elif attempt is None and self._is_answered:
            return
        elif attempt is None or not attempt.onset <= time:
            self._tell("outside", "a flash outside an attempt is left out")
        elif time > attempt.ends or int(attempt.n_flashes.min()) >= self.settings.max_flashes:
            return
        elif flash.step is not None and self._is_twice(attempt, time, flash.step):
            self._tell("twice", f"step {flash.step} was marked twice at once; once it is left out")
        else:
            first = self._first_at(time)
            if first is None or not self.flashed(attempt, flash, first, time):
                self._tell("late", self.told_of_late)
                return
            attempt.last_flash = time
            if flash.step is not None:
                attempt.steps.append(flash.step)

    def _is_twice(self, attempt: Attempt, time: float, step: int) -> bool:
        return (
            bool(attempt.steps)
            and attempt.steps[-1] == step
            and abs(time - attempt.last_flash) < TWICE_S
        )

    def _tell(self, kind: str, sentence: str) -> None:
        self._counts[kind] += 1
        if sentence not in self._told:
            self._told = [*self._told, sentence][-_MOST_TOLD:]

    def _by_label(self, values: FloatArray) -> dict[str, float]:
        return dict(zip(self._labels, values.tolist(), strict=True))
