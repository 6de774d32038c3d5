"""The table of the simulated speller, and the figures of flicker: small runs, judged by order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from benchmarks import speller
from benchmarks.spectrum import spectra

pytestmark = pytest.mark.slow


def test_calibrated_decoders_read_more_than_the_one_that_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = [entry for entry in speller.CALIBRATED if entry[0] == "eTRCA"]
    monkeypatch.setattr(speller, "CALIBRATED", chosen)
    monkeypatch.setattr(speller, "N_BLOCKS", 4)
    said: list[str] = []
    result = speller.speller(1, (0.5,), said.append)
    rows: dict[str, Any] = {row["decoder"]: row for row in result["rows"]}
    assert list(rows) == ["FBCCA", "eTRCA"]
    assert rows["eTRCA"]["accuracy"] > rows["FBCCA"]["accuracy"] > 1 / 40
    low, high = rows["eTRCA"]["interval"]
    assert low < rows["eTRCA"]["accuracy"] < high
    assert rows["eTRCA"]["n_trials"] == 160
    assert len(said) == 2


def test_simulated_people_have_the_spectrum_of_real_ones(shared_data: Path) -> None:
    result = spectra(shared_data / "ssvep_exo")
    for freq_hz, real, simulated in zip(
        result["freqs_hz"], result["real"], result["simulated"], strict=True
    ):
        if 1 <= freq_hz <= 45:
            assert 0.5 < simulated / real < 2, freq_hz
    pytest.importorskip("matplotlib", reason="drawn with the extra bench")
    from benchmarks import drawings

    assert ET.fromstring(drawings.spectra(result)).tag.endswith("svg")  # noqa: S314 - our own


def test_curves_are_drawn_from_reports() -> None:
    pytest.importorskip("matplotlib", reason="drawn with the extra bench")
    from benchmarks import drawings

    point = {"false_selections_per_min": 1.0, "selected_share": 0.5}
    report = {"idle_curve": {"points": [point, point]}, **point}
    text = drawings.idle_curves({"one": report, "another": json.loads(json.dumps(report))})
    assert "another" in text
    assert ET.fromstring(text).tag.endswith("svg")  # noqa: S314 - our own
