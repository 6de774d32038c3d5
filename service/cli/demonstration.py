"""The demonstration: a recorded person's EEG through the whole service, live, and the score.

Real processes throughout: the service, the simulated headset that plays a packaged recording over
LSL, the session's worker, and this one as the client. The decoder never sees what the person was
asked to look at; only the scorer does, which listens to the markers of the headset on its own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from volition.chunk import Event
from volition.decoders.contract.intent import IdleIntent, Intent, SelectionIntent
from volition.decoders.fitting.metrics import accuracy_interval, itr_bits_per_min
from volition.decoders.ssvep.methods.fbcca import FbccaSettings
from volition.errors import SessionError
from volition.service.client import Client
from volition.service.gateway.launch import running_service
from volition.service.sessions.config import SessionConfig, load_config
from volition.service.wire.messages import GapMessage
from volition.streams import lsl
from volition.streams.files.recording import packaged_recordings
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.discovery import find_one
from volition.streams.lsl.inlet import MarkerInlet
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess

PRESET = "fbcca-exo"
RECORDING = "ssvep-exo-s12"
_SOURCE_ID = "volition-demo"
_START_S = 30.0
#: What a trial without a target shows, and the decision that is right for it.
REST, IDLE = "rest", "idle"
#: Seconds that the gaze moves before each selection; part of the information transfer rate.
GAZE_SHIFT_S = 0.5


@dataclass
class Trial:
    """One decision beside what the person was asked to look at."""

    number: int
    looked_at: str
    decoded: str
    confidence: float
    decision_s: float
    latency_s: float

    @property
    def rest(self) -> bool:
        return self.looked_at == REST

    @property
    def right(self) -> bool:
        return self.decoded == (IDLE if self.rest else self.looked_at)


@dataclass
class Score:
    """What came of the demonstration."""

    chance: float
    trials: list[Trial] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    intents: int = 0
    lost: int = 0

    @property
    def as_it_should_be(self) -> bool:
        """Nothing was lost, and chance is no explanation (the 95 % interval lies above it)."""
        n, right = len(self.flicker), sum(trial.right for trial in self.flicker)
        low, _ = accuracy_interval(right, n)
        return self.lost == 0 and (low > self.chance or right == n)

    @property
    def flicker(self) -> list[Trial]:
        """The trials in which there was a target to look at."""
        return [trial for trial in self.trials if not trial.rest]

    def summary(self) -> dict[str, Any]:
        """Give the figures, as ``volition demo --json`` prints them."""
        n, right = len(self.flicker), sum(trial.right for trial in self.flicker)
        rest = [trial for trial in self.trials if trial.rest]
        accuracy = right / n if n else 0.0
        decision_s = float(np.mean([t.decision_s for t in self.flicker])) if n else 0.0
        n_targets = round(1 / self.chance)
        p50, p99 = np.percentile(self.latencies_s or [0.0], (50, 99)) * 1e3
        return {
            "trials": n,
            "right": right,
            "accuracy": round(accuracy, 4),
            "interval": [round(bound, 4) for bound in accuracy_interval(right, n)],
            "chance": round(self.chance, 4),
            "itr_bits_per_min": round(
                itr_bits_per_min(n_targets, accuracy, decision_s, gaze_shift_s=GAZE_SHIFT_S), 2
            ),
            "rest": {"trials": len(rest), "idle": sum(trial.right for trial in rest)},
            "latency_ms": {
                "p50": round(float(p50), 3),
                "p99": round(float(p99), 3),
                "max": round(max(self.latencies_s, default=0.0) * 1e3, 3),
            },
            "intents": self.intents,
            "lost": self.lost,
        }


class Scorer:
    """Puts intents beside the cues they answer.

    Parameters
    ----------
    config
        Names the targets and their frequencies.
    """

    def __init__(self, config: SessionConfig) -> None:
        decoder = config.decoder
        assert isinstance(decoder, FbccaSettings)
        self._labels = {target.freq_hz: target.label for target in decoder.targets}
        self._cues: list[Event] = []
        self._last_seq = 0
        self.score = Score(chance=1 / len(decoder.targets))

    def cue(self, event: Event) -> str:
        """Note a cue; give what the person was asked to look at."""
        self._cues.append(event)
        return self._labels.get(event.data.get("freq_hz", 0), REST)

    def intent(self, intent: Intent, t_received: float) -> Trial | None:
        """Note an intent; give the trial when it answers one."""
        score = self.score
        score.intents += 1
        score.lost += intent.seq - self._last_seq - 1
        self._last_seq = intent.seq
        latency_s = t_received - intent.t_sample
        score.latencies_s.append(latency_s)
        cue = self._cue_of(intent)
        if cue is None:
            return None
        trial = Trial(
            number=len(score.trials) + 1,
            looked_at=self._labels.get(cue.data.get("freq_hz", 0), REST),
            decoded=intent.label if isinstance(intent, SelectionIntent) else IDLE,
            confidence=intent.confidence
            if isinstance(intent, SelectionIntent | IdleIntent)
            else 0.0,
            decision_s=intent.t_sample - cue.time,
            latency_s=latency_s,
        )
        score.trials.append(trial)
        return trial

    def _cue_of(self, intent: Intent) -> Event | None:
        if intent.t_trigger is None:
            return None
        # The two inlets measure the clock offset each on its own: equal to far below this.
        near = [cue for cue in self._cues if abs(cue.time - intent.t_trigger) < 0.05]
        return near[0] if near else None


def run_demo(
    n_trials: int,
    *,
    recording: str = RECORDING,
    on_cue: Callable[[str], None] = lambda _: None,
    on_trial: Callable[[Trial], None] = lambda _: None,
    on_say: Callable[[str], None] = lambda _: None,
    on_session: Callable[[str], None] = lambda _: None,
) -> Score:
    """Run the demonstration; blocks for about eight seconds a trial.

    Parameters
    ----------
    n_trials
        Flicker trials to play.
    recording
        Name of a packaged recording.
    on_cue, on_trial, on_say
        Told what the person is asked to look at, each decision, and what goes on.
    on_session
        Told the address of the console that shows the session.

    Raises
    ------
    SessionError
        The session did not get to run, or fewer decisions came than trials were played.
    """
    options = HeadsetOptions(
        packaged_recordings()[recording],
        source_id=_SOURCE_ID,
        start_trial=0,
        trials=n_trials,
        skip_rest=True,
        consumer_timeout_s=_START_S,
    )
    data = load_config(PRESET).model_dump(mode="json", by_alias=True)
    data["name"] = "demo"
    data["stream"] = {**data["stream"], "source_id": _SOURCE_ID}
    data["markers"] = {"type": "Markers", "source_id": f"{_SOURCE_ID}-markers"}
    config = SessionConfig.model_validate(data)
    scorer = Scorer(config)
    with contextlib.ExitStack() as stack:
        stack.enter_context(lsl.own_network())
        on_say("starting the service, the headset and a session")
        url = stack.enter_context(running_service()).url
        stack.enter_context(HeadsetProcess(options))
        client = stack.enter_context(Client(url))
        session = client.create_session(config)
        stack.callback(client.delete, session.id)
        on_session(f"{url}/#{session.id}")
        markers = MarkerInlet(
            find_one(name=None, type="Markers", source_id=f"{_SOURCE_ID}-markers", wait_s=_START_S)
        )
        stack.callback(markers.close)
        markers.open(_START_S)
        messages = stack.enter_context(client.subscribe(session.id, after=0))
        stop = threading.Event()
        listener = threading.Thread(target=_listen, args=(markers, scorer, on_cue, stop))
        listener.start()
        stack.callback(listener.join)
        stack.callback(stop.set)
        _follow(messages, scorer, n_trials, on_trial)
    return scorer.score


def _listen(
    markers: MarkerInlet, scorer: Scorer, on_cue: Callable[[str], None], stop: threading.Event
) -> None:
    while not stop.wait(0.02):
        for event in markers.pull():
            if event.name == "trial_start":
                on_cue(scorer.cue(event))


def _follow(
    messages: Iterator[Any], scorer: Scorer, n_trials: int, on_trial: Callable[[Trial], None]
) -> None:
    for message in messages:
        if message.type == "intent":
            trial = scorer.intent(message, local_clock())
            if trial is not None:
                on_trial(trial)
            if len(scorer.score.flicker) == n_trials:
                return
        elif isinstance(message, GapMessage):
            scorer.score.lost += message.last - message.first + 1
        elif message.type == "status" and message.state in ("failed", "stopped", "degraded"):
            break
    raise SessionError(
        f"the session ended after {len(scorer.score.flicker)} of {n_trials} decisions"
    )
