"""What a worker counts and times, for its heartbeats and for whoever asks for its state."""

from __future__ import annotations

from collections import Counter
from typing import Any

from volition.chunk import Chunk
from volition.decoders.contract.intent import IdleIntent, Intent
from volition.decoders.contract.settings import Settings
from volition.service.sessions.timing import StepTimes


def step_of(decoder: Settings) -> float | None:
    """Give the seconds from one decision to the next; None where markers ask for them."""
    if getattr(decoder, "trigger", None) == "markers":
        return None
    step_s: float | None = getattr(decoder, "step_s", None)
    return step_s


class Counts:
    """Counts of one generation of a worker.

    Parameters
    ----------
    t_newest_before
        Time stamp of the newest sample that the generation before told of, if there was one.
    lost_with_workers
        Samples lost between the generations so far.
    """

    def __init__(self, t_newest_before: float | None, lost_with_workers: int) -> None:
        self._t_newest_before = t_newest_before
        self.lost_with_workers = lost_with_workers
        self.samples = self.chunks = self.intents = 0
        #: Intents by kind and reason; only idle ones have a reason.
        self.intents_by: Counter[tuple[str, str]] = Counter()
        self.reconnects = self.dropped_samples = 0
        #: Time stamp of the newest sample; None before the first.
        self.t_newest: float | None = None
        #: LSL time when samples last came.
        self.t_last_sample: float | None = None
        #: From one decision to the next, where they come by themselves.
        self.step_s: float | None = None
        self._n_slow, self._slowest_s = 0, 0.0
        self.steps = {name: StepTimes() for name in ("lsl", "stages", "decoder", "encode")}

    def lost_before(self, chunk: Chunk, rate_hz: float) -> int | None:
        """Count the samples lost between the generation before and this one's first chunk.

        None when this is not the first chunk, or there was no generation before. Heartbeats told
        of that one's samples, so the last of them may have been decoded all the same: this is the
        most that may be lost.
        """
        if self.samples or self._t_newest_before is None:
            return None
        missing_s = float(chunk.times[0]) - self._t_newest_before
        lost = max(0, round(missing_s * rate_hz) - 1)
        self.lost_with_workers += lost
        return lost

    def add_chunk(self, n_samples: int, t_newest: float) -> None:
        """Count a chunk that was decoded."""
        self.samples += n_samples
        self.chunks += 1
        self.t_newest = t_newest

    def add_intents(self, intents: list[Intent]) -> None:
        """Count intents that were published."""
        self.intents += len(intents)
        for intent in intents:
            reason = intent.reason if isinstance(intent, IdleIntent) else ""
            self.intents_by[intent.kind, reason] += 1

    def add_steps(
        self, *, t_newest: float, t_pulled: float, t_cleaned: float, t_decoded: float
    ) -> None:
        """Count how long a chunk took from its newest sample to its decision."""
        steps = self.steps
        steps["lsl"].add(t_pulled - t_newest)
        steps["stages"].add(t_cleaned - t_pulled)
        steps["decoder"].add(t_decoded - t_cleaned)

    def note_decision(self, took_s: float) -> None:
        """Count a decision that took longer than there is from one to the next."""
        if self.step_s is not None and took_s > self.step_s:
            self._n_slow += 1
            self._slowest_s = max(self._slowest_s, took_s)

    def report(self) -> dict[str, Any]:
        """Give what every heartbeat tells."""
        return {
            "samples": self.samples,
            "dropped_samples": self.dropped_samples,
            "lost_with_workers": self.lost_with_workers,
            "t_newest": self.t_newest or self._t_newest_before,
            "chunks": self.chunks,
            "intents": self.intents,
            "intents_by": [[*key, n] for key, n in self.intents_by.items()],
            "reconnects": self.reconnects,
            "slow_decisions": {"n": self._n_slow, "slowest_s": self._slowest_s},
            "steps": {name: step.report() for name, step in self.steps.items()},
        }

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Give percentiles of each step, milliseconds."""
        return {name: step.percentiles_ms() for name, step in self.steps.items()}
