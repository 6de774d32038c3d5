from __future__ import annotations

import uuid
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from volition.chunk import SignalSpec
from volition.service.cli.options import cells
from volition.streams.lsl.discovery import StreamDescription
from volition.streams.lsl.look import Seen, look_at
from volition.streams.lsl.verdict import verdict
from volition.streams.signal.continuity import Continuity
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, SyntheticSignal

SPEC = SignalSpec(256.0, ("Oz", "O1"))


def seen(**changed: Any) -> Seen:
    report = {
        **Continuity(SPEC).report(),
        "samples": 5000,
        "rate_hz": 256.01,
        "rate_uncertainty_hz": 0.02,
        **changed.pop("report", {}),
    }
    values: dict[str, Any] = {
        "description": StreamDescription("a", "EEG", "s", "h", "u", 256.0, "float32", 2),
        "spec": SPEC,
        "seconds": 20.0,
        "samples": 5000,
        "clock": "lsl",
        "distance_s": -0.01,
        "continuity": report,
        "quality": [],
        "warnings": (),
        **changed,
    }
    return Seen(**values)


def test_a_sound_stream_needs_nothing() -> None:
    findings = verdict(seen())
    assert all(finding.ok for finding in findings)
    assert not any(finding.advice for finding in findings)


@pytest.mark.parametrize(
    ("changed", "check", "advice"),
    [
        ({"report": {"rate_hz": 200.0}}, "rate", "rate_hz: 200"),
        ({"clock": "unix", "distance_s": 1.8e9}, "clock", "clock: unix"),
        ({"clock": "device", "distance_s": -4e3}, "clock", "clock: device"),
        ({"report": {"missing": 900, "gaps": 70}}, "losses", "cable"),
        ({"warnings": ("Oz: no unit is given",)}, "units", "units"),
    ],
)
def test_what_is_wrong_is_told_with_what_to_set(
    changed: dict[str, Any], check: str, advice: str
) -> None:
    (found,) = [finding for finding in verdict(seen(**changed)) if not finding.ok]
    assert found.check == check
    assert advice in found.advice


def test_dead_channels_are_named() -> None:
    quality = [
        {"label": "Oz", "flat": True, "saturated": False, "line_noise": 0.0},
        {"label": "O1", "flat": False, "saturated": False, "line_noise": 0.9},
    ]
    channels = verdict(seen(quality=quality))[-1]
    assert not channels.ok
    assert channels.found == "flat: Oz; more hum than signal: O1"


def test_a_stream_is_looked_at_and_its_rate_measured() -> None:
    source_id = f"looked-{uuid.uuid4()}"
    source = SyntheticSignal(n_channels=2, rate_hz=250.0, noise_uv=5.0)
    with HeadsetProcess(HeadsetOptions(source, source_id=source_id, chunk_samples=8)):
        from volition.streams.lsl.discovery import find_one

        found = look_at(find_one(source_id=source_id, wait_s=10.0), 3.0)
    assert found.clock == "lsl"
    assert found.continuity["rate_hz"] == pytest.approx(250.0, rel=0.01)


@pytest.mark.parametrize(
    "text", ["Unicorn [/device]", "EEG [raw] [bold]", "esc\x1b[31m", "bell\x07", "rtl\u202e", "\\"]
)
def test_foreign_text_is_never_markup_and_controls_no_terminal(text: str) -> None:
    console = Console(width=80, record=True, force_terminal=True, color_system="truecolor")
    table = Table(box=None)
    table.add_column("name")
    table.add_row(*cells(text))
    with console.capture() as shown:
        console.print(table)
    kept = "".join(c if c.isprintable() else "\ufffd" for c in text)
    assert kept in shown.get()
