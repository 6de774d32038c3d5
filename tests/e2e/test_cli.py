"""The command line, as a user runs it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.streams.files import raw_xdf
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, SyntheticSignal

PACKAGED = "ssvep-exo-s12"
FBCCA = "{kind: fbcca, targets: [{label: a, freq_hz: 9}, {label: b, freq_hz: 12}]}"


def volition(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "volition.service.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=170,
        env={**os.environ, **environment},
        check=False,
    )


def last_json(finished: subprocess.CompletedProcess[str]) -> Any:
    assert finished.stdout, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def test_replay_gives_the_same_digest_whatever_the_chunk_size() -> None:
    results = [
        last_json(volition("replay", PACKAGED, "--session", "fbcca-exo", "--chunk", n, "--json"))
        for n in ("1", "7", "64", "512")
    ]
    assert len({result["sha256"] for result in results}) == 1
    assert results[0]["intents"] > 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stream: {type: EEG}\ndecoder: {kind: fbca, targets: []}", ["decoder.kind", "fbcca"]),
        (
            f"stream: {{type: EEG, sorce_id: x}}\ndecoder: {FBCCA}",
            ["stream.sorce_id", "source_id"],
        ),
        (
            f"{{stream: {{type: EEG}}, stages: [{{kind: notch, q: 3}}], decoder: {FBCCA}}}",
            ["stages[0].q", "quality"],
        ),
        ("- a\n- b", ["mapping", "stream"]),
        ("a: [", ["not YAML"]),
    ],
)
def test_a_wrong_session_file_is_told_by_key_and_nothing_starts(
    tmp_path: Path, text: str, told: list[str]
) -> None:
    file = tmp_path / "session.yaml"
    file.write_text(text)
    finished = volition("serve", "--session", file, "--port", "0")
    assert finished.returncode == 3
    assert "Traceback" not in finished.stderr
    assert "listens" not in finished.stderr
    for word in told:
        assert word in finished.stderr


def test_an_unknown_preset_is_told_which_there_are() -> None:
    finished = volition("replay", PACKAGED, "--session", "nothing")
    assert finished.returncode == 3
    assert "fbcca-exo" in finished.stderr


def test_a_recording_that_is_not_there_has_an_exit_code_of_its_own() -> None:
    finished = volition("replay", "nothing.xdf", "--session", "fbcca-exo")
    assert finished.returncode == 6
    assert "nothing.xdf" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_port_that_is_taken_is_one_sentence() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        finished = volition("serve", "--port", taken.getsockname()[1])
    assert finished.returncode == 3
    assert "--port" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_the_doctor_finds_nothing_wrong_here() -> None:
    report = last_json(volition("doctor", "--port", "0", "--json"))
    assert report["ok"]
    assert {check["check"] for check in report["checks"]} >= {"Python", "liblsl", "discovery"}


def test_without_liblsl_the_doctor_and_streams_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "pylsl.py").write_text("raise RuntimeError('LSL binary library file not found')")
    environment = {"PYTHONPATH": str(tmp_path)}
    examined = volition("doctor", "--port", "0", **environment)
    assert examined.returncode == 1
    assert "install" in examined.stdout.lower()
    listed = volition("streams", **environment)
    assert listed.returncode == 4
    assert "nstall" in listed.stderr
    assert "Traceback" not in examined.stderr + listed.stderr


def test_replay_needs_no_liblsl(tmp_path: Path) -> None:
    (tmp_path / "pylsl.py").write_text("raise RuntimeError('LSL binary library file not found')")
    finished = volition(
        "replay", PACKAGED, "--session", "fbcca-exo", "--json", PYTHONPATH=str(tmp_path)
    )
    assert last_json(finished)["intents"] > 0


def test_no_stream_is_a_sentence_and_no_error() -> None:
    finished = volition("streams", "--type", uuid.uuid4().hex, "--wait", "0.2")
    assert finished.returncode == 0
    assert "volition simulate" in finished.stdout


def test_eight_streams_are_all_listed_with_their_channels() -> None:
    type_ = uuid.uuid4().hex
    signal = SyntheticSignal(4, 100.0, labels=("Oz", "O1", "O2", "POz"))
    ids = {f"{type_}-{n}" for n in range(8)}
    with ExitStack() as stack:
        for source_id in ids:
            options = HeadsetOptions(signal, source_id=source_id, type=type_)
            stack.enter_context(HeadsetProcess(options))
        found = last_json(volition("streams", "--type", type_, "--json"))["streams"]
    assert {stream["source_id"] for stream in found} == ids
    assert all(stream["labels"] == ["Oz", "O1", "O2", "POz"] for stream in found)


def test_the_documents_of_the_interface_are_json() -> None:
    assert "/v1/sessions" in last_json(volition("openapi"))["paths"]
    assert last_json(volition("asyncapi"))["asyncapi"] == "3.0.0"


def test_the_demonstration_decodes_a_recorded_person_live_and_leaves_nothing_behind() -> None:
    finished = volition("demo", "--trials", "2", "--json")
    assert finished.returncode == 0, finished.stderr
    assert "http://127.0.0.1:" in finished.stderr
    assert "/#demo" in finished.stderr
    summary = last_json(finished)
    assert summary["trials"] == 2
    assert summary["accuracy"] == 1.0
    assert summary["lost"] == 0
    assert summary["latency_ms"]["p50"] > 0


def file_with_markers(folder: Path) -> Path:
    """Write a signal, three markers of a stimulus program and five of a keyboard."""
    times = [300.0 + k / 100 for k in range(1500)]
    wave = [[8 * math.sin(2 * math.pi * 12 * t), math.cos(5 * t)] for t in times]
    signal: dict[str, Any] = {"channel_count": 2, "nominal_srate": 100, "channel_format": "float32"}
    marks: dict[str, Any] = {
        "channel_count": 1,
        "nominal_srate": 0,
        "channel_format": "string",
        "type": "Markers",
    }
    return raw_xdf.write(
        folder / "a.xdf",
        raw_xdf.header(1, name="amp", type="EEG", source_id="amp", **signal),
        raw_xdf.numbers(1, wave, times, "<f4"),
        raw_xdf.header(2, name="stimuli", source_id="stimuli", **marks),
        raw_xdf.texts(2, [["go"]] * 3, [301.0, 305.0, 309.0]),
        raw_xdf.header(3, name="keyboard", source_id="keyboard", **marks),
        raw_xdf.texts(3, [["space"]] * 5, [302.0, 303.0, 306.0, 307.0, 310.0]),
    )


@pytest.mark.parametrize(
    ("markers", "chosen", "decisions"),
    [
        ("", (), 0),
        ("markers: {name: stimuli}", (), 3),
        ("markers: {name: stimuli}", ("--markers", "keyboard"), 5),
        ("", ("--markers", "stimuli"), 3),
    ],
)
def test_a_replay_hears_the_markers_that_the_session_would_have_heard(
    tmp_path: Path, markers: str, chosen: tuple[str, ...], decisions: int
) -> None:
    session = tmp_path / "s.yaml"
    decoder = FBCCA.replace("}]}", "}], n_harmonics: 2, n_subbands: 2, window_s: 1}")
    session.write_text(f"stream: {{type: EEG}}\n{markers}\ndecoder: {decoder}\n")
    file = file_with_markers(tmp_path)
    finished = volition("replay", file, "--session", session, "--json", *chosen)
    assert last_json(finished)["intents"] == decisions
    assert ("names no marker stream: 8 events are left out" in finished.stderr) == (not decisions)
