"""``volition check``: a stream that plays is judged electrode by electrode, and is no brain."""

from __future__ import annotations

import json
import uuid

import pytest
from typer.testing import CliRunner

from volition.service.cli import app
from volition.service.supervision import checking
from volition.streams.simulated.headset import HeadsetOptions, HeadsetProcess, Sine, SyntheticSignal


def test_a_battery_beside_the_mains_is_told_in_words_what_to_do_and_is_no_brain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checking, "BEGIN_S", 0.2)
    name = f"battery-{uuid.uuid4().hex}"
    signal = SyntheticSignal(8, 250.0, sines=(Sine(50.0, 20.0),), noise_uv=3.0, seed=1)
    with HeadsetProcess(HeadsetOptions(signal, source_id=name, chunk_samples=5)):
        arguments = ["check", name, "--pace", "0.25", "--json"]
        said = CliRunner().invoke(app(), arguments, catch_exceptions=False)
    assert said.exit_code == 1
    told = json.loads(said.stdout)
    assert told["brain"] != "yes"
    assert [one["name"] for one in told["proofs"]] == ["alpha", "blink", "jaw"]
    assert "yes" not in [one["verdict"] for one in told["proofs"]]
    hummed = told["electrodes"]
    assert {one["found"] for one in hummed} == {"more hum than signal"}
    assert all("mains cables" in one["advice"] for one in hummed)
