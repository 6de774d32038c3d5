"""The table of the simulated speller, and the figures of flicker: small runs, judged by order."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from volition.benchmarks.quality.simulated import speller
from volition.benchmarks.quality.simulated.spectrum import spectra

pytestmark = pytest.mark.slow


def test_calibrated_decoders_read_more_than_the_one_that_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = [entry for entry in speller.CALIBRATED if entry[0] == "eTRCA"]
    monkeypatch.setattr(speller, "CALIBRATED", chosen)
    monkeypatch.setattr(speller, "N_BLOCKS", 4)
    monkeypatch.setitem(sys.modules, "torch", None)  # as where the extra is not installed
    monkeypatch.delitem(sys.modules, "volition.models.training.ssvep_dnn", raising=False)
    said: list[str] = []
    result = speller.speller(2, (0.5,), said.append)
    rows: dict[str, Any] = {row["decoder"]: row for row in result["rows"]}
    assert list(rows) == ["FBCCA", "eTRCA", "network"]
    assert rows["network"]["accuracy"] is None
    assert "the extra train" in rows["network"]["left_out"]
    assert rows["eTRCA"]["accuracy"] > rows["FBCCA"]["accuracy"] > 1 / 40
    low, high = rows["eTRCA"]["interval"]
    assert low <= rows["eTRCA"]["worst"]["accuracy"] < rows["eTRCA"]["accuracy"] < high
    assert rows["eTRCA"]["n_trials"] == 2 * 160
    assert len(said) == 3


@pytest.mark.filterwarnings("ignore")  # what torch says of itself
def test_the_network_is_trained_in_both_stages_where_torch_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("torch", reason="needs the extra train")
    from volition.models.training import ssvep_dnn

    learned: list[tuple[int, int]] = []
    train = ssvep_dnn.train

    def counted(layers: Any, windows: Any, targets: Any, stage: Any, *, seed: int) -> float:
        learned.append((len(windows), stage.n_epochs))
        return train(layers, windows, targets, stage, seed=seed)

    monkeypatch.setattr(ssvep_dnn, "train", counted)
    monkeypatch.setattr(speller, "PASSES", (2, 1))
    monkeypatch.setattr(speller, "N_TEACHERS", 1)
    (row,) = speller.speller(1, (), lambda _: None)["rows"]
    # Another person's six blocks, then five of one's own; the sixth alone is decoded.
    assert learned == [(240, 2), (200, 1)]
    assert (row["decoder"], row["n_trials"], row["passes"]) == ("network", 40, [2, 1])


def test_simulated_people_have_the_spectrum_of_real_ones(shared_data: Path) -> None:
    result = spectra(shared_data / "ssvep_exo")
    for freq_hz, real, simulated in zip(
        result["freqs_hz"], result["real"], result["simulated"], strict=True
    ):
        if 1 <= freq_hz <= 45:
            assert 0.5 < simulated / real < 2, freq_hz
    pytest.importorskip("matplotlib", reason="needs the extra bench")
    from volition.benchmarks import drawings

    assert ET.fromstring(drawings.spectra(result)).tag.endswith("svg")  # noqa: S314 - our own


def test_curves_are_drawn_from_reports() -> None:
    pytest.importorskip("matplotlib", reason="needs the extra bench")
    from volition.benchmarks import drawings

    point = {"false_selections_per_min": 1.0, "selected_share": 0.5}
    report = {"idle_curve": {"points": [point, point]}, **point}
    text = drawings.idle_curves({"one": report, "another": json.loads(json.dumps(report))})
    assert "another" in text
    assert ET.fromstring(text).tag.endswith("svg")  # noqa: S314 - our own
