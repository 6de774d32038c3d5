"""What one fault needs: a service, feeders and witnesses, and the rules that must hold.

A `Scene` belongs to one row of the table. It notes what was measured, and raises `BrokenError` with
a sentence where a rule does not hold: visible within `VISIBLE_S`, back within `RECOVERED_S` after
the fault ended, nothing acted on that is older than its time to live, no sample unaccounted for.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import psutil

from volition.benchmarks.faults.injection.feeder import FedStream, Feeder
from volition.benchmarks.faults.injection.witness import BrokenError, Received, Witness
from volition.decoders.contract.intent import IdleIntent, IntentBase
from volition.errors import VolitionError
from volition.service.client import Client
from volition.service.gateway.launch import RunningService, running_service
from volition.service.wire.messages import Status
from volition.streams.lsl.clock import local_clock

VISIBLE_S = 1.0
RECOVERED_S = 2.0
WINDOW_S = 0.6
"""A decision after a reset needs a whole window first."""
_START_S = 30.0
_POLL_S = 0.02
_QUIET_S = 0.2
_MOST_TOLD = 8
_CLOCK_S = 0.002  # between a receipt and the note of it

T = TypeVar("T")

DECODER: dict[str, Any] = {
    "kind": "fbcca",
    "targets": [{"label": "other", "freq_hz": 9.0}, {"label": "looked at", "freq_hz": 12.0}],
    "trigger": "sliding",
    "window_s": WINDOW_S,
    "step_s": 0.1,
    "n_harmonics": 2,
    "n_subbands": 2,
}
STAGES: list[dict[str, Any]] = [{"kind": "bandpass", "low_hz": 5, "high_hz": 45}]


@dataclass
class Figures:
    """What was measured in a row; None where it does not apply."""

    visible_s: float | None = None
    recovered_s: float | None = None
    lost: int | None = None
    lost_counted: int | None = None
    stale_acts: int | None = None
    acts: int | None = None
    notes: list[str] = field(default_factory=list)


class Scene:
    """What one fault needs.

    Parameters
    ----------
    service
        The service that all rows share.
    stack
        Ends with the row.
    folder
        For files of this row.
    """

    def __init__(self, service: RunningService, stack: contextlib.ExitStack, folder: Path) -> None:
        self.folder = folder
        self.figures = Figures()
        self._witnesses: list[Witness] = []
        self._unheard: dict[Feeder, int] = {}
        self._stack = stack
        self._connect(service)

    def _connect(self, service: RunningService) -> None:
        self.service = service
        self.client = self._stack.enter_context(Client(service.url))
        self._http = self._stack.enter_context(
            httpx.Client(base_url=service.url, trust_env=False, timeout=60)
        )

    # -- making ---------------------------------------------------------------------------------

    def feeder(self, **options: Any) -> Feeder:
        """Start a feeder; return when its outlet stands."""
        stream = FedStream(options.pop("source_id", f"feeder-{uuid4().hex}"), **options)
        return self.started(Feeder(stream))

    def started(self, feeder: Feeder) -> Feeder:
        """Have a feeder end with the row; return when its outlet stands."""
        self._stack.enter_context(feeder)
        feeder.answer()
        return feeder

    def session(self, feeder: Feeder, **changes: Any) -> Witness:
        """Make a session on a feeder and listen to it; return when it decides."""
        witness = self.open(feeder.stream.source_id, **changes)
        witness.wait_for_order(timeout_s=_START_S)
        self._note_unheard(feeder, witness)
        return witness

    def open(self, source_id: str, **changes: Any) -> Witness:
        """Make a session and listen to it."""
        stream = {"source_id": source_id, "channels": ["1", "2", "3", "4"]}
        config = {"stages": STAGES, "decoder": DECODER, "selections": "every", **changes}
        config["stream"] = {**stream, **changes.get("stream", {})}
        return self.listen(self.client, self.client.create_session(config).id)

    def listen(self, client: Client, session: str) -> Witness:
        """Listen to a session, which is deleted when the row ends."""
        witness = self._stack.enter_context(Witness(client, session))
        self._witnesses.append(witness)

        def forget() -> None:
            with contextlib.suppress(VolitionError):  # a service that has ended has forgotten it
                client.delete(session)

        self._stack.callback(forget)
        return witness

    def own_service(
        self,
        *arguments: str,
        env: dict[str, str] | None = None,
        started_by: Sequence[str] = (),
    ) -> RunningService:
        """Start a service that is this row's alone; what is made from now on is made there."""
        log = self._stack.enter_context((self.folder / "service.log").open("w"))
        running = running_service(*arguments, env=env, stderr=log, started_by=started_by)
        self._connect(self._stack.enter_context(running))
        return self.service

    def enter(self, context: contextlib.AbstractContextManager[T]) -> T:
        """Have something end with the row."""
        return self._stack.enter_context(context)

    # -- looking --------------------------------------------------------------------------------

    def state(self, witness: Witness) -> dict[str, Any]:
        """Ask for the session's state, as it is on the wire."""
        response = self._http.get(f"/v1/sessions/{witness.session}/state")
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def worker(self, witness: Witness) -> psutil.Process:
        """Give the session's worker."""
        pid = self.client.session(witness.session).worker_pid
        require(pid is not None, "the session has no worker")
        return psutil.Process(pid)

    def continuity(self, witness: Witness) -> dict[str, Any]:
        """Give the counts of what came and what is missing."""
        counts: dict[str, Any] | None = self.state(witness).get("continuity")
        if counts is None:
            raise BrokenError("the state says nothing of what is missing")
        return counts

    def settled(self, witness: Witness, feeder: Feeder, report: dict[str, Any]) -> dict[str, Any]:
        """Wait until as many samples were counted as a paused feeder has sent; give the counts."""
        expected = report["sent"] - self._unheard.get(feeder, 0)
        return wait_until(
            lambda: (c := self.continuity(witness))["samples"] >= expected and c,
            lambda: f"{expected} samples were sent, {self.continuity(witness)['samples']} counted",
            timeout_s=5.0,
        )

    def _note_unheard(self, feeder: Feeder, witness: Witness) -> None:
        """Note what a feeder sent to an inlet that was given up before the session's own opened."""
        if not any("did not" in reason for reason in witness.reasons()):
            return
        sent = feeder.tell("pause")["sent"]
        counted = -1
        while counted != (counted := self.continuity(witness)["samples"]):
            time.sleep(_QUIET_S)
        self._unheard[feeder] = sent - counted
        feeder.tell("play")

    # -- judging --------------------------------------------------------------------------------

    def saw(self, received: Received, since: float) -> None:
        """Note when a fault was told of by a message."""
        self.saw_at(received.t, since)

    def saw_at(self, t: float, since: float) -> None:
        """Note when a fault was told of, LSL time."""
        self.figures.visible_s = round(max(0.0, t - since), 3)
        require(
            self.figures.visible_s <= VISIBLE_S,
            f"it was told of after {self.figures.visible_s:g} s",
        )

    def saw_count(
        self, witness: Witness, name: str, at_least: int, since: float, timeout_s: float = 5.0
    ) -> None:
        """Wait until a count of the state shows a fault, and note when."""
        wait_until(
            lambda: self.continuity(witness)[name] >= at_least,
            lambda: f"{name} is {self.continuity(witness)[name]}, not {at_least}",
            timeout_s=timeout_s,
        )
        self.saw_at(local_clock(), since)

    def recovered(
        self, witness: Witness, since: float, *, after: int, within_s: float = RECOVERED_S
    ) -> None:
        """Wait for an order that rests on samples from behind ``since``, and note when."""

        def wanted(message: Any) -> bool:
            return _is_order(message) and message.t_sample > since

        received = witness.wait(wanted, "an intent after it", after=after, timeout_s=15.0)
        self.took(received, since, within_s)

    def took(self, received: Received, since: float, within_s: float = RECOVERED_S) -> None:
        """Note when a session was back, by a message."""
        self.took_until(received.t, since, within_s)

    def took_until(self, t: float, since: float, within_s: float = RECOVERED_S) -> None:
        """Note when a session was back, LSL time."""
        self.figures.recovered_s = round(max(0.0, t - since), 3)
        require(
            self.figures.recovered_s <= within_s,
            f"it was back after {self.figures.recovered_s:g} s",
        )

    def lost(self, expected: int, counted: int) -> None:
        """Note how many samples were lost and how many were said to be."""
        self.figures.lost, self.figures.lost_counted = expected, counted
        require(counted == expected, f"{expected} samples were lost, {counted} are counted")

    def judge(
        self,
        witness: Witness,
        feeder: Feeder,
        *,
        shifts_s: Sequence[float] = (0.0,),
        grid: float = 1.0,
    ) -> None:
        """Hold every intent to what was sent, and every act to its time to live.

        Parameters
        ----------
        witness, feeder
            Who listened, and a feeder of the stream, the last if there were several.
        shifts_s
            By how much the stamps were off, at one time or another.
        grid
            Intents lie on multiples of this many samples' intervals; 0 where the stamps that they
            have are not those that were sent.
        """
        require(not witness.not_understood, f"not understood: {witness.not_understood}")
        intents = witness.intents()  # before the report: samples are sent meanwhile
        report = feeder.tell("report")
        rate_hz = feeder.stream.true_rate_hz or feeder.stream.rate_hz
        # A packet whose samples all have the stamp of its last reaches ahead of itself.
        ahead = 1 if grid else feeder.stream.chunk_samples

        def true_time(stamp: float, t: float) -> float:
            return min((stamp - s for s in shifts_s), key=lambda moment: abs(t - moment))

        for t, intent in intents:
            assert isinstance(intent, IntentBase)
            if isinstance(intent, IdleIntent) and intent.reason == "held":
                continue
            number = (true_time(intent.t_sample, t) - report["t0"]) * rate_hz
            on_grid = not grid or abs(number / grid - round(number / grid)) < 0.02
            require(
                on_grid and -1 <= number <= report["next"] + ahead,
                f"intent {intent.seq} rests on sample {number:.3f}, which was never sent",
            )
        acts = list(witness.acts())
        stale = [
            act
            for act in acts
            if act.until - true_time(act.intent.t_sample, act.since)
            > act.intent.expires_s + _CLOCK_S
        ]
        self.figures.acts = (self.figures.acts or 0) + len(acts)
        self.figures.stale_acts = (self.figures.stale_acts or 0) + len(stale)
        require(not stale, f"{len(stale)} intents were acted on past their time to live")
        require_gapless(witness)

    def story(self) -> str:
        """Tell what the sessions said of themselves, for whoever looks into a broken row."""
        told = [
            f"{r.message.state} ({r.message.reason})"
            for witness in self._witnesses
            for r in witness.received
            if isinstance(r.message, Status)
        ]
        return " > ".join(told[-_MOST_TOLD:])

    def note(self, text: str) -> None:
        """Keep a sentence for the table."""
        self.figures.notes.append(text)


def require(holds: bool, otherwise: str) -> None:
    """Raise `BrokenError` unless it holds."""
    if not holds:
        raise BrokenError(otherwise)


def require_gapless(witness: Witness) -> None:
    """Raise unless the intents are numbered without a gap or a repeat, or the gap was told."""
    numbers = [r.message.seq for r in witness.intents() if isinstance(r.message, IntentBase)]
    missing = sum(b - a - 1 for a, b in itertools.pairwise(numbers))
    in_order = all(b > a for a, b in itertools.pairwise(numbers))
    require(in_order, "the numbers of the intents do not rise")
    told = witness.gaps()
    require(missing <= told, f"{missing} intents are missing, {told} were told of")


def wait_until(
    look: Callable[[], T | bool | None], otherwise: Callable[[], str], *, timeout_s: float
) -> T:
    """Look again and again until there is something; raise `BrokenError` when there never is."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found  # type: ignore[return-value]  # what is true is what was looked for
        if time.monotonic() > deadline:
            raise BrokenError(otherwise())
        time.sleep(_POLL_S)


def _is_order(message: Any) -> bool:
    return isinstance(message, IntentBase) and not isinstance(message, IdleIntent)
