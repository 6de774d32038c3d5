"""A recording made by an older version, or beside other outputs, still gives the same intents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, SignalSpec
from volition.decoders.contract.intent import to_json
from volition.service.sessions.config import SessionConfig
from volition.service.sessions.engine import Engine
from volition.service.sessions.gate import Gate
from volition.service.worker.recorder import Recorder
from volition.service.worker.replay import recorded_session, replay
from volition.streams.files.recording import read_recording

SPEC = SignalSpec(250.0, ("O1", "O2"))
CONFIG: dict[str, Any] = {
    "stream": {"source_id": "exo"},
    "stages": [{"kind": "bandpass", "low_hz": 5, "high_hz": 45}],
    "decoder": {
        "kind": "fbcca",
        "targets": [{"label": "slow", "freq_hz": 9}, {"label": "fast", "freq_hz": 12}],
        "trigger": "sliding",
        "window_s": 0.5,
        "step_s": 0.1,
    },
}


@pytest.mark.parametrize("selections", [{}, {"selections": None}, {"selections": {"dwell_s": 0.1}}])
@pytest.mark.parametrize(
    "outputs",
    [{"lsl_outlet": False, "record": True}, [{"kind": "record"}], [{"kind": "not-installed"}]],
    ids=["the former mapping", "a list", "an output that is not installed here"],
)
def test_a_recording_replays_to_its_intents_whatever_they_were_sent_to(
    outputs: Any, selections: dict[str, Any], tmp_path: Path
) -> None:
    """A recording that says nothing of selections is older than their policy."""
    times = np.arange(750) / 250.0
    noise = np.random.default_rng(1).normal(0, 3, (750, 2))
    samples = noise + 5 * np.sin(2 * np.pi * 12 * times)[:, None]
    recorder = Recorder(
        tmp_path,
        "s-1",
        1,
        SPEC,
        stream={"name": "exo", "type": "EEG", "source_id": "exo", "host": "h", "created_at": 1.0},
        header={"next_seq": 1, "config": json.dumps({**CONFIG, **selections, "outputs": outputs})},
    )
    live = SessionConfig.model_validate({**CONFIG, "selections": "every", **selections})
    engine = Engine(live, SPEC)
    for start in range(0, 750, 25):
        piece = slice(start, start + 25)
        recorder.write_signal(Recorder.copy(Chunk(samples[piece], 50 + times[piece])), 25)
        for intent in engine.step(Chunk(samples[piece].copy(), 50 + times[piece])):
            recorder.write_intent(to_json(intent), intent.t_sample)
    recorder.close(10.0)

    (path,) = tmp_path.iterdir()
    recording = read_recording(path)
    known = recorded_session(recording)
    assert known is not None
    assert known.live_intents > 10
    assert replay(recording, known.config, 16).sha256 == known.live_sha256


@pytest.mark.parametrize("chunk_samples", [1, 7, 250, 750])
def test_a_stop_in_the_middle_of_a_chunk_holds_the_same_intents_in_a_replay(
    chunk_samples: int, tmp_path: Path
) -> None:
    times = np.arange(750) / 250.0
    samples = np.random.default_rng(2).normal(0, 3, (750, 2))
    recorder = Recorder(
        tmp_path,
        "s-1",
        1,
        SPEC,
        stream={"name": "exo", "type": "EEG", "source_id": "exo", "host": "h", "created_at": 1.0},
        header={"next_seq": 1, "config": json.dumps({**CONFIG, "selections": "every"})},
    )
    every = SessionConfig.model_validate({**CONFIG, "selections": "every"})
    engine, gate = Engine(every, SPEC), Gate()
    turns = {9: True, 19: False}
    n_neutral = 0
    for start in range(0, 750, 250):
        piece = slice(start, start + 250)
        recorder.write_signal(Recorder.copy(Chunk(samples[piece], 50 + times[piece])), 250)
        intents = engine.step(Chunk(samples[piece].copy(), 50 + times[piece]))
        for intent in intents:
            gate.turn(turns.get(intent.seq, gate.closed), intent.seq)
            sent = gate.pass_on(intent)
            n_neutral += getattr(sent, "reason", "") == "held"
            recorder.write_intent(to_json(sent), sent.t_sample)
        if gate.turned_at is not None:
            note = {"held": gate.closed, "sample": start + 250, "t": None, "first": gate.turned_at}
            recorder.write_status({"hold": note}, 50 + times[piece][-1])
            gate.turned_at = None
    recorder.close(10.0)
    (path,) = tmp_path.iterdir()
    recording = read_recording(path)
    known = recorded_session(recording)
    assert known is not None
    assert n_neutral == 10
    done = replay(recording, known.config, chunk_samples, changes=known.changes)
    assert done.sha256 == known.live_sha256
