"""Outputs that raise, stall and are stopped: the loop never waits for one and never ends by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pytest

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent, to_json
from volition.service.sessions.outputs import Output, OutputContext, OutputSettings
from volition.service.worker import output_channels
from volition.service.worker.output_channels import MOST_WAITING, OutputChannels


class ProbeSettings(OutputSettings):
    kind: Literal["probe"] = "probe"
    direct: bool = False
    signal: bool = False
    fails_in: str = ""


class Probe(Output[ProbeSettings]):
    """Keeps what it was given; stalls while `may_go` is cleared."""

    settings_model = ProbeSettings

    def __init__(self, settings: ProbeSettings) -> None:
        super().__init__(settings)
        self.is_direct = settings.direct  # type: ignore[misc]  # both ways are tried with one class
        self.wants_signal = settings.signal  # type: ignore[misc]  # as above
        self.taken: list[Any] = []
        self.threads: set[int] = set()
        self.has_begun = threading.Event()
        self.may_go = threading.Event()
        self.may_go.set()
        self._do("init")

    def _do(self, name: str, what: Any = None) -> None:
        if self.settings.fails_in == name:
            raise OSError(f"no {name}")
        self.taken.append((name, what))

    def open(self, context: OutputContext) -> None:
        self._do("open", context.session)

    def intent(self, encoded: bytes, intent: Intent) -> None:
        self.threads.add(threading.get_ident())
        self.has_begun.set()
        self.may_go.wait(20)
        self._do("intent", intent.seq)

    def signal(self, chunk: Chunk) -> None:
        self._do("signal", len(chunk))

    def event(self, event: Event) -> None:
        self._do("event", event.name)

    def status(self, status: Mapping[str, Any], t: float) -> None:
        self._do("status", dict(status))

    def state(self) -> dict[str, Any]:
        self._do("state")
        return {"socket": object()} if self.settings.fails_in == "json" else {"taken": True}

    def close(self, timeout_s: float) -> None:
        self.taken.append(("close", None))

    def intents(self) -> list[int]:
        return [what for name, what in self.taken if name == "intent"]


class Session:
    """The channels of a session, and the probes at their ends."""

    def __init__(self) -> None:
        self.channels = OutputChannels()
        self.probes: list[Probe] = []
        self.is_held = False
        self._seq = 0

    def open(self, **settings: Any) -> Probe:
        context = OutputContext("s-1", 1, SignalSpec(250.0, ("a",)), {}, dict, lambda: self.is_held)
        self.channels.open([ProbeSettings(**settings)], context)
        return self.probes[-1]

    def send(self, n: int = 1) -> None:
        for _ in range(n):
            self._seq += 1
            intent = SelectionIntent(
                target=0, label="a", confidence=1, evidence={}, seq=self._seq, t_sample=0.0
            )
            self.channels.intent(to_json(intent), intent)

    def report(self) -> dict[str, Any]:
        (report,) = self.channels.report()
        return report

    def await_report(self, done: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while not done(report := self.report()):
            assert time.monotonic() < deadline, report
            time.sleep(0.005)
        return report


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    made = Session()

    def build(settings: Any) -> Probe:
        probe = Probe.__new__(Probe)
        made.probes.append(probe)
        Probe.__init__(probe, settings)
        return probe

    monkeypatch.setattr(output_channels, "build_output", build)
    yield made
    for probe in made.probes:
        probe.may_go.set()
    made.channels.close(5.0)


@pytest.mark.parametrize("direct", [True, False])
def test_an_output_is_given_everything_in_the_order_in_which_it_happened(
    session: Session, direct: bool
) -> None:
    probe = session.open(direct=direct, signal=True)
    session.send()
    session.channels.signal(Chunk(np.zeros((3, 1)), np.zeros(3)))
    session.channels.events([Event(1.0, "cue")])
    session.channels.status({"state": "running"}, 1.0)
    session.channels.close(5.0)
    assert [one for one in probe.taken if one[0] not in ("init", "state")] == [
        ("open", "s-1"),
        ("intent", 1),
        ("signal", 3),
        ("event", "cue"),
        ("status", {"state": "running"}),
        ("close", None),
    ]
    assert (session.report()["intents"], session.report()["dropped"]) == (1, 0)


def test_the_signal_goes_only_to_an_output_that_wants_it(session: Session) -> None:
    probe = session.open(direct=True)
    assert not session.channels.want_signal
    session.channels.signal(Chunk(np.zeros((3, 1)), np.zeros(3)))
    assert "signal" not in dict(probe.taken)


def test_only_an_output_that_is_direct_runs_on_the_loops_thread(session: Session) -> None:
    direct = session.open(direct=True)
    session.send()
    queued = session.open()
    session.send()
    session.await_report(lambda report: report["intents"])
    assert direct.threads == {threading.get_ident()}
    assert threading.get_ident() not in queued.threads


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("method", ["init", "open", "intent", "state", "json"])
def test_an_output_that_raises_is_closed_and_told_of_and_ends_nothing_else(
    session: Session, direct: bool, method: str
) -> None:
    session.open(direct=direct, fails_in=method)
    session.send()
    report = session.await_report(lambda report: report["state"] == "failed")
    assert report["error"].startswith("output probe failed and is closed: ")
    assert session.channels.troubles() == [report["error"]]
    assert report["error"] in str(session.channels.tend())
    session.send(3)
    assert session.report()["intents"] == 0
    probe = session.probes[-1]
    session.await_report(lambda _: method == "init" or probe.taken[-1] == ("close", None))


def test_a_stalled_output_holds_nobody_up_and_loses_the_oldest_of_what_waits(
    session: Session,
) -> None:
    probe = session.open()
    probe.may_go.clear()
    session.send()
    assert probe.has_begun.wait(20)
    slowest_s = 0.0
    for _ in range(MOST_WAITING + 50):
        start = time.thread_time()
        session.send()
        slowest_s = max(slowest_s, time.thread_time() - start)
    assert slowest_s < 0.05
    report = session.await_report(lambda report: report["state"] == "stalled")
    assert report["dropped"] == 50
    assert report["error"] == "output probe stalls; 50 messages dropped"
    probe.may_go.set()
    session.await_report(lambda report: report["intents"] == MOST_WAITING + 1)
    assert probe.intents() == [1, *range(52, MOST_WAITING + 52)]
    assert session.channels.troubles() == ["output probe is too slow; 50 messages dropped"]


def test_an_output_for_which_something_waits_is_told_of_before_anything_is_lost(
    session: Session,
) -> None:
    probe = session.open()
    session.await_report(lambda report: report["state"] == "open")
    probe.may_go.clear()
    session.send(2)
    report = session.await_report(lambda report: report["error"])
    assert report["error"] == "output probe does not keep up"
    assert (report["state"], report["dropped"]) == ("open", 0)
    assert session.channels.tend() == report["error"]
    probe.may_go.set()
    session.await_report(lambda report: report["intents"] == 2)
    assert session.report()["error"] == ""


def test_an_emergency_stop_takes_every_intent_back_that_waits_for_a_stalled_output(
    session: Session,
) -> None:
    probe = session.open(signal=True)
    probe.may_go.clear()
    session.send()
    assert probe.has_begun.wait(20)
    session.send(5)
    session.channels.status({"state": "degraded"}, 1.0)
    session.channels.signal(Chunk(np.zeros((3, 1)), np.zeros(3)))
    session.channels.withdraw_intents()
    held = IdleIntent(reason="held", seq=7, t_sample=0.0)
    session.channels.intent(to_json(held), held)
    probe.may_go.set()
    report = session.await_report(lambda report: report["intents"] == 2)
    # What it was in the middle of, and then only what says that all is held.
    assert probe.intents() == [1, 7]
    assert (report["withdrawn"], report["dropped"], report["error"]) == (5, 0, "")
    # The stop takes back no more than intents.
    assert {"status", "signal"} <= {name for name, _ in probe.taken}


@pytest.mark.parametrize("direct", [True, False])
def test_a_stop_is_not_obeyed_before_what_goes_on_moving_has_come_to_rest(
    session: Session, monkeypatch: pytest.MonkeyPatch, direct: bool
) -> None:
    probe = session.open(direct=direct)
    session.send()
    session.await_report(lambda report: report["intents"] == 1)
    monkeypatch.setattr(Probe, "is_at_rest", False)
    assert not session.channels.withdraw_intents()
    monkeypatch.setattr(Probe, "is_at_rest", property(lambda probe: probe.unheard_of))
    assert not session.channels.withdraw_intents()  # who cannot say is not known to rest
    monkeypatch.setattr(Probe, "is_at_rest", True)
    assert session.channels.withdraw_intents()
    assert probe.intents() == [1]


def test_trouble_is_told_when_it_comes_and_when_it_goes_and_not_with_every_number(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = session.open(direct=True)
    told = []
    for trouble in ("", "7 samples lost", "9 samples lost", "9 samples lost, disk full", ""):
        monkeypatch.setattr(probe, "trouble", lambda trouble=trouble: trouble)
        told.append(session.channels.tend())
    assert told == [
        None,
        "7 samples lost",
        None,
        "9 samples lost, disk full",
        "all outputs work again",
    ]


def test_the_end_waits_for_what_an_output_has_still_to_take_but_not_for_long(
    session: Session,
) -> None:
    probe = session.open()
    session.send(20)
    session.channels.close(5.0)
    assert probe.intents() == [*range(1, 21)]
    stalled = session.open()
    stalled.may_go.clear()
    session.send()
    start = time.monotonic()
    session.channels.close(0.2)
    assert time.monotonic() - start < 2.0
