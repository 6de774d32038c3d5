"""Own recordings of a cursor: what was meant follows from targets and cursor, and is scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from volition.benchmarks.quality.evaluation.own_cursor import evaluate_own_cursor
from volition.chunk import Event, SignalSpec
from volition.errors import ConfigError, RecordingError
from volition.service.cli import app
from volition.service.sessions.config import parse_config
from volition.service.worker.recorder import INTENTS
from volition.streams.files.trial_mapping import TrialMapping
from volition.streams.files.xdf_writer import XdfWriter

RATE_HZ, TRIAL_S = 20.0, 2.0
PLACES = {"R": [12.0, 0.0], "L": [-12.0, 0.0], "U": [0.0, 12.0], "D": [0.0, -12.0]}
SPEC = SignalSpec(RATE_HZ, tuple("abcdefgh"))
#: Each channel prefers a direction of its own.
TUNING = np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(8) / 8])
SESSION: dict[str, Any] = {
    "stream": {"type": "EEG"},
    "markers": {"type": "Markers"},
    "decoder": {"kind": "kalman"},
}
MAPPING = TrialMapping.model_validate({"positions": PLACES, "radius": 1.0, "cursor": [0.0, 0.0]})


def record(
    path: Path,
    seed: int,
    *,
    n_trials: int = 16,
    gain: float = 3.0,
    intents: bool = False,
    named: bool = False,
) -> None:
    """Write a person who means, all along, to go from the middle to the target that is shown."""
    rng = np.random.default_rng(seed)
    order = [list(PLACES)[n % 4] for n in rng.permutation(n_trials)]
    n = int(n_trials * TRIAL_S * RATE_HZ)
    times = 40.0 + (1 + np.arange(n)) / RATE_HZ
    meant = np.repeat([PLACES[name] for name in order], int(TRIAL_S * RATE_HZ), axis=0) / 12.0
    samples = gain * meant @ TUNING.T + rng.standard_normal((n, 8))
    onsets = [40.0 + TRIAL_S * k for k in range(n_trials)]
    events = [
        Event(t, "trial_start", {"position": PLACES[name]}) if named else Event(t, name)
        for t, name in zip(onsets, order, strict=True)
    ]
    with XdfWriter(path) as writer:
        signal = writer.add_signal(SPEC, name="eeg", source_id="eeg")
        markers = writer.add_markers(name="shown", source_id="shown")
        writer.write_samples(signal, samples, times)
        writer.write_texts(markers, [e.to_marker() for e in events], [e.time for e in events])
        if intents:
            told = writer.add_markers(name=INTENTS, source_id=INTENTS, type="Intents")
            text = json.dumps({"kind": "cursor", "position": [0.0, 0.0]})
            writer.write_texts(told, [text, text], [float(times[0]), float(times[-1])])


def test_each_recording_is_scored_by_a_decoder_of_the_others(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        record(tmp_path / f"{seed}.xdf", seed)
    found = evaluate_own_cursor(tmp_path, parse_config(SESSION), MAPPING)
    assert found["protocol"] == "each recording by a decoder that was fitted to all the others"
    assert {*found["per_recording"]} == {"1", "2", "3"}
    assert found["n_trials"] == 48
    assert found["accuracy"] >= 0.95
    assert min(found["correlation"]) > 0.9
    assert found["nrmse"] < 0.5
    assert found["idle_bins"] == 0


def test_where_the_signal_says_nothing_the_score_is_chance(tmp_path: Path) -> None:
    for seed in (1, 2):
        record(tmp_path / f"{seed}.xdf", seed, n_trials=40, gain=0.0)
    found = evaluate_own_cursor(tmp_path, parse_config(SESSION), MAPPING)
    low, high = found["interval"]
    assert low < 0.5 < high
    assert max(map(abs, found["correlation"])) < 0.3


def test_one_recording_alone_is_learnt_from_and_scored_on_what_comes_later(tmp_path: Path) -> None:
    record(tmp_path / "one.xdf", 5)
    found = evaluate_own_cursor(tmp_path / "one.xdf", parse_config(SESSION), MAPPING)
    assert found["n_trials"] == 4
    assert found["accuracy"] == 1.0


def test_the_recording_of_a_session_needs_no_mapping(tmp_path: Path) -> None:
    """Its events name positions, and its intents say where the cursor was."""
    for seed in (1, 2):
        record(tmp_path / f"{seed}.xdf", seed, intents=True, named=True)
    found = evaluate_own_cursor(tmp_path, parse_config(SESSION), None)
    assert found["accuracy"] >= 0.95


def test_a_recording_that_does_not_tell_where_the_cursor_was_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "a.xdf", 1, named=True)
    with pytest.raises(RecordingError, match="no event named 'cursor'"):
        evaluate_own_cursor(tmp_path / "a.xdf", parse_config(SESSION), None)
    record(tmp_path / "b.xdf", 1)
    with pytest.raises(RecordingError, match=r"no event that names a target.*--trials"):
        evaluate_own_cursor(tmp_path / "b.xdf", parse_config(SESSION), None)


def test_the_command_takes_a_cursors_session_too(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    record(folder / "a.xdf", 1)
    record(folder / "b.xdf", 2)
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(SESSION))
    (tmp_path / "t.yaml").write_text(
        "positions: {R: [12, 0], L: [-12, 0], U: [0, 12], D: [0, -12]}\ncursor: [0, 0]\n"
    )
    arguments = ["evaluate", str(folder), "--session", f"{tmp_path}/s.yaml"]
    result = CliRunner().invoke(
        app(), [*arguments, "--trials", f"{tmp_path}/t.yaml", "--json"], catch_exceptions=False
    )
    assert json.loads(result.stdout.splitlines()[-1])["accuracy"] >= 0.95


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("radius: 1", "either targets"),
        ("targets: {a: b}\npositions: {a: [1]}", "either targets"),
        ("positions: {a: [1, 2], b: [1]}", "equally many numbers"),
        ("positions: {a: []}", "equally many numbers"),
        ("positions: {a: [1, 2]}\ncursor: [0]", "equally many numbers"),
    ],
)
def test_a_mapping_says_one_thing(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError, match=told):
        TrialMapping.read(tmp_path / "t.yaml")
