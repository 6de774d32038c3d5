"""What a calibration costs the session that it is for: samples lost, and how late its intents are.

A simulated participant looks at flickers that markers announce, through LSL; a session decides
every twentieth of a second, and a client takes the time of every intent. When all trials are over
the same signal is fitted several times, and the last of the models takes over. An intent's latency
is from the stamp of its newest sample to its receipt by the client, each on this host's clock.
"""

from __future__ import annotations

import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from volition.benchmarks.speed.latency import spread
from volition.chunk import Event
from volition.decoders.contract.intent import IdleIntent, SelectionIntent
from volition.errors import SessionError
from volition.service.client import Client
from volition.service.gateway.launch import running_service
from volition.service.wire.calibrations import CalibrationView
from volition.service.wire.messages import Status
from volition.streams.lsl.clock import local_clock
from volition.streams.lsl.outlet import MarkerOutlet
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess
from volition.streams.simulated.ssvep_participant import Flicker, SsvepParticipant

FLICKERS = tuple(Flicker(hz, 1.1 * n) for n, hz in enumerate((9.0, 10.4, 11.8, 13.2)))
TARGETS = [{"label": f"{one.freq_hz:g} Hz", "freq_hz": one.freq_hz} for one in FLICKERS]
STEP_S = 0.05
CUE_S, TRIAL_S, PAUSE_S = 0.2, 1.2, 0.3
#: A fit that takes longer than this is given up.
MOST_S = 900.0


@dataclass
class _Heard:
    """Every intent's receipt and latency, as a client in a thread of its own has them."""

    received: list[tuple[float, float]] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    ready: threading.Event = field(default_factory=threading.Event)

    def listen(self, url: str, session: str) -> None:
        with Client(url) as client, client.subscribe(session, after=0) as messages:
            for message in messages:
                if isinstance(message, Status) and message.state == "running":
                    self.ready.set()
                elif isinstance(message, Status) and message.state == "stopped":
                    return
                elif isinstance(message, IdleIntent | SelectionIntent):
                    now = local_clock()
                    self.received.append((now, now - message.t_sample))
                    self.seqs.append(message.seq)

    def between(self, since: float, until: float) -> dict[str, Any]:
        """Sum up those received between two times."""
        late = [1e3 * took for at, took in self.received if since <= at < until]
        return {"seconds": until - since, **spread(np.array(late))}


def during_fit(
    decoder: Mapping[str, Any] | None = None,
    *,
    blocks: int = 5,
    fits: int = 5,
    options: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Measure; ``before``, ``during`` and ``after`` hold the latencies, ``lost`` the samples.

    Parameters
    ----------
    decoder
        Settings of the one that is calibrated, without targets; eCCA's when left out.
    blocks
        Trials of each of the four targets.
    fits
        How often the same signal is fitted.
    options
        Options of the calibration.

    Raises
    ------
    SessionError
        A calibration was refused.
    """
    person = SsvepParticipant(seed=11, targets=FLICKERS, response_uv=5.0)
    sliding = {"targets": TARGETS, "trigger": "sliding", "step_s": STEP_S}
    wanted = {"kind": "ecca", **sliding, "window_s": 0.5, **(decoder or {})}
    screen, source = (f"{name}-{uuid.uuid4().hex}" for name in ("screen", "person"))
    headset = HeadsetOptions(person, source_id=source, steered_by=screen, chunk_samples=5)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(env={"VOLITION_DATA": folder}) as service,
        Client(service.url) as client,
        MarkerOutlet("screen", screen) as markers,
        HeadsetProcess(headset),
    ):
        if not markers.wait_for_consumers(30.0):
            raise SessionError("the simulated participant did not come")
        session = client.create_session(
            {
                "stream": {"source_id": source},
                "markers": {"source_id": screen},
                "decoder": {"kind": "fbcca", **sliding, "window_s": 1.0},
            }
        ).id
        heard = _Heard()
        listener = threading.Thread(target=heard.listen, args=(service.url, session), daemon=True)
        listener.start()
        if not heard.ready.wait(30.0):
            raise SessionError(f"session {session} does not run")
        began = local_clock()
        _show_trials(markers, blocks)
        fitting = local_clock()
        body = {"name": "own", "decoder": wanted, "options": dict(options or {})}
        made = [
            _fitted(client, session, {**body, "swap": number == fits - 1}) for number in range(fits)
        ]
        swapped = local_clock()
        time.sleep(2.0)  # what comes after, under the new model
        state = client.state(session)
        client.stop(session)
        listener.join(30.0)
    assert state.continuity is not None
    took_over = made[-1].swapped
    return {
        "decoder": wanted["kind"],
        "fits": fits,
        "trials": blocks * len(FLICKERS),
        "fit_s": (swapped - fitting) / fits,
        "swap_ms": None if took_over is None else 1e3 * took_over.took_s,
        "accuracy": None if made[-1].model is None else made[-1].model.scores.get("accuracy"),
        "before": heard.between(began, fitting),
        "during": heard.between(fitting, swapped),
        "after": heard.between(swapped, swapped + 2.0),
        "samples": state.continuity.samples,
        "lost": state.continuity.missing + state.dropped_samples,
        "resets": state.continuity.resets,
        "restarts": state.restarts,
        "intents_lost": heard.seqs[-1] - heard.seqs[0] + 1 - len(heard.seqs),
    }


def _show_trials(markers: MarkerOutlet, blocks: int) -> None:
    onset = local_clock() + CUE_S
    for _ in range(blocks):
        for flicker in FLICKERS:
            shown = Event(onset, "trial_start", {"freq_hz": flicker.freq_hz})
            markers.push(shown.to_marker(), onset)
            markers.push("clear", onset + TRIAL_S)
            onset += TRIAL_S + PAUSE_S
            time.sleep(max(0.0, onset - CUE_S - local_clock()))
    time.sleep(1.0)  # the last of it is on its way


def _fitted(client: Client, session: str, body: Mapping[str, Any]) -> CalibrationView:
    """Ask for a fit and wait until it has ended."""
    deadline = time.monotonic() + MOST_S
    view = client.calibrate(session, body)
    while view.ended_utc is None:
        if time.monotonic() > deadline:
            raise SessionError(f"calibration {view.id} takes more than {MOST_S:g} s: {view.step}")
        time.sleep(0.1)
        view = client.calibration(session, view.id)
    if view.refusal is not None:
        raise SessionError(f"the calibration was refused: {view.refusal.detail}")
    return view
