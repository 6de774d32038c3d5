"""The document of figures is written from reports alone, and names what is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from volition.benchmarks import report
from volition.benchmarks.environment import environment
from volition.benchmarks.peers import measure
from volition.benchmarks.peers.subscribers import Messages
from volition.benchmarks.speed import costs
from volition.benchmarks.speed.feeder import FedStream

ENVIRONMENT = environment()


@pytest.fixture(scope="module")
def decoders() -> dict[str, Any]:
    extent = costs.Extent(passes=1, stage_s=0.2, decoder_s=0.4)
    return {**costs.measure(["saturate", "dnn"], extent), "environment": ENVIRONMENT}


@pytest.fixture
def peers() -> dict[str, Any]:
    """Volition and a peer whose messages take 1 and 4 ms, and one that cannot be had."""
    stream = FedStream(2, 1000.0, 0.010, "a-stream")
    pushed = np.linspace(100.01, 102.0, 200, dtype=np.float64)
    rows = []
    for name, latency_s in (("volition, LSL", 0.001), ("mne-lsl", 0.004)):
        contender = measure.Contender(name, "lsl", lambda *_: pytest.fail("it is not run"))
        came = Messages(pushed, np.add(pushed, latency_s), np.full(200, 10, np.int64))
        rows.append(
            measure._row(
                contender, [measure.Turn(came, 0.1, 50.0), None], pushed, stream, share_s=2.0
            )
        )
    return {
        "channels": 2,
        "rate_hz": 1000.0,
        "chunk_ms": 10.0,
        "band_hz": [5.0, 45.0],
        "rounds": 1,
        "rows": measure._with_ratios(rows),
        "troubles": ["mne-lsl, round 2: it sent nothing"],
        "missing": {"timeflux": "cannot be imported: it is gone"},
        "versions": {"mne-lsl": {"mne-lsl": "1.14.0"}},
        "environment": ENVIRONMENT,
    }


def test_each_report_has_its_section(
    decoders: dict[str, Any], peers: dict[str, Any], tmp_path: Path
) -> None:
    budget = {"calls": 146, "bytecodes": 1890, "peak_bytes": 4500, "kept_blocks": 0.1}
    counted = {"scenario": "kalman, 8 channels", **budget, "calls_later": budget["calls"]}
    rows = [{**counted, "why_none": "nothing counts here"}]
    others = {
        "decoders": decoders,
        "peers": peers,
        "counts": {
            "rows": rows,
            "budget": {"kalman, 8 channels": budget},
            "environment": ENVIRONMENT,
        },
        "capacity": None,
    }
    out = tmp_path / "figures.md"
    report.write([], others, out)
    text = out.read_text("utf-8")

    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    by_name = {row[0]: row for row in cells}
    assert {"`saturate`", "kalman, 8 channels", "volition, LSL"} <= by_name.keys()
    assert by_name["mne-lsl"][-3:] == ["0.25", "0.25", "1.0"]
    assert "needs a network" in " ".join(by_name["`dnn`"])
    assert "not measured: timeflux: cannot be imported: it is gone" in text
    assert "a turn failed: mne-lsl, round 2: it sent nothing" in text
    assert "nothing counts here" in by_name["kalman, 8 channels"]
    assert "## Capacity" not in text
    assert "## Latency" not in text
    assert all(len(row) == len(cells[0]) for row in cells[: 1 + len(peers["rows"])])
    for drawing in re.findall(r"!\[.*\]\((.*)\)", text):
        assert (tmp_path / drawing).is_file()


def test_a_report_alone_takes_the_place_of_its_section_and_says_where_it_was_measured(
    decoders: dict[str, Any], peers: dict[str, Any], tmp_path: Path
) -> None:
    out = tmp_path / "figures.md"
    report.write([], {"decoders": decoders, "peers": peers}, out)
    before = out.read_text("utf-8")
    report.write([], {"decoders": decoders}, out)
    assert out.read_text("utf-8") == before
    elsewhere = {**ENVIRONMENT, "processor": "another processor"}
    rows = [{**row, "mean_us": 1234.5} for row in decoders["stages"]]
    report.write([], {"decoders": {**decoders, "stages": rows, "environment": elsewhere}}, out)
    head, theirs, ours = out.read_text("utf-8").split("\n## ")
    assert "1234.5" in ours
    assert "Measured apart. Machine: another processor" in ours
    assert "another processor" not in head + theirs
    assert theirs.rstrip() == before.split("\n## ")[1].rstrip()


def test_the_same_reports_give_the_same_drawings(
    decoders: dict[str, Any], peers: dict[str, Any]
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra bench")
    from volition.benchmarks import drawings

    first, second = drawings.peers(peers["rows"]), drawings.peers(peers["rows"])
    assert first == second
    assert "volition, LSL" in first
    assert "saturate" in drawings.costs(decoders)


def test_without_matplotlib_there_are_no_drawings(
    peers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_drawings", lambda: None)
    report.write([], {"peers": peers}, tmp_path / "figures.md")
    assert "![" not in (tmp_path / "figures.md").read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["figures.md"]
