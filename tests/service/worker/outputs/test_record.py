"""A session's recording as one of its outputs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volition.chunk import Chunk, Event, SignalSpec
from volition.decoders.contract.intent import IdleIntent, to_json
from volition.service.sessions.outputs import OutputContext
from volition.service.worker.outputs.record import (
    RecordOutput,
    RecordOutputSettings,
    recording_state,
)
from volition.streams.files.xdf_reader import read_xdf

SPEC = SignalSpec(250.0, ("a", "b"))


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordOutput]:
    monkeypatch.setenv("VOLITION_DATA", str(tmp_path))
    made = RecordOutput(RecordOutputSettings())
    stream = {"name": "exo", "type": "EEG", "source_id": "x", "host": "h", "created_at": 1.0}
    header = {"next_seq": 7, "config": "{}"}
    made.open(OutputContext("s-1", 1, SPEC, stream, lambda: header, lambda: True))
    yield made
    made.close(10.0)


def send(output: RecordOutput, n_samples: int = 100) -> None:
    output.signal(Chunk(np.zeros((n_samples, 2)), np.arange(n_samples) / 250.0))


def await_state(output: RecordOutput, done: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while not done(output.state()):
        assert time.monotonic() < deadline, output.state()
        output.tend()
        time.sleep(0.02)
    return output.state()


def texts(path: Path, stream: str) -> list[str]:
    (found,) = (one for one in read_xdf(path).streams if one.name == stream)
    return [text for (text,) in found.samples]


def test_what_the_worker_hands_it_is_in_the_file(output: RecordOutput, tmp_path: Path) -> None:
    send(output)
    output.event(Event(1.0, "cue"))
    intent = IdleIntent(t_sample=0.5, seq=7)
    output.intent(to_json(intent), intent)
    output.status({"state": "running", "reason": "samples arrive"}, 0.1)
    output.close(10.0)
    (path,) = (tmp_path / "recordings").glob("s-1-*.xdf")
    assert texts(path, "volition-markers") == ["cue"]
    assert texts(path, "volition-intents") == [to_json(intent).decode()]
    assert json.loads(texts(path, "volition-status")[0])["state"] == "running"


def test_a_recorder_that_died_is_told_of_replaced_and_its_successor_notes_the_stop(
    output: RecordOutput, tmp_path: Path
) -> None:
    send(output)
    first = await_state(output, lambda state: state["samples"] == 100)
    assert output.trouble() == ""
    os.kill(output._open_recorder._process.pid, signal.SIGKILL)
    await_state(output, lambda state: "died" in state["error"])
    assert output.trouble().startswith("recording: the recorder process died")
    send(output, 30)
    state = await_state(output, lambda state: state["restarts"] and state["file"])
    assert (state["lost"], output.trouble()) == (30, "recording: 30 samples lost")
    assert state["file"] != first["file"]
    send(output, 5)
    output.close(10.0)
    (note,) = texts(tmp_path / "recordings" / state["file"], "volition-status")
    assert json.loads(note) == {"hold": {"held": True, "sample": 130, "t": None}}


@pytest.mark.skipif(os.name != "posix", reason="Windows removes no open file")
def test_a_recording_whose_folder_was_removed_says_so_and_goes_on_in_a_new_file(
    output: RecordOutput, tmp_path: Path
) -> None:
    send(output, 70)
    first = await_state(output, lambda state: state["samples"] == 70)
    shutil.rmtree(tmp_path / "recordings")
    began = time.monotonic()
    await_state(output, lambda state: "removed or moved" in state["error"])
    assert time.monotonic() - began < 1.0
    state = await_state(output, lambda state: state["restarts"] and state["file"])
    assert (state["file"] != first["file"], state["lost"], state["error"]) == (True, 70, "")
    send(output, 9)
    await_state(output, lambda state: state["samples"] == 9)
    assert (tmp_path / "recordings" / state["file"]).exists()


def test_how_a_recording_stands_is_found_among_the_outputs_by_its_kind() -> None:
    detail = {"file": "a.xdf", "samples": 1}
    lsl = {"kind": "lsl", "detail": {}}
    assert recording_state([lsl, {"kind": "record", "detail": detail}]) == detail
    assert recording_state([lsl]) is None
    assert recording_state([{"kind": "record", "detail": {}}]) is None
