"""A page of a session says what its recording holds, escapes every text, and loads nothing."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from volition.chunk import Event, SignalSpec
from volition.decoders.contract.intent import Intent, to_json
from volition.service.cli import app
from volition.service.reports.findings import Findings, findings_of
from volition.service.reports.page import page
from volition.service.sessions.config import load_config
from volition.service.worker.replay import replay
from volition.streams.files.recording import Recording, packaged_recordings, read_recording

LATE_S = 0.02


@pytest.fixture(scope="module")
def recorded() -> Recording:
    """A packaged recording with what a session decides on it, as its recorder keeps that."""
    signal = read_recording(packaged_recordings()["ssvep-exo-s12"])
    config = load_config("fbcca-exo")
    texts: list[tuple[float, str]] = []

    def keep(intent: Intent) -> None:
        intent.t_decoded = intent.t_sample + LATE_S
        texts.append((intent.t_sample, to_json(intent).decode()))

    replay(signal, config, 64, keep)
    begin = float(signal.times[0])
    notes = [
        {"state": "running", "reason": "the stream is there"},
        {"hold": {"held": True, "sample": 1, "t": None}},
        {"swap": {"decoder": {"kind": "cca"}, "sample": 2}},
        {"recording": "5 samples lost"},
    ]
    status = [(begin + n, json.dumps(note)) for n, note in enumerate(notes)]
    written = config.model_dump_json(exclude_unset=True)
    header = {"volition": [{"session": ["s-1"], "config": [written]}]}
    metadata = {
        **signal.metadata,
        "header": header,
        "texts": {"volition-intents": texts, "volition-status": status},
    }
    return dataclasses.replace(signal, metadata=metadata)


@pytest.fixture(scope="module")
def found(recorded: Recording) -> Findings:
    return findings_of(recorded)


def test_trials_are_answered_by_what_their_markers_asked_for(found: Findings) -> None:
    assert found.trials is not None
    assert found.trials.n == 32
    assert found.trials.right / found.trials.n > 0.8
    low, high = found.trials.interval
    assert low < found.trials.right / found.trials.n <= high
    assert sum(map(sum, found.trials.counts)) == found.trials.n
    place = {label: n for n, label in enumerate(found.trials.labels)}
    diagonal = sum(found.trials.counts[n][n] for n in place.values())
    at_rest = found.trials.counts[place["rest"]][place["nothing"]]
    assert diagonal + at_rest == found.trials.right


def test_decisions_are_counted_and_timed(found: Findings, recorded: Recording) -> None:
    assert len(found.intents) == sum(found.counts.values()) == len(found.latency_s) > 0
    np.testing.assert_allclose(found.latency_s, LATE_S, atol=1e-6)
    assert all(0 <= t <= recorded.duration_s for t, _, _ in found.intents)


def test_what_happened_is_said_in_words(found: Findings) -> None:
    assert [note for _, note in found.notes] == [
        "running: the stream is there",
        "emergency stop",
        "decodes by cca from here on",
        "recording: 5 samples lost",
    ]
    assert [round(t, 6) for t, _ in found.notes] == [0, 1, 2, 3]


def test_channels_are_judged_as_live() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(2500) / 250.0
    samples = rng.normal(0, 10, (2500, 3))
    samples[:, 1] = 0.0
    samples[:, 2] += 100 * np.sin(2 * np.pi * 50 * t)
    spec = SignalSpec(250.0, ("good", "flat", "hum"))
    good, flat, hum = findings_of(Recording(spec, samples, 5.0 + t)).channels
    assert (good.flat, flat.flat) == (0.0, 1.0)
    assert 9 < good.rms < 11
    assert hum.line_noise > 0.9
    assert good.line_noise < 0.2


def test_gaps_are_told_with_their_length() -> None:
    at = np.concatenate([np.arange(250), np.arange(500, 750)]) / 250.0
    spec = SignalSpec(250.0, ("a",))
    ((when, length),) = findings_of(Recording(spec, np.ones((500, 1)), at)).gaps
    assert when == pytest.approx(249 / 250)
    assert length == pytest.approx(251 / 250)


class Reader(HTMLParser):
    """Notes elements, what they load, and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self.loads += [f"{k}={v}" for k, v in attrs if k in ("src", "href", "srcset", "action")]
        self.loads += [k for k, _ in attrs if k.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def test_the_page_has_every_part_and_needs_nothing_else(found: Findings) -> None:
    written = page(found)
    reader = read(written)
    titles = ("Trials", "Decisions", "Latency", "Signal", "What happened", "Configuration")
    assert all(f"<h2>{title}</h2>" in written for title in titles)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(reader.elements)
    assert reader.loads == []
    assert "default-src 'none'" in written
    assert "url(" not in written
    assert re.findall(r"https?://", written) == []
    assert "20.0 ms" in written
    assert "Session s-1" in written


def findings(said: str) -> Findings:
    spec = SignalSpec(250.0, (said or "x",))
    intent = {"kind": "selection", "label": said, "t_sample": 1.0, "t_decoded": 1.01}
    config = {"name": said, "decoder": {"kind": said}}
    metadata = {
        "file": said,
        "header": {"volition": [{"session": [said], "config": [json.dumps(config)]}]},
        "texts": {
            "volition-intents": [(1.0, json.dumps(intent))],
            "volition-status": [(1.0, json.dumps({"state": "failed", "reason": said}))],
        },
    }
    events = (Event(0.5, "trial_start", {"target": said}),)
    times = np.arange(500) / 250.0
    return findings_of(Recording(spec, np.ones((500, 1)), times, events, metadata))


KEYS = ("kind", "label", "t_sample", "t_decoded", "t_trigger", "state", "hold", "swap", "decoder")
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.sampled_from(["idle", "class", "1"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=4,
)
NASTY = '<script>alert("1")</script>&\'"</td><!--'


def test_texts_of_a_recording_are_texts_on_the_page() -> None:
    reader = read(page(findings(NASTY)))
    assert "script" not in reader.elements
    assert sum(NASTY in text for text in reader.texts) >= 6


@settings(max_examples=20)
@given(said=st.text(st.sampled_from("<>&\"'/=-! scripton"), max_size=30))
def test_no_text_makes_an_element(said: str) -> None:
    usual = set(read(page(findings("a"))).elements)
    assert set(read(page(findings(said))).elements) <= usual


@given(
    said=st.sampled_from(["", "[]", "{", "null", '{"kind": 1}', "[" * 3000, '{"t_sample": "x"}'])
    | st.builds(json.dumps, st.dictionaries(st.sampled_from(KEYS), anything))
)
def test_what_another_program_wrote_in_the_names_of_ours_is_left_out(said: str) -> None:
    metadata = {
        "header": {"volition": [{"session": "s", "config": [said]}]},
        "texts": {"volition-intents": [(1.0, said)], "volition-status": [(1.0, said)]},
    }
    events = (Event(0.5, "trial_start", {"target": "a"}),)
    times = np.arange(500) / 250.0
    signal = Recording(SignalSpec(250.0, ("a",)), np.ones((500, 1)), times, events, metadata)
    read(page(findings_of(signal)))


def test_a_recording_of_no_session_has_a_page_of_its_signal(tmp_path: Path) -> None:
    path = packaged_recordings()["ssvep-exo-s03"]
    out = tmp_path / "page.html"
    done = CliRunner().invoke(
        app(), ["recordings", "report", str(path), "--out", str(out), "--json"]
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert told == {"page": str(out), "intents": 0, "trials": None}
    assert "<h2>Signal</h2>" in out.read_text("utf-8")
    assert "<h2>Decisions</h2>" not in out.read_text("utf-8")
